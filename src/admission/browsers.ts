import { HeadendError } from '../contract/errors.ts'
import type { Exchange } from '../contract/exchange.ts'
import { isLoopback } from './loopback.ts'

export interface BrowserOptions {
  /** Address that the server listens on. */
  readonly host: string
  /** Further names that the `host` header may hold, lower case, without a port. */
  readonly allowedHosts: readonly string[]
  /** Origins whose pages may ask and read the answers; '*' for all. */
  readonly corsOrigins: readonly string[]
  /** Every request needs a key, which a foreign page does not have. */
  readonly hasKeys: boolean
}

type Headers = Readonly<Record<string, string>>

/** What a page in somebody's browser may do with a server that this browser can reach. */
export interface BrowserRules {
  /** @throws HeadendError forbidden */
  check(exchange: Exchange): void
  /** Headers of the answer to a preflight; `null`: it is none, or of an origin that may not ask. */
  preflight(exchange: Exchange): Headers | null
  /** Headers of every answer to a page that may read it; `null`: nothing to add. */
  answer(exchange: Exchange): Headers | null
}

/**
 * A web page must not spend the models of whoever looks at it. Pages of other origins say so in `origin` and `sec-fetch-site`, and
 * may be refused. A page whose own name was made to point at this machine (DNS rebinding) does not count as foreign, but its name is
 * in the `host` header.
 */
export function createBrowserRules({ host, allowedHosts, corsOrigins, hasKeys }: BrowserOptions): BrowserRules {
  const checksHost = isLoopback(host) || allowedHosts.length > 0
  const names = new Set(allowedHosts)
  const origins = new Set(corsOrigins)
  const isAnyAllowed = origins.has('*')
  const mayRead = (origin: string | null): boolean => isAnyAllowed || (origin !== null && origins.has(origin))

  function readHeaders(origin: string): Headers {
    return isAnyAllowed
      ? { 'access-control-allow-origin': '*' }
      : { 'access-control-allow-origin': origin, vary: 'origin' }
  }

  return {
    check(exchange) {
      const hostHeader = exchange.header('host') ?? ''
      if (checksHost) refuseHost(hostHeader, names)
      if (hasKeys) return
      const origin = exchange.header('origin')
      if (!mayRead(origin)) refuseForeign(origin, hostHeader, exchange.header('sec-fetch-site'))
    },
    preflight(exchange) {
      if (exchange.method !== 'OPTIONS') return null
      const origin = exchange.header('origin')
      if (origin === null || !mayRead(origin)) return null
      return {
        ...readHeaders(origin),
        'access-control-allow-methods': 'GET, HEAD, POST',
        'access-control-allow-headers': allowedHeaders(exchange.header('access-control-request-headers')),
        'access-control-max-age': '7200', // what Chromium takes at most; others take more
      }
    },
    answer(exchange) {
      if (corsOrigins.length === 0) return null
      const origin = exchange.header('origin')
      if (origin === null || !mayRead(origin)) return null
      return { ...readHeaders(origin), 'access-control-expose-headers': 'request-id, x-request-id, retry-after' }
    },
  }
}

function refuseHost(header: string, names: ReadonlySet<string>): void {
  const name = hostName(header)
  if (isLoopback(name) || names.has(name)) return
  const remedy = 'use localhost, or start headend with --allowed-host and this name'
  throw new HeadendError(
    'forbidden',
    `host: ${JSON.stringify(excerpt(header))} is not a name of this server; ${remedy}`,
  )
}

function refuseForeign(origin: string | null, host: string, site: string | null): void {
  if (site !== 'cross-site' && (origin === null || isOwn(origin, host))) return
  const who = origin === null ? 'another site' : excerpt(origin)
  const remedy = 'start headend with --cors-origin and this origin, or with API keys'
  throw new HeadendError('forbidden', `origin: pages of ${who} may not use this server; ${remedy}`)
}

/** A page of this server itself, or of another program on this machine. 'null', the origin of a sandboxed page, is neither. */
function isOwn(origin: string, host: string): boolean {
  const url = parseUrl(origin)
  if (url === null || url.hostname === '') return false
  return isLoopback(url.hostname) || parseUrl(`${url.protocol}//${host}`)?.host === url.host
}

function parseUrl(text: string): URL | null {
  try {
    return new URL(text)
  } catch {
    return null
  }
}

/** `[::1]:8080` -> `[::1]`, `Localhost.` -> `localhost` */
function hostName(header: string): string {
  const [, name = header] = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(header) ?? []
  return name.toLowerCase().replace(/\.$/, '')
}

const knownHeaders = [
  'content-type',
  'x-api-key',
  'authorization',
  'anthropic-version',
  'anthropic-beta',
  'anthropic-dangerous-direct-browser-access',
]

/** What clients of the API send, and what this page asks for: SDKs add headers about themselves. */
function allowedHeaders(requested: string | null): string {
  const names = (requested ?? '').split(',').map((name) => name.trim().toLowerCase())
  return [...new Set([...knownHeaders, ...names.filter((name) => /^[a-z0-9-]{1,100}$/.test(name))])].join(', ')
}

function excerpt(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 100)}...`
}
