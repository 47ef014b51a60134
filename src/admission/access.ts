import type { Exchange } from '../contract/exchange.ts'
import { type ApiKey, parseApiKey } from './api-keys.ts'
import { type Authorize, createAuthorize } from './authorize.ts'
import { type BrowserRules, createBrowserRules } from './browsers.ts'
import { readKeyFile } from './key-file.ts'

export interface AccessSettings {
  readonly host: string
  readonly apiKeyFile: string | null
  /** Keys or their hashes. */
  readonly apiKey: readonly string[]
  readonly allowedHost: readonly string[]
  readonly corsOrigin: readonly string[]
}

/** Who may ask, and from where. */
export interface Access {
  readonly needsKey: boolean
  readonly authorize: Authorize
  readonly browsers: BrowserRules
  /** Name of the key that this exchange showed, for the log; `null`: none, or one without a name. */
  keyName(exchange: Exchange): string | null
}

/**
 * @param warn is told of keys that had better be kept as hashes
 * @throws StartError the file of keys cannot be used
 */
export function openAccess(settings: AccessSettings, warn: (message: string) => void): Access {
  const keys = [...keysOf(settings.apiKey), ...keysOfFile(settings.apiKeyFile, warn)]
  const browsers = createBrowserRules({
    host: settings.host,
    allowedHosts: settings.allowedHost,
    corsOrigins: settings.corsOrigin,
    hasKeys: keys.length > 0,
  })
  const authorize = createAuthorize(keys, browsers)
  const names = new WeakMap<Exchange, string>()
  return {
    needsKey: keys.length > 0,
    browsers,
    authorize(exchange) {
      const caller = authorize(exchange)
      if (caller.key !== null && caller.key.name !== null) names.set(exchange, caller.key.name)
      return caller
    },
    keyName: (exchange) => names.get(exchange) ?? null,
  }
}

function keysOf(texts: readonly string[]): readonly ApiKey[] {
  return texts.flatMap((text) => parseApiKey(text, null) ?? [])
}

function keysOfFile(path: string | null, warn: (message: string) => void): readonly ApiKey[] {
  if (path === null) return []
  const { keys, plainLines } = readKeyFile(path)
  if (plainLines.length > 0) {
    const where = `${path}, ${plainLines.length === 1 ? 'line' : 'lines'} ${plainLines.join(', ')}`
    warn(`${where}: keys as plain text; put their hashes there, so that a copy of the file opens nothing`)
  }
  return keys
}
