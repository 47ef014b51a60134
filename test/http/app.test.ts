import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import { createApp, type Route } from '../../src/http/app.ts'
import type { IncomingExchange } from '../../src/http/transport.ts'

interface Outcome {
  readonly log: string[]
  readonly refused: HeadendError[]
}

const outcome = (): Outcome => ({ log: [], refused: [] })

/** An app that writes down what it did. */
function createLogged(prefixes: readonly string[] = [], extra: readonly Route[] = []) {
  const seen = outcome()
  const route = (method: 'GET' | 'POST', path: string): Route => ({
    method,
    path,
    handle: (exchange, id) => void seen.log.push(`${exchange.method} ${method} ${path} ${exchange.path} ${id}`),
  })
  const handle = createApp({
    routes: [
      route('GET', '/'),
      route('POST', '/v1/messages'),
      route('POST', '/v1/messages/count_tokens'),
      route('GET', '/v1/models'),
      route('GET', '/v1/models/{id}'),
      route('GET', '/both'),
      route('POST', '/both'),
      ...extra,
    ],
    prefixes,
    refuse(exchange, error) {
      seen.refused.push(error)
      seen.log.push(`refuse ${exchange.path} ${error.kind}`)
    },
  })
  return {
    seen,
    send(method: string, path: string): string {
      seen.log.length = 0
      // Only the parts that an app may look at.
      handle({ method, path } as IncomingExchange)
      return seen.log.join('; ')
    },
  }
}

test('literal paths and ids are found', () => {
  const { send } = createLogged()
  assert.equal(send('GET', '/'), 'GET GET / / ')
  assert.equal(send('POST', '/v1/messages'), 'POST POST /v1/messages /v1/messages ')
  assert.equal(send('GET', '/v1/models'), 'GET GET /v1/models /v1/models ')
  assert.match(send('GET', '/v1/models/tiny'), /^GET GET .* tiny$/)
  assert.match(send('GET', '/v1/models/org%2Fname%3Aq4'), / org\/name:q4$/)
  assert.match(send('GET', '/v1/models/org/name'), / org\/name$/)
  assert.match(send('GET', '/v1/models/%E6%BC%A2'), / 漢$/)
})

test('HEAD goes wherever GET does', () => {
  const { send } = createLogged()
  assert.equal(send('HEAD', '/'), 'HEAD GET / / ')
  assert.match(send('HEAD', '/v1/models/tiny'), /^HEAD GET/)
  assert.equal(send('HEAD', '/v1/messages'), 'refuse /v1/messages method-not-allowed')
})

test('unknown paths are not found, whatever they look like', () => {
  const { send, seen } = createLogged()
  const paths = [
    '/v1/message',
    '/v1/messages/',
    '//v1/messages',
    '/V1/messages',
    '/v1/models/',
    '*',
    '',
    '__proto__',
    '/constructor',
  ]
  for (const path of paths) assert.equal(send('GET', path), `refuse ${path} not-found`)
  assert.match(seen.refused[0]?.message ?? '', /^There is nothing at \/v1\/message: check the base URL/)
})

test('a wrong method names the right ones', () => {
  const { send, seen } = createLogged()
  send('GET', '/v1/messages')
  assert.equal(seen.refused[0]?.message, 'Method GET is not allowed for /v1/messages; use POST')
  assert.deepEqual(seen.refused[0]?.headers, { allow: 'POST' })
  send('DELETE', '/both')
  assert.equal(seen.refused[1]?.message, 'Method DELETE is not allowed for /both; use GET or POST')
  assert.deepEqual(seen.refused[1]?.headers, { allow: 'GET, HEAD, POST' })
  assert.equal(send('OPTIONS', '/v1/models/tiny'), 'refuse /v1/models/tiny method-not-allowed')
})

test('an id that is not percent-encoded text is refused', () => {
  const { send, seen } = createLogged()
  assert.equal(send('GET', '/v1/models/%zz'), 'refuse /v1/models/%zz invalid-request')
  assert.equal(send('GET', '/v1/models/%ff'), 'refuse /v1/models/%ff invalid-request')
  assert.equal(seen.refused[0]?.field, 'path')
})

test('prefixes are served beside the root and taken off the path', () => {
  const { send } = createLogged(['/anthropic/', '/puterai/anthropic', '/', ''])
  assert.equal(send('POST', '/v1/messages'), 'POST POST /v1/messages /v1/messages ')
  assert.equal(send('POST', '/anthropic/v1/messages'), 'POST POST /v1/messages /v1/messages ')
  assert.equal(send('POST', '/puterai/anthropic/v1/messages'), 'POST POST /v1/messages /v1/messages ')
  assert.match(send('GET', '/anthropic/v1/models/a%2Fb'), / a\/b$/)
  assert.equal(send('GET', '/anthropic/'), 'GET GET / / ')
  assert.equal(send('GET', '/anthropic'), 'GET GET / / ')
  assert.equal(send('GET', '/anthropic/v1/nothing'), 'refuse /v1/nothing not-found')
  assert.equal(send('GET', '/anthropic/v1/messages'), 'refuse /v1/messages method-not-allowed')
  assert.equal(send('GET', '/anthropicv1/messages'), 'refuse /anthropicv1/messages not-found')
})

test('a prefix that looks like a route does not hide it', () => {
  const { send } = createLogged(['/v1'])
  assert.equal(send('POST', '/v1/messages'), 'POST POST /v1/messages /v1/messages ')
  assert.equal(send('POST', '/v1/v1/messages'), 'POST POST /v1/messages /v1/messages ')
})

test('what a handler throws or rejects with is refused', async () => {
  const busy = new HeadendError('session-busy', 'busy')
  const { send, seen } = createLogged(
    [],
    [
      {
        method: 'GET',
        path: '/throws',
        handle: () => {
          throw busy
        },
      },
      {
        method: 'GET',
        path: '/rejects',
        handle: async () => {
          throw new TypeError('a bug of ours')
        },
      },
    ],
  )
  assert.equal(send('GET', '/throws'), 'refuse /throws session-busy')
  assert.equal(seen.refused[0], busy)
  assert.equal(send('GET', '/rejects'), '')
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(seen.refused[1]?.kind, 'internal')
  assert.ok(seen.refused[1]?.cause instanceof TypeError)
})
