import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import {
  type Behaviour,
  head,
  type ReceivedRequest,
  reset,
  respond,
  startBadUpstream,
  stream,
} from '../support/bad-upstream.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'
import { post } from '../support/upstream-cases.ts'

// What servers do that is neither right nor a failure: the answer is to be had all the same.

const list = respond('{"data":[{"id":"m"}]}', ['content-type: application/json'])

function served(behave: Behaviour): Behaviour {
  return (request: ReceivedRequest) => (request.line.startsWith('GET ') ? list : behave)(request)
}

async function open(t: TestContext, behave: Behaviour, flags: Record<string, unknown> = {}): Promise<RunningServer> {
  const { url } = await startBadUpstream(t, served(behave))
  const server = await startServer({ upstream: url, upstreamRetries: '0', ...flags })
  t.after(() => server.destroy())
  return server
}

const question = { model: 'm', max_tokens: 20, messages: [{ role: 'user', content: 'Hi' }] }

const answer = JSON.stringify({ choices: [{ message: { content: 'Hello' }, finish_reason: 'stop' }] })
const events = ['data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n', 'data: [DONE]\n\n']

for (const [name, behave] of [
  ['a whole answer that calls itself a stream', respond(answer, ['content-type: text/event-stream'])],
  ['a stream that calls itself plain text', stream(events, ['content-type: text/plain'])],
  ['a stream that does not say what it is', stream(events, [])],
] as const) {
  test(`${name} is read as what it is`, async (t) => {
    const server = await open(t, behave)
    for (const isStream of [true, false]) {
      const response = await post(server.url, { ...question, stream: isStream })
      assert.equal(response.status, 200)
      assert.match(await response.text(), /"text":"Hello"/)
    }
  })
}

test('an error that calls itself a stream keeps its meaning', async (t) => {
  const server = await open(t, respond('{"error":{"message":"busy","code":503}}', ['content-type: text/event-stream']))
  assert.equal((await post(server.url, question)).status, 529)
})

test('a refusal keeps its status though its body is too long, or cut short', async (t) => {
  const long = await open(t, respond('x'.repeat(2_000_000), ['retry-after: 90'], 429))
  const limited = await post(long.url, question)
  assert.deepEqual([limited.status, limited.headers.get('retry-after')], [429, '90'])
  const short = await open(t, ({ socket }) => void socket.end(`${head(503, ['content-length: 100'])}busy`))
  assert.equal((await post(short.url, question)).status, 529)
})

test('arguments that are nested too deep are the fault of the upstream', async (t) => {
  const deep = `{"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const call = `{"id":"c","type":"function","function":{"name":"f","arguments":${deep}}}`
  const body = `{"choices":[{"message":{"tool_calls":[${call}]},"finish_reason":"tool_calls"}]}`
  const server = await open(t, respond(body, ['content-type: application/json']))
  assert.equal((await post(server.url, question)).status, 502)
})

test('a wrong key of ours is nothing that a retry could mend', async (t) => {
  const server = await open(t, respond('{}', [], 401))
  const response = await post(server.url, question)
  assert.deepEqual([response.status, response.headers.get('x-should-retry')], [500, 'false'])
})

for (const status of [404, 405, 501]) {
  test(`an Anthropic-compatible upstream without the counting route (${status}): estimated`, async (t) => {
    const server = await open(t, respond('no such route', [], status), { upstreamProtocol: 'anthropic' })
    const { input_tokens: tokens } = await server.client.messages.countTokens({
      model: 'm',
      messages: [{ role: 'user', content: 'How many tokens are these?' }],
    })
    assert.ok(tokens > 0, String(tokens))
  })
}

test('a tokenizer that is out of reach: estimated', async (t) => {
  const { url } = await startBadUpstream(t, served(reset))
  const upstreams = [{ name: 'up', url, expose: true, quirks: { tokenize_path: '/tokenize' } }]
  const server = await startServer({}, {}, JSON.stringify({ upstreams }))
  t.after(() => server.destroy())
  const messages = [{ role: 'user' as const, content: 'How many tokens are these?' }]
  assert.ok((await server.client.messages.countTokens({ model: 'm', messages })).input_tokens > 0)
})
