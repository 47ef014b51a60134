import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { openSocket, rawPost } from '../support/raw-request.ts'
import { type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'

type Fields = Readonly<Record<string, unknown>>

/** A row of api-surface.md section 9: what is sent, and what comes back in lenient and in strict mode. */
interface Row {
  readonly name: string
  readonly path?: string
  readonly method?: 'GET'
  /** Text as it is; an object is the smallest valid request with these fields replaced. */
  readonly body?: string | Fields
  readonly headers?: Readonly<Record<string, string>>
  readonly status: number
  readonly type: string
  readonly message: string
  /** Lenient mode takes it. */
  readonly strictOnly?: true
}

const old = { 'anthropic-version': '2023-06-01' }
const newest = { 'anthropic-version': '2026-10-21' }
const invalid = { status: 400, type: 'invalid_request_error' } as const
const missing = { status: 404, type: 'not_found_error' } as const
const forbidden = { status: 403, type: 'permission_error' } as const
const ask = (content: unknown): unknown => [{ role: 'user', content }]
const script = (fields: Fields): unknown => ask(`echo:${JSON.stringify(fields)}`)
const tool = { name: 'f', input_schema: { type: 'object' } }

const rows: readonly Row[] = [
  { name: 'no JSON', body: '{', ...invalid, message: 'The request body is not valid JSON: ' },
  { name: 'no object', body: '[]', ...invalid, message: 'The request body is not a JSON object' },
  { name: 'schema', body: { max_tokens: 'many' }, ...invalid, message: 'max_tokens: Input should be a valid integer' },
  { name: 'no message', body: { messages: [] }, ...invalid, message: 'messages: at least one message is required' },
  {
    name: 'meaning',
    body: { messages: ask('') },
    ...invalid,
    message: 'messages.0: user messages must have non-empty',
  },
  { name: 'unsupported', body: { container: 'c' }, ...invalid, message: 'container: ' },
  {
    name: 'shape before model',
    body: { model: 'nobody', max_tokens: 'many' },
    ...invalid,
    message: 'max_tokens: Input should be a valid integer',
  },
  {
    name: 'a prompt beyond the context',
    body: { messages: ask('word '.repeat(200_000)) },
    ...invalid,
    message: 'prompt is too long: ',
  },
  {
    name: 'content-encoding',
    body: {},
    headers: { ...old, 'content-encoding': 'lzw' },
    ...invalid,
    message: 'content-encoding: ',
  },
  { name: 'a limit of models', method: 'GET', path: '/v1/models?limit=0', ...invalid, message: 'limit: ' },
  {
    name: 'a wrong method',
    method: 'GET',
    path: '/v1/messages',
    status: 405,
    type: 'invalid_request_error',
    message: 'Method GET is not allowed for /v1/messages; use POST',
  },
  {
    name: 'a foreign page',
    body: {},
    headers: { ...old, origin: 'https://evil.example' },
    ...forbidden,
    message: 'origin: ',
  },
  { name: 'an unknown model', body: { model: 'nobody' }, ...missing, message: 'model: nobody' },
  {
    name: 'an unknown model before the meaning',
    body: { model: 'nobody', messages: ask('') },
    ...missing,
    message: 'model: nobody',
  },
  { name: 'an unknown id', method: 'GET', path: '/v1/models/nobody', ...missing, message: 'model: nobody' },
  { name: 'an unknown path', path: '/v1/complete', body: {}, ...missing, message: 'There is nothing at /v1/complete' },
  {
    name: 'batches',
    path: '/v1/messages/batches',
    body: {},
    ...missing,
    message: 'There is nothing at /v1/messages/b',
  },
  {
    name: 'a body above the limit',
    body: { messages: ask('x'.repeat(3 * 1024 * 1024)) },
    status: 413,
    type: 'request_too_large',
    message: '',
  },
  {
    name: 'no version',
    body: {},
    headers: {},
    ...invalid,
    message: 'anthropic-version: header is required',
    strictOnly: true,
  },
  {
    name: 'an unknown version',
    body: {},
    headers: { 'anthropic-version': '1' },
    ...invalid,
    message: 'anthropic-version: "1" is not a valid version',
    strictOnly: true,
  },
  {
    name: 'an unknown beta',
    body: {},
    headers: { ...old, 'anthropic-beta': 'mine' },
    ...invalid,
    message: 'anthropic-beta: "mine" is not a known beta',
    strictOnly: true,
  },
  {
    name: 'an unknown field',
    body: { mine: 1 },
    ...invalid,
    message: 'mine: Extra inputs are not permitted',
    strictOnly: true,
  },
  {
    name: 'sampling in the new version',
    body: { temperature: 1 },
    headers: newest,
    ...invalid,
    message: 'temperature: Extra inputs are not permitted',
    strictOnly: true,
  },
  {
    name: 'thinking before a forced call',
    body: { tools: [tool], tool_choice: { type: 'any' }, thinking: { type: 'adaptive' } },
    ...invalid,
    message: 'thinking: Thinking may not be enabled when tool_choice forces tool use.',
    strictOnly: true,
  },
]

interface ErrorBody {
  readonly type: string
  readonly error: { readonly type: string; readonly message: string }
  readonly request_id: string
}

type Expected = Pick<Row, 'status' | 'type' | 'message'>

async function assertRefused(response: Response, { status, type, message }: Expected): Promise<void> {
  const body = (await response.json()) as ErrorBody
  assert.equal(response.status, status, JSON.stringify(body))
  assert.equal(response.headers.get('content-type'), 'application/json')
  assertError(body, type, message)
  assert.match(body.request_id, /^req_[0-9A-Za-z]{24}$/)
  assert.equal(response.headers.get('request-id'), body.request_id)
}

function assertError(body: ErrorBody, type: string, message: string): void {
  assert.deepEqual(Object.keys(body), ['type', 'error', 'request_id'])
  assert.deepEqual(Object.keys(body.error), ['type', 'message'])
  assert.deepEqual([body.type, body.error.type], ['error', type])
  assert.ok(body.error.message.startsWith(message), body.error.message)
  assert.doesNotMatch(body.error.message, /node_modules|\.ts:|\n\s+at /) // neither paths nor stacks
}

function post(server: RunningServer, fields: Fields, headers: Readonly<Record<string, string>> = old) {
  const body = JSON.stringify({ model: 'echo', max_tokens: 16, messages: ask('hi'), ...fields })
  return fetch(`${server.url}/v1/messages`, { method: 'POST', body, headers })
}

function send(server: RunningServer, { path, method, body, headers }: Row, stream: boolean): Promise<Response> {
  const url = `${server.url}${path ?? '/v1/messages'}`
  if (method === 'GET') return fetch(url, { headers: headers ?? old })
  const fields = { model: 'echo', max_tokens: 16, messages: ask('hi'), stream, ...(body as Fields) }
  const text = typeof body === 'string' ? body : JSON.stringify(fields)
  return fetch(url, { method: 'POST', body: text, headers: headers ?? old })
}

/** The error event that ends a stream; everything in front of it is no error. */
async function errorEventOf(response: Response): Promise<ErrorBody> {
  const text = await response.text()
  assert.doesNotMatch(text, /event: message_stop/)
  const [, data = ''] = /\nevent: error\ndata: (.*)\n\n$/.exec(`\n${text}`) ?? []
  const body = JSON.parse(data) as ErrorBody
  assert.equal(response.headers.get('request-id'), body.request_id)
  return body
}

for (const transport of await transports()) {
  for (const strict of [false, true]) {
    describe(`the error table over ${transport}, ${strict ? 'strict' : 'lenient'}`, () => {
      let server: RunningServer
      before(async () => {
        server = await startServer({ backend: 'echo', transport, strict, bodyBytesMax: '2MiB' })
      })
      after(() => server.destroy())

      for (const row of rows) {
        for (const stream of row.method === 'GET' || typeof row.body === 'string' ? [false] : [false, true]) {
          it(`${row.status} ${row.name}${stream ? ', streamed' : ''}`, async () => {
            const response = await send(server, row, stream)
            if (strict || row.strictOnly !== true) return assertRefused(response, row)
            assert.equal(response.status, 200, await response.text())
          })
        }
      }

      it('405 names the methods that are allowed', async () => {
        const response = await fetch(`${server.url}/v1/models`, { method: 'POST', body: '{}' })
        assert.equal(response.headers.get('allow'), 'GET, HEAD')
        await assertRefused(response, { status: 405, type: 'invalid_request_error', message: 'Method POST is not' })
      })

      it('500 a failure of ours, and as the event that ends a stream', async () => {
        const failing = { messages: script({ text: 'one two three', failAfter: 2 }) }
        const expected = { status: 500, type: 'api_error', message: 'The echo script asked for this failure' }
        await assertRefused(await post(server, failing), expected)
        const streamed = await post(server, { ...failing, stream: true })
        assert.equal(streamed.status, 200)
        assertError(await errorEventOf(streamed), expected.type, expected.message)
      })

      it('reaches the SDK as its exception', async () => {
        const client = new Anthropic({ baseURL: server.url, apiKey: 'k', maxRetries: 0, defaultHeaders: old })
        const request = { model: 'nobody', max_tokens: 1, messages: [{ role: 'user' as const, content: 'x' }] }
        await assert.rejects(client.messages.create(request), Anthropic.NotFoundError)
        await assert.rejects(client.messages.stream(request).finalMessage(), Anthropic.NotFoundError)
      })
    })
  }

  describe(`the error table over ${transport}, when there is too much to do`, () => {
    const silent = { messages: script({ text: 'late', startDelayMs: 60_000 }) }
    const session = { ...old, 'x-session-id': 'mine' }

    /** One request that runs, and says nothing, for as long as the test lasts. */
    async function startBusy(flags: Fields): Promise<RunningServer> {
      const server = await startServer({ backend: 'echo', transport, concurrency: '1', ...flags })
      post(server, silent, session).catch(() => {}) // it ends with the server
      await untilStatus(server, ({ queue }) => queue.running === 1)
      return server
    }

    async function assertRetried(response: Response, expected: Expected): Promise<void> {
      assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/)
      await assertRefused(response, expected)
    }

    for (const stream of [false, true]) {
      const how = stream ? 'streamed' : 'not streamed'

      it(`429 a session beyond its limit, ${how}`, async (test) => {
        const server = await startBusy({ sessionConcurrency: '1', sessionQueue: '0' })
        test.after(() => server.destroy())
        const message = 'This session may have 0 requests waiting'
        await assertRetried(await post(server, { stream }, session), { status: 429, type: 'rate_limit_error', message })
      })

      it(`529 a full queue, ${how}`, async (test) => {
        const server = await startBusy({ queue: '0' })
        test.after(() => server.destroy())
        const message = 'The server is overloaded: its queue is full'
        await assertRetried(await post(server, { stream }), { status: 529, type: 'overloaded_error', message })
      })

      it(`529 a wait that was too long, ${how}`, async (test) => {
        const server = await startBusy({ queueTimeoutMs: '20' })
        test.after(() => server.destroy())
        const message = 'The server is overloaded: this request waited too long'
        await assertRetried(await post(server, { stream }), { status: 529, type: 'overloaded_error', message })
      })

      it(`503 shutting down, ${how}`, async () => {
        const server = await startServer({ backend: 'echo', transport, drainTimeoutMs: '0' })
        const running = post(server, { ...silent, stream })
        await untilStatus(server, ({ queue }) => queue.running === 1)
        const drained = server.drain()
        const expected = { status: 503, type: 'overloaded_error', message: 'The server is shutting down' }
        await assertRetried(await running, expected)
        await drained
      })
    }

    it('503 more bodies than may be in memory', async (test) => {
      const server = await startServer({ backend: 'echo', transport, bodyBytesMax: '4KiB', bodiesBytesMax: '4KiB' })
      test.after(() => server.destroy())
      const half = 'x'.repeat(3000)
      const socket = openSocket(server.url)
      test.after(() => socket.destroy())
      socket.write(`${rawPost('/v1/messages', `${half}${half.slice(0, 1000)}`)}${half}`)
      const message = 'Too many large requests are open'
      for (;;) {
        // The socket's bytes may still be on their way: until they are in, there is room for this one.
        const response = await post(server, { messages: ask(half) })
        if (response.status === 200) continue
        await assertRetried(response, { status: 503, type: 'overloaded_error', message })
        break
      }
    })

    it('529 once the stream has committed itself is the event that ends it', async (test) => {
      const server = await startBusy({ queueTimeoutMs: '50', commitAfterMs: '0' })
      test.after(() => server.destroy())
      const response = await post(server, { stream: true })
      assert.equal(response.status, 200)
      assertError(await errorEventOf(response), 'overloaded_error', 'The server is overloaded: this request waited')
    })

    it('503 shutting down in mid-stream is the event that ends it', async () => {
      const server = await startServer({ backend: 'echo', transport, drainTimeoutMs: '0' })
      const messages = script({ text: 'one two', delayMs: 60_000 })
      const response = await post(server, { messages, stream: true }) // resolves with the first event
      const drained = server.drain()
      assertError(await errorEventOf(response), 'overloaded_error', 'The server is shutting down')
      await drained
    })
  })
}

describe('the error table with a local model', () => {
  for (const strict of [false, true]) {
    it(`an answer that may not fit, ${strict ? 'strict' : 'lenient'}`, async (test) => {
      const server = await startServer({ strict, slots: '1', workers: '1', context: '256' })
      test.after(() => server.destroy())
      for (const stream of [false, true]) {
        const fields = { model: 'headend-tiny', max_tokens: 250, stream, messages: ask('Say OK.') }
        const response = await post(server, fields)
        if (!strict) {
          assert.equal(response.status, 200, await response.text())
          continue
        }
        const { error } = (await response.clone().json()) as ErrorBody
        const sum = /exceed context limit: (\d+) \+ 250 > 256, decrease input length or `max_tokens` and try again$/
        assert.ok(Number(sum.exec(error.message)?.[1]) > 6, error.message)
        await assertRefused(response, { ...invalid, message: 'input length and `max_tokens` exceed context limit: ' })
      }
    })
  }
})
