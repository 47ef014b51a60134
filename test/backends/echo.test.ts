import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEchoBackend } from '../../src/backends/echo/backend.ts'
import type { StreamEvent } from '../../src/contract/events.ts'
import type { GenerateRequest } from '../../src/contract/request.ts'
import { CollectingSink, StallingSink } from '../support/collecting-sink.ts'
import { assistant, callOf, requestOf, user } from '../support/generate-requests.ts'

const backend = createEchoBackend(8)

function scripted(
  script: Readonly<Record<string, unknown>>,
  overrides: Partial<GenerateRequest> = {},
): GenerateRequest {
  return requestOf(`echo:${JSON.stringify(script)}`, { maxTokens: null, ...overrides })
}

async function answer(request: GenerateRequest, sink = new CollectingSink()): Promise<CollectingSink> {
  const call = callOf()
  await backend.generate(await backend.prepare(request, call), sink, call)
  return sink
}

function deltas({ events }: CollectingSink): string[] {
  return events.flatMap((event) => (event.type === 'block-delta' ? event.text : []))
}

function types(events: readonly StreamEvent[]): string {
  return events.map(({ type }) => type).join(' ')
}

test('the last message of the user comes back, word by word', async () => {
  const request = requestOf('', { turns: [user('first'), assistant('no'), user('  Hello there,\nfriend ')] })
  const sink = await answer(request)
  assert.deepEqual(deltas(sink), ['  Hello', ' there,', '\nfriend '])
  assert.equal(types(sink.events), 'start block-start block-delta block-delta block-delta block-end finish')
  assert.equal(sink.finish.reason, 'end-turn')
  assert.equal(sink.finish.usage?.outputTokens, 3)
  assert.equal(sink.finish.usage?.inputTokens, await backend.countTokens(request, callOf()))
})

test('a script says the text, how often and in which pieces', async () => {
  assert.deepEqual(deltas(await answer(scripted({ text: 'ab', repeat: 3, pieceCharacters: 4 }))), ['abab', 'ab'])
  assert.deepEqual(deltas(await answer(scripted({ text: '👩é', pieceCharacters: 1 }))), ['👩', 'é'])
})

test('a script may refuse', async () => {
  assert.equal((await answer(scripted({ text: 'no', finish: 'refusal' }))).finish.reason, 'refusal')
})

test('what only looks like a script is echoed', async () => {
  for (const text of ['echo:{', 'echo:null', 'echo: 5']) {
    assert.equal((await answer(requestOf(text))).text, text)
  }
})

test('an empty text is an answer without blocks', async () => {
  const sink = await answer(scripted({ text: '' }))
  assert.equal(types(sink.events), 'start finish')
})

test('stop sequences end the answer, also over several pieces', async () => {
  const sink = await answer(scripted({ text: 'one two three' }, { stopSequences: ['o th', 'nine'] }))
  assert.equal(sink.text, 'one tw')
  assert.equal(sink.finish.reason, 'stop-sequence')
  assert.equal(sink.finish.stopSequence, 'o th')
})

test('max_tokens ends the answer', async () => {
  const cases = [
    [0, '', 'max-tokens'],
    [2, 'one two', 'max-tokens'],
    [3, 'one two three', 'end-turn'],
    [9, 'one two three', 'end-turn'],
  ] as const
  for (const [maxTokens, text, reason] of cases) {
    const sink = await answer(scripted({ text: 'one two three' }, { maxTokens }))
    assert.equal(sink.text, text)
    assert.equal(sink.finish.reason, reason)
  }
})

test('a script may fail after some deltas, and before the first', async () => {
  for (const failAfter of [0, 2]) {
    const sink = new CollectingSink()
    await assert.rejects(answer(scripted({ text: 'one two three', failAfter }), sink), { kind: 'internal' })
    assert.equal(deltas(sink).length, failAfter)
    assert.equal(sink.events[0]?.type, 'start')
  }
})

test('an abort ends the answer with its reason, while it waits and between deltas', async () => {
  const scripts = [
    { text: 'a b c', startDelayMs: 60_000 },
    { text: 'a b c', delayMs: 60_000 },
  ]
  for (const script of scripts) {
    const gone = new AbortController()
    const call = callOf(gone.signal)
    const answered = backend.generate(await backend.prepare(scripted(script), call), new CollectingSink(), call)
    gone.abort(new Error('gone'))
    await assert.rejects(answered, (error) => error === gone.signal.reason)
  }
  const gone = new AbortController()
  const sink = new CollectingSink()
  sink.on('event', ({ type }) => type === 'block-delta' && gone.abort(new Error('gone')))
  const call = callOf(gone.signal)
  const prepared = await backend.prepare(scripted({ text: 'a b c' }), call)
  await assert.rejects(backend.generate(prepared, sink, call), (error) => error === gone.signal.reason)
  assert.equal(deltas(sink).length, 1)
})

test('a full sink is waited for', async () => {
  const sink = new StallingSink()
  sink.stall()
  const answered = answer(scripted({ text: 'one two' }), sink)
  await sink.reached(1)
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(types(sink.events), 'start')
  sink.resume()
  await answered
  assert.equal(sink.text, 'one two')
})

test('a prompt beyond the context is refused and still counted', async () => {
  const long = requestOf('x'.repeat(900_000))
  const tokens = await backend.countTokens(long, callOf())
  await assert.rejects(backend.prepare(long, callOf()), {
    kind: 'context-overflow',
    message: `prompt is too long: ${tokens} tokens > 200000 maximum`,
  })
})
