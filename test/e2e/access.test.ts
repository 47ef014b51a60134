import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { rawExchange } from '../support/raw-request.ts'
import { type RunningServer, startServer, transports } from '../support/running-server.ts'

const body = JSON.stringify({ model: 'echo', max_tokens: 10, messages: [{ role: 'user', content: 'hello' }] })

interface Answer {
  readonly status: number
  readonly type: string | undefined
  readonly message: string | undefined
  readonly head: string
}

/** As `fetch` would not: any `host`, any `origin`, and no body where it says so. */
async function send(server: RunningServer, line: string, headers: readonly string[], content = ''): Promise<Answer> {
  const length = content === '' ? [] : [`content-length: ${Buffer.byteLength(content)}`]
  const named = headers.some((header) => header.startsWith('host:')) ? headers : ['host: localhost', ...headers]
  const head = [`${line} HTTP/1.1`, 'connection: close', ...named, ...length, '', ''].join('\r\n')
  const answer = await rawExchange(server.url, [head, content])
  const [answerHead = '', answerBody = ''] = answer.split('\r\n\r\n')
  const error = /^\{"type":"error"/.test(answerBody) ? JSON.parse(answerBody).error : undefined
  return { status: Number(answer.slice(9, 12)), type: error?.type, message: error?.message, head: answerHead }
}

const paths = [
  'POST /v1/messages',
  'POST /v1/messages/count_tokens',
  'GET /v1/models',
  'GET /v1/models/echo',
  'GET /status',
] as const
const openPaths = ['GET /health', 'GET /ready', 'GET /', 'GET /api/hello', 'HEAD /'] as const

for (const transport of await transports()) {
  describe(`keys over ${transport}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({ backend: 'echo', transport }, { HEADEND_API_KEY: 'one,two' })
    })
    after(() => server.destroy())

    for (const path of paths) {
      it(`${path} needs one`, async () => {
        const content = path.startsWith('POST') ? body : ''
        const none = await send(server, path, [], content)
        assert.deepEqual(
          [none.status, none.type, none.message],
          [401, 'authentication_error', 'x-api-key header is required'],
        )
        assert.match(none.head, /^request-id: req_[0-9A-Za-z]{24}$/im)
        const wrong = await send(server, path, ['x-api-key: three'], content)
        assert.deepEqual([wrong.status, wrong.message], [401, 'invalid x-api-key'])
        const bearer = await send(server, path, ['authorization: Bearer three'], content)
        assert.deepEqual([bearer.status, bearer.message], [401, 'Invalid bearer token'])
        assert.equal((await send(server, path, ['x-api-key: one'], content)).status, 200)
        assert.equal((await send(server, path, ['authorization: bearer two'], content)).status, 200)
      })
    }

    for (const path of openPaths) {
      it(`${path} needs none`, async () => assert.equal((await send(server, path, [])).status, 200))
    }

    it('is told before the body is there, and before it is looked at', async () => {
      const waiting =
        'POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 1000\r\n\r\n'
      assert.match(await rawExchange(server.url, [waiting]), /^HTTP\/1\.1 401 /)
      assert.equal((await send(server, 'POST /v1/messages', ['content-encoding: nonsense'], '{')).status, 401)
    })

    it('serves the SDK, which sends its key as it likes', async () => {
      const { baseURL } = server.client
      const ask = { model: 'echo', max_tokens: 10, messages: [{ role: 'user' as const, content: 'hi' }] }
      for (const credential of [{ apiKey: 'one' }, { authToken: 'two', apiKey: null }]) {
        const client = new Anthropic({ baseURL, maxRetries: 0, ...credential })
        assert.equal((await client.messages.create(ask)).stop_reason, 'end_turn')
      }
      await assert.rejects(server.client.messages.create(ask), Anthropic.AuthenticationError)
    })
  })

  describe(`browsers over ${transport}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({ backend: 'echo', transport, allowedHost: ['models.example.com'] })
    })
    after(() => server.destroy())

    for (const path of paths) {
      it(`${path} refuses a name that was made to point here (DNS rebinding)`, async () => {
        const content = path.startsWith('POST') ? body : ''
        // To the browser this is the page's own origin: nothing but the name gives it away.
        const rebound = ['host: evil.example:8080', 'origin: http://evil.example:8080', 'sec-fetch-site: same-origin']
        const { status, type, message } = await send(server, path, rebound, content)
        assert.deepEqual([status, type], [403, 'permission_error'])
        assert.match(message ?? '', /^host: "evil\.example:8080" is not a name of this server; .*--allowed-host/)
        const known = ['host: localhost:1', 'host: 127.0.0.1', 'host: [::1]:8080', 'host: models.example.com']
        for (const host of known) assert.equal((await send(server, path, [host], content)).status, 200, host)
      })

      it(`${path} refuses a foreign page`, async () => {
        const content = path.startsWith('POST') ? body : ''
        // What a page may send without asking first: plain text, any body, no headers of its own.
        const foreign = ['origin: https://evil.example', 'content-type: text/plain', 'sec-fetch-site: cross-site']
        const { status, type, message, head } = await send(server, path, foreign, content)
        assert.deepEqual([status, type], [403, 'permission_error'])
        assert.match(message ?? '', /^origin: pages of https:\/\/evil\.example may not use this server; /)
        assert.doesNotMatch(head, /access-control/i)
        assert.equal((await send(server, path, ['sec-fetch-site: cross-site'], content)).status, 403)
        assert.equal((await send(server, path, ['origin: null'], content)).status, 403)
        assert.equal((await send(server, path, ['content-type: text/plain'], content)).status, 200)
        assert.equal((await send(server, path, ['origin: http://localhost:3000'], content)).status, 200)
      })
    }

    it('answers no preflight', async () => {
      const asking = ['origin: https://evil.example', 'access-control-request-method: POST']
      const { status, head } = await send(server, 'OPTIONS /v1/messages', asking)
      assert.equal(status, 405)
      assert.doesNotMatch(head, /access-control/i)
    })
  })

  describe(`cross-origin sharing over ${transport}`, () => {
    const app = 'https://app.example.com'
    let server: RunningServer
    before(async () => {
      const flags = { backend: 'echo', transport, corsOrigin: [app], pathPrefix: ['/anthropic'] }
      server = await startServer(flags, { HEADEND_API_KEY: 'one' })
    })
    after(() => server.destroy())

    it('answers the preflight of the SDK in a page, on every path, without a key', async () => {
      for (const path of ['/v1/messages', '/anthropic/v1/messages', '/v1/models']) {
        const response = await fetch(`${server.url}${path}`, {
          method: 'OPTIONS',
          headers: {
            origin: app,
            'access-control-request-method': 'POST',
            'access-control-request-headers': 'x-stainless-lang,anthropic-version,content-type',
          },
        })
        assert.equal(response.status, 204)
        assert.equal(response.headers.get('access-control-allow-origin'), app)
        const allowed = response.headers.get('access-control-allow-headers')?.split(', ') ?? []
        for (const name of ['x-api-key', 'authorization', 'anthropic-version', 'anthropic-beta', 'content-type']) {
          assert.ok(allowed.includes(name), name)
        }
        assert.ok(allowed.includes('anthropic-dangerous-direct-browser-access') && allowed.includes('x-stainless-lang'))
        assert.match(response.headers.get('request-id') ?? '', /^req_/)
      }
    })

    it('lets that page read whole answers, streams and errors', async () => {
      const key = { 'x-api-key': 'one' }
      const stream = body.replace('{', '{"stream":true,')
      for (const [sent, headers, status] of [
        [body, key, 200],
        [stream, key, 200],
        ['{', key, 400],
        [body, {}, 401],
      ] as const) {
        const init = { method: 'POST', body: sent, headers: { origin: app, ...headers } }
        const response = await fetch(`${server.url}/v1/messages`, init)
        await response.text()
        assert.equal(response.status, status)
        assert.equal(response.headers.get('access-control-allow-origin'), app)
        assert.equal(response.headers.get('access-control-expose-headers'), 'request-id, x-request-id, retry-after')
      }
    })

    it('has nothing for pages of other origins', async () => {
      const foreign = ['origin: https://evil.example', 'access-control-request-method: POST']
      const preflight = await send(server, 'OPTIONS /v1/messages', foreign)
      assert.equal(preflight.status, 405)
      assert.doesNotMatch(preflight.head, /access-control/i)
      const answer = await send(server, 'POST /v1/messages', [...foreign, 'x-api-key: one'], body)
      assert.equal(answer.status, 200) // the key is what lets it in; the page cannot read this
      assert.doesNotMatch(answer.head, /access-control/i)
    })
  })
}
