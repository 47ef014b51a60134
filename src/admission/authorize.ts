import { HeadendError } from '../contract/errors.ts'
import type { Exchange } from '../contract/exchange.ts'
import { type ApiKey, findKey, hashKey } from './api-keys.ts'
import type { BrowserRules } from './browsers.ts'

/** Who asks, as far as a credential says. The credential itself is not kept, not even in memory. */
export interface Caller {
  /** Hash of the credential; `null`: none was sent. */
  readonly credential: string | null
  /** The configured key that it is; `null` when there are none. */
  readonly key: ApiKey | null
}

/** Looks at headers only. @throws HeadendError unauthenticated, forbidden */
export type Authorize = (exchange: Exchange) => Caller

/** @param keys none: everybody may ask, with any credential or without one */
export function createAuthorize(keys: readonly ApiKey[], browsers: BrowserRules): Authorize {
  return (exchange) => {
    browsers.check(exchange)
    const presented = credentialOf(exchange)
    if (presented === null) {
      if (keys.length === 0) return nobody
      throw new HeadendError('unauthenticated', 'x-api-key header is required')
    }
    const hash = hashKey(presented.text)
    const key = findKey(keys, hash)
    if (key === null && keys.length > 0) throw new HeadendError('unauthenticated', wrongCredential[presented.kind])
    return { credential: hash.toString('base64url'), key }
  }
}

const nobody: Caller = { credential: null, key: null }

const wrongCredential = { key: 'invalid x-api-key', bearer: 'Invalid bearer token' } as const

interface Credential {
  readonly kind: keyof typeof wrongCredential
  readonly text: string
}

/** SDKs send one or the other, coding clients both: then `x-api-key` decides. */
function credentialOf(exchange: Exchange): Credential | null {
  const key = exchange.header('x-api-key')
  if (key !== null && key !== '') return { kind: 'key', text: key }
  const token = /^bearer +(\S.*)$/i.exec(exchange.header('authorization') ?? '')?.[1]
  return token === undefined ? null : { kind: 'bearer', text: token }
}
