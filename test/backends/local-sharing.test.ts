import assert from 'node:assert/strict'
import { after, afterEach, before, test } from 'node:test'
import { createAdmission } from '../../src/admission/permits.ts'
import { laneOf } from '../../src/backends/local/backend.ts'
import { creditEvents } from '../../src/backends/local/channel.ts'
import type { Backend } from '../../src/contract/backend.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import type { GenerateRequest } from '../../src/contract/request.ts'
import { CollectingSink, StallingSink } from '../support/collecting-sink.ts'
import { callOf, requestOf } from '../support/generate-requests.ts'
import { ask, busySlots, openTestBackend } from '../support/local-backend.ts'

let backend: Backend
before(async () => {
  // The shortest pieces that prefill ever takes: a long prompt has a hundred of them.
  backend = await openTestBackend({ load: { contextTokens: 2048, stallTargetMs: 1 } })
})
after(() => backend.close())
afterEach(() => assert.equal(busySlots(backend), 0, 'every test gives its slots back'))

const story = requestOf('Tell me a story.', { maxTokens: 400 })

async function start(request: GenerateRequest, sink: CollectingSink, signal: AbortSignal): Promise<void> {
  const call = callOf(signal)
  await backend.generate(await backend.prepare(request, call), sink, call)
}

function clientGone(): HeadendError {
  return new HeadendError('client-gone', 'The client has gone')
}

test('eight requests on four slots: all are answered, at most four at once, and none is mixed', async () => {
  const { admit } = createAdmission({
    sessionConcurrency: 0,
    sessionQueue: 0,
    queue: 100,
    queueTimeoutMs: 60_000,
  })
  const markers = Array.from({ length: 8 }, (_, index) => `MARK-${index + 1}`)
  const busy: number[] = []
  const prepared = await Promise.all(
    markers.map((marker) => backend.prepare(requestOf(`Reply with exactly: ${marker}`), callOf())),
  )
  const answers = await Promise.all(
    prepared.map(async (prompt) => {
      const call = callOf()
      const permit = await admit(call, backend.lane)
      const sink = new CollectingSink()
      sink.once('event', () => busy.push(busySlots(backend)))
      try {
        await backend.generate(prompt, sink, call)
      } finally {
        permit.release()
      }
      return sink
    }),
  )
  assert.deepEqual(
    answers.map(({ text }) => text),
    markers,
  )
  assert.deepEqual(
    answers.map(({ finish }) => finish.reason),
    markers.map(() => 'end-turn'),
  )
  assert.equal(Math.max(...busy), 4)
})

test('streams side by side say what they say alone', async () => {
  const requests = ['Count to 20.', 'Tell me a story.', 'Say the alphabet', 'Tell me a joke.'].map((text) =>
    requestOf(text, { maxTokens: 120 }),
  )
  const alone: string[] = []
  for (const request of requests) alone.push((await ask(backend, request)).text)
  const together = await Promise.all(requests.map((request) => ask(backend, request)))
  assert.deepEqual(
    together.map(({ text }) => text),
    alone,
  )
})

test('an abort while the prompt is read ends with its reason and frees the slot', async () => {
  const long = requestOf(`Repeat:${' a'.repeat(1500)}`, { maxTokens: 1 })
  const promptTokens = await backend.countTokens(long, callOf())
  const gone = new AbortController()
  const sink = new CollectingSink()
  sink.once('event', ({ type }) => {
    assert.equal(type, 'start')
    gone.abort(clientGone())
  })
  await assert.rejects(start(long, sink, gone.signal), (error) => error === gone.signal.reason)
  assert.equal(busySlots(backend), 0)
  assert.deepEqual(
    sink.events.map(({ type }) => type),
    ['start'],
  )
  // What was read until then is kept for a client that comes back.
  const cached = (await ask(backend, long)).finish.usage?.cachedTokens ?? 0
  const lastPieceTokens = 64 // at most: this much would be left to the first decode step anyway
  assert.ok(cached < promptTokens - lastPieceTokens, `${cached} of ${promptTokens} tokens were read`)
})

test('an abort while tokens are made ends with its reason and frees the slot', async () => {
  const gone = new AbortController()
  const sink = new CollectingSink()
  const answered = start(story, sink, gone.signal)
  await sink.seen('block-delta', 5)
  gone.abort(clientGone())
  await assert.rejects(answered, (error) => error === gone.signal.reason)
  assert.equal(busySlots(backend), 0)
  assert.ok(!sink.events.some(({ type }) => type === 'finish'))
  assert.ok(sink.events.length < 300, 'the story was not told to its end')
})

test('an abort of one stream does not disturb the one beside it', async () => {
  const expected = (await ask(backend, story)).text
  const gone = new AbortController()
  const [leaving, staying] = [new CollectingSink(), new CollectingSink()]
  const left = start(story, leaving, gone.signal)
  const stayed = start(story, staying, new AbortController().signal)
  await Promise.all([leaving.seen('block-delta', 5), staying.seen('block-delta', 5)])
  gone.abort(clientGone())
  await assert.rejects(left, (error) => error === gone.signal.reason)
  await stayed
  assert.equal(staying.text, expected)
})

test('a call that is aborted before it begins makes no tokens', async () => {
  const gone = AbortSignal.abort(clientGone())
  const sink = new CollectingSink()
  await assert.rejects(start(story, sink, gone), (error) => error === gone.reason)
  assert.ok(sink.events.length < creditEvents)
})

test('a reader that stalls pauses its own slot only, and gets the whole answer later', async () => {
  const expected = (await ask(backend, story)).text
  const stalled = new StallingSink()
  stalled.stall()
  const paused = start(story, stalled, new AbortController().signal)
  await stalled.reached(creditEvents)

  const beside = await ask(backend, story)
  assert.equal(beside.text, expected)
  assert.equal(stalled.events.length, creditEvents, 'the credit is spent and no event more came')
  assert.equal(busySlots(backend), 1)

  stalled.resume()
  await paused
  assert.equal(stalled.text, expected)
})

test('a reader that stalls again and again loses nothing', async () => {
  const expected = (await ask(backend, story)).text
  const sink = new StallingSink()
  sink.stall()
  const answered = start(story, sink, new AbortController().signal)
  for (let credit = creditEvents; credit <= 3 * creditEvents; credit += creditEvents) {
    await sink.reached(credit)
    assert.equal(sink.events.length, credit)
    sink.resume()
    sink.stall()
  }
  await sink.reached(4 * creditEvents)
  sink.resume()
  await answered
  assert.equal(sink.text, expected)
})

test('a reader that never takes anything is let go by its abort', async () => {
  const gone = new AbortController()
  const sink = new StallingSink()
  sink.stall()
  const answered = start(story, sink, gone.signal)
  await sink.reached(creditEvents)
  gone.abort(new HeadendError('reader-stalled', 'The reader took nothing for a minute'))
  await assert.rejects(answered, (error) => error === gone.signal.reason)
  assert.equal(busySlots(backend), 0)
})

test('concurrency lowers what the slots could take, and never raises it', () => {
  const pool = { slotCount: 2, watch: () => {} }
  const capacities = [null, 1, 10].map((concurrency) => laneOf(pool, concurrency).capacity)
  assert.deepEqual(capacities, [2, 1, 2])
})
