import { HeadendError, toHeadendError } from '../contract/errors.ts'
import type { Exchange } from '../contract/exchange.ts'
import type { IncomingExchange } from './transport.ts'

export interface Route {
  readonly method: 'GET' | 'POST'
  /** Literal, or ending in `/{id}`, which takes the whole rest of the path, percent-decoded: ids may contain '/'. */
  readonly path: string
  /** `id` is '' for a literal path. What it throws goes to `refuse`. */
  handle(exchange: Exchange, id: string): void | Promise<void>
}

export interface AppOptions {
  readonly routes: readonly Route[]
  /** Paths such as '/anthropic', under which everything is served as well as under '/'. */
  readonly prefixes: readonly string[]
  refuse(exchange: Exchange, error: HeadendError): void
}

type Methods = Map<string, Route>

interface Match {
  readonly methods: Methods
  /** Still percent-encoded. */
  readonly id: string
}

interface Table {
  readonly literal: ReadonlyMap<string, Methods>
  /** By the text before the id. */
  readonly withId: ReadonlyMap<string, Methods>
}

export function createApp({ routes, prefixes, refuse }: AppOptions): (exchange: IncomingExchange) => void {
  const table = createTable(routes)
  const knownPrefixes = prefixes.map((prefix) => prefix.replace(/\/+$/, '')).filter((prefix) => prefix !== '')

  /** Takes the prefix off the path, also of one that leads nowhere: whoever refuses it looks at the path. */
  function find(exchange: IncomingExchange): Match | null {
    const match = lookUp(table, exchange.path)
    if (match !== null) return match
    const prefix = knownPrefixes.find((known) => exchange.path === known || exchange.path.startsWith(`${known}/`))
    if (prefix === undefined) return null
    exchange.path = exchange.path.slice(prefix.length) || '/'
    return lookUp(table, exchange.path)
  }

  return function handle(exchange) {
    try {
      const match = find(exchange)
      if (match === null) throw notFound(exchange)
      const route = match.methods.get(exchange.method === 'HEAD' ? 'GET' : exchange.method)
      if (route === undefined) throw methodNotAllowed(exchange, match.methods)
      const result = route.handle(exchange, decodeId(match.id))
      if (result instanceof Promise) result.catch((cause) => refuse(exchange, toHeadendError(cause)))
    } catch (cause) {
      refuse(exchange, toHeadendError(cause))
    }
  }
}

const idSuffix = '{id}'

function createTable(routes: readonly Route[]): Table {
  const literal = new Map<string, Methods>()
  const withId = new Map<string, Methods>()
  for (const route of routes) {
    const takesId = route.path.endsWith(`/${idSuffix}`)
    const map = takesId ? withId : literal
    const key = takesId ? route.path.slice(0, -idSuffix.length) : route.path
    const methods = map.get(key) ?? new Map()
    map.set(key, methods.set(route.method, route))
  }
  return { literal, withId }
}

function lookUp(table: Table, path: string): Match | null {
  const methods = table.literal.get(path)
  if (methods !== undefined) return { methods, id: '' }
  for (const [start, methodsWithId] of table.withId) {
    if (path.length > start.length && path.startsWith(start)) {
      return { methods: methodsWithId, id: path.slice(start.length) }
    }
  }
  return null
}

function decodeId(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch (cause) {
    throw new HeadendError('invalid-request', `path: '${id}' is not valid percent-encoded UTF-8`, {
      field: 'path',
      cause,
    })
  }
}

function notFound(exchange: Exchange): HeadendError {
  return new HeadendError('not-found', `There is nothing at ${exchange.path}: check the base URL and its prefix`)
}

function methodNotAllowed(exchange: Exchange, methods: Methods): HeadendError {
  const names = [...methods.keys()]
  const allow = names.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name])).join(', ')
  const message = `Method ${exchange.method} is not allowed for ${exchange.path}; use ${names.join(' or ')}`
  return new HeadendError('method-not-allowed', message, { headers: { allow } })
}
