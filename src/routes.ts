import { HeadendError } from './contract/errors.ts'
import type { Exchange } from './contract/exchange.ts'
import type { Protocol } from './contract/protocol.ts'
import { count, generate, type Services } from './generate.ts'
import type { Route } from './http/app.ts'
import { encodeModel, encodeModelList } from './protocols/anthropic/models.ts'
import type { Protocols } from './protocols/registry.ts'
import type { Router } from './router.ts'
import { version } from './version.ts'

export interface RouteParts {
  readonly protocols: Protocols
  readonly services: Services
  readonly entries: Router['entries']
  /** `null`: ready; else why not. */
  readonly notReady: () => string | null
  /** What `/status` shows; plain JSON. */
  readonly status: () => unknown
}

/** Paths that say nothing about the use of the server: logged only for debugging. */
export const probePaths: ReadonlySet<string> = new Set(['/', '/api/hello', '/health', '/ready'])

/** Every path of the server. What does not authorize says nothing that a stranger may not know. */
export function createRoutes({ protocols, services, entries, notReady, status }: RouteParts): readonly Route[] {
  const { anthropic, openai } = protocols
  const greet = (exchange: Exchange): void => respondJson(exchange, 200, { name: 'headend', version })
  return [
    { method: 'POST', path: '/v1/messages', handle: (exchange) => generate(exchange, anthropic, services) },
    { method: 'POST', path: '/v1/messages/count_tokens', handle: (exchange) => count(exchange, anthropic, services) },
    { method: 'POST', path: chatPath, handle: (exchange) => generate(exchange, openai, services) },
    {
      method: 'GET',
      path: '/v1/models',
      handle(exchange) {
        services.authorize(exchange)
        services.guard()
        // OpenAI clients send no such header, and do not page.
        const paged = exchange.header('anthropic-version') !== null
        exchange.respond(200, jsonHeaders, encodeModelList(entries(), exchange.query, paged))
      },
    },
    {
      method: 'GET',
      path: '/v1/models/{id}',
      handle(exchange, id) {
        services.authorize(exchange)
        services.guard()
        exchange.respond(200, jsonHeaders, encodeModel({ ...services.resolve(id).entry, id }))
      },
    },
    { method: 'GET', path: '/health', handle: (exchange) => respondJson(exchange, 200, { status: 'ok', version }) },
    {
      method: 'GET',
      path: '/ready',
      handle(exchange) {
        const reason = notReady()
        if (reason === null) respondJson(exchange, 200, { status: 'ready' })
        else respondJson(exchange, 503, { status: 'not ready', reason }, { 'retry-after': '2' })
      },
    },
    {
      method: 'GET',
      path: '/status',
      handle(exchange) {
        services.authorize(exchange)
        respondJson(exchange, 200, status())
      },
    },
    { method: 'GET', path: '/', handle: greet },
    { method: 'GET', path: '/api/hello', handle: greet },
    ...comingPaths.map((path): Route => ({ method: 'POST', path, handle: refuseComing })),
  ]
}

const jsonHeaders = { 'content-type': 'application/json' }

function respondJson(exchange: Exchange, status: number, body: unknown, headers: Record<string, string> = {}): void {
  exchange.respond(status, { ...jsonHeaders, ...headers }, JSON.stringify(body))
}

const chatPath = '/v1/chat/completions'

/** Routes of the OpenAI API that are still to come. */
const comingPaths = ['/v1/embeddings', '/v1/responses'] as const

/** Its clients read errors of their own shape only. The routes of models serve both, in the shape of the Anthropic API. */
const openaiPaths: ReadonlySet<string> = new Set([chatPath, ...comingPaths])

/** Whose shape an error has that is found before a protocol is asked. */
export function protocolAt(path: string, { anthropic, openai }: Protocols): Protocol {
  return openaiPaths.has(path) ? openai : anthropic
}

function refuseComing({ path }: Exchange): never {
  throw new HeadendError('not-found', `POST ${path} is not supported by this server yet; use POST ${chatPath}`)
}
