import type { Exchange } from '../../contract/exchange.ts'

/** https://docs.anthropic.com/en/api/versioning */
const oldVersion = '2023-06-01'
const newestVersion = '2026-10-21'

type Version = typeof oldVersion | typeof newestVersion

/** Users of curl often leave the header out: that is the old version. One that we do not know is newer than we are. */
export function versionOf(exchange: Exchange): Version {
  const value = exchange.header('anthropic-version')
  return value === null || value.trim() === oldVersion ? oldVersion : newestVersion
}

const contextWindowBeta = 'model-context-window-exceeded-2025-08-26'

/** Whether this client knows the stop reason `model_context_window_exceeded`; others are told `max_tokens`. */
export function knowsContextFull(exchange: Exchange): boolean {
  return versionOf(exchange) === newestVersion || betasOf(exchange).includes(contextWindowBeta)
}

/** Unknown names are no error: clients send what the newest hosted API takes. */
function betasOf(exchange: Exchange): readonly string[] {
  return (exchange.header('anthropic-beta') ?? '').split(',').map((name) => name.trim())
}
