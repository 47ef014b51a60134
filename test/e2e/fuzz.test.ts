import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'
import { Pool } from 'undici'
import { type FuzzedRequest, fuzzedRequest } from '../support/fuzz/requests.ts'
import { SeededRandom } from '../support/fuzz/seeded-random.ts'
import { openSocket } from '../support/raw-request.ts'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'
import { assertWholeStream, readSseEvents } from '../support/sse-events.ts'

/** `FUZZ_SEED=123 npm test -- fuzz` repeats a run; without it each run is another one. */
const seed = Number(process.env.FUZZ_SEED ?? Math.floor(Math.random() * 2 ** 32))
/** 20,000 take about 15 s on two slow cores; `FUZZ_REQUESTS=1000000` digs deeper. */
const echoRequests = Number(process.env.FUZZ_REQUESTS ?? 20_000)
/** A model takes some milliseconds for each. */
const modelRequests = Math.ceil(echoRequests / 50)
/** A request that has no answer by then hangs: it is a failure, not a measurement. */
const hangMs = 20_000
const connections = 8

/** The statuses that an error type may come with (api-surface.md section 9). */
const statusesByType: Readonly<Record<string, readonly number[]>> = {
  invalid_request_error: [400, 405, 408],
  permission_error: [403],
  not_found_error: [404],
  request_too_large: [413],
  rate_limit_error: [429],
}

const houses = (await transports()).flatMap((transport) => [
  { transport, strict: false },
  { transport, strict: true },
])
for (const { transport, strict } of houses) {
  const count = Math.ceil(echoRequests / houses.length)
  describe(`${count} mutated requests over ${transport}, ${strict ? 'strict' : 'lenient'}, seed ${seed}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({ backend: 'echo', transport, strict, bodyBytesMax: '32KiB' })
    })
    after(() => server.destroy())

    it('get a documented answer each, and leave nothing behind', async () => {
      await fuzz(server, 'echo', seed, count)
      await assertIdle(server, 'echo')
    })

    it('may be no HTTP at all', async () => {
      const random = new SeededRandom(seed)
      for (let index = 0; index < 200; index++) {
        const head = random.chance(0.5) ? 'POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n' : ''
        await sendAndLeave(server.url, Buffer.concat([Buffer.from(head), random.bytes(random.below(100) + 1)]))
      }
      await assertIdle(server, 'echo')
    })
  })
}

describe(`${modelRequests} mutated requests to the embedded model, seed ${seed + 1}`, () => {
  let server: RunningServer
  before(async () => {
    server = await startServer({ context: '512', slots: '4' })
  })
  after(() => server.destroy())

  it('get a documented answer each, and leave no slot busy', async () => {
    await fuzz(server, 'headend-tiny', seed + 1, modelRequests)
    await assertIdle(server, 'headend-tiny')
  })
})

/** Nothing is said about an answer: a server may close such a connection without a word. */
async function sendAndLeave(url: string, bytes: Uint8Array): Promise<void> {
  const socket = openSocket(url)
  socket.on('error', () => {})
  socket.resume()
  socket.end(bytes)
  await new Promise((resolve) => socket.once('close', resolve))
}

/** Every request has a seed of its own, so that one that failed can be looked at alone. */
async function fuzz(server: RunningServer, model: string, firstSeed: number, count: number): Promise<void> {
  const pool = new Pool(server.url, { connections, headersTimeout: hangMs, bodyTimeout: hangMs })
  const statuses = new Map<number, number>()
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < count) {
      const requestSeed = (firstSeed + next++) >>> 0
      const request = fuzzedRequest(requestSeed, model)
      try {
        const status = await send(pool, request)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      } catch (cause) {
        throw new Error(`fuzzedRequest(${requestSeed}, '${model}'): ${describeRequest(request)}`, { cause })
      }
    }
  }
  try {
    await Promise.all(Array.from({ length: connections }, worker))
  } finally {
    await pool.destroy()
  }
  // A fuzzer that is always refused at the door, or never, tests little.
  assert.ok((statuses.get(200) ?? 0) > count / 10 && (statuses.get(400) ?? 0) > count / 10, String([...statuses]))
}

async function send(pool: Pool, { method, path, headers, body, chunked, leaves }: FuzzedRequest): Promise<number> {
  const half = body.length >> 1
  const sent = chunked ? Readable.from([body.subarray(0, half), body.subarray(half)]) : body
  const reply = await pool.request({ method: method as 'POST', path, headers, body: method === 'GET' ? null : sent })
  const requestId = String(reply.headers['request-id'])
  assert.match(requestId, /^req_[0-9A-Za-z]{24,}$/)
  if (leaves) {
    reply.body.on('error', () => {}).destroy()
    return reply.statusCode
  }
  const text = await reply.body.text()
  if (reply.statusCode === 200) assertAnswer(path, String(reply.headers['content-type']), text)
  else assertRefusal(reply.statusCode, text, requestId)
  return reply.statusCode
}

function assertAnswer(path: string, contentType: string, text: string): void {
  if (contentType.startsWith('text/event-stream')) {
    assertWholeStream(readSseEvents(text))
    return
  }
  const answer = JSON.parse(text) as { readonly type?: string; readonly input_tokens?: number }
  if (path.includes('count_tokens')) assert.ok(Number.isInteger(answer.input_tokens), text)
  else if (path.startsWith('/v1/messages')) assert.equal(answer.type, 'message', text)
}

function assertRefusal(status: number, text: string, requestId: string): void {
  const answer = JSON.parse(text) as { type: string; error: { type: string; message: string }; request_id: string }
  assert.equal(answer.type, 'error', text)
  assert.ok(statusesByType[answer.error.type]?.includes(status), `${status} ${text}`)
  assert.ok(answer.error.message.length > 0, text)
  assert.equal(answer.request_id, requestId)
}

async function assertIdle(server: RunningServer, model: string): Promise<void> {
  const isIdle = ({ queue }: { queue: { running: number; waiting: number } }) => queue.running + queue.waiting === 0
  assert.equal(busySlots({ ...(await untilStatus(server, isIdle)), models: [] }), 0)
  const messages = [{ role: 'user' as const, content: 'Say OK' }]
  const answer = await server.client.messages.create({ model, max_tokens: 5, messages })
  assert.equal(answer.type, 'message')
}

function describeRequest({ method, path, headers, body }: FuzzedRequest): string {
  return `${method} ${path} ${JSON.stringify(headers)} ${body.subarray(0, 2000)}`
}
