import { HeadendError } from '../../contract/errors.ts'
import type { Exchange } from '../../contract/exchange.ts'
import { excerpt } from '../schema-error.ts'
import { knownBetas } from './betas.ts'

/** https://docs.anthropic.com/en/api/versioning */
const oldVersion = '2023-06-01'
const newestVersion = '2026-10-21'

type Version = typeof oldVersion | typeof newestVersion

/** Users of curl often leave the header out: that is the old version. One that we do not know is newer than we are. */
function versionOf(exchange: Exchange): Version {
  const value = exchange.header('anthropic-version')
  return value === null || value.trim() === oldVersion ? oldVersion : newestVersion
}

export function isNewestVersion(exchange: Exchange): boolean {
  return versionOf(exchange) === newestVersion
}

const contextWindowBeta = 'model-context-window-exceeded-2025-08-26'

/** Whether this client knows the stop reason `model_context_window_exceeded`; others are told `max_tokens`. */
export function knowsContextFull(exchange: Exchange): boolean {
  return isNewestVersion(exchange) || betasOf(exchange).includes(contextWindowBeta)
}

/**
 * What the hosted API says of its two headers. Without `--strict` it is not asked: a version that is missing or unknown means one of
 * those we know, and beta names are ignored, because clients send what the newest hosted API takes.
 * @throws HeadendError invalid-request
 */
export function checkVersionHeaders(exchange: Exchange): void {
  const version = exchange.header('anthropic-version')
  if (version === null) throw refuseHeader('anthropic-version', 'header is required')
  const trimmed = version.trim()
  if (trimmed !== oldVersion && trimmed !== newestVersion) {
    throw refuseHeader('anthropic-version', `"${excerpt(version)}" is not a valid version`)
  }
  const unknown = betasOf(exchange).find((name) => name !== '' && !knownBetas.has(name))
  if (unknown !== undefined) {
    throw refuseHeader('anthropic-beta', `"${excerpt(unknown)}" is not a known beta; leave it out`)
  }
}

function refuseHeader(name: string, problem: string): HeadendError {
  return new HeadendError('invalid-request', `${name}: ${problem}`, { field: name })
}

function betasOf(exchange: Exchange): readonly string[] {
  return (exchange.header('anthropic-beta') ?? '').split(',').map((name) => name.trim())
}
