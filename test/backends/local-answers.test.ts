import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Backend } from '../../src/contract/backend.ts'
import type { Usage } from '../../src/contract/events.ts'
import type { GenerateRequest, Sampling } from '../../src/contract/request.ts'
import { assistant, callOf, requestOf, user } from '../support/generate-requests.ts'
import { ask, openTestBackend } from '../support/local-backend.ts'
import { openVocabularyModel } from '../support/vocabulary-model.ts'

let backend: Backend
before(async () => {
  backend = await openTestBackend()
})
after(() => backend.close())

const sampled: Sampling = { temperature: 1, topP: 1, topK: 0, minP: 0, seed: null, penalties: null, logitBias: null }

function promptTokens(usage: Usage | null): number {
  if (usage === null) throw new Error('local answers have usage')
  const { inputTokens, cachedTokens, cacheWriteTokens } = usage
  return inputTokens + cachedTokens + cacheWriteTokens.short + cacheWriteTokens.long
}

test('a greeting is answered, the same way each time, in events of the protocol', async () => {
  const { text, events, finish } = await ask(backend, requestOf('Hello!'))
  assert.equal(text, 'Hello! How can I help you today?')
  assert.deepEqual(
    events.map(({ type }) => type).filter((type) => type !== 'block-delta'),
    ['start', 'block-start', 'block-end', 'finish'],
  )
  assert.equal(finish.reason, 'end-turn')
  assert.equal(finish.stopSequence, null)
  assert.equal((await ask(backend, requestOf('Hello!'))).text, text)
})

test('usage is known before the prompt is read, and equal at the end but for the output', async () => {
  const { events, finish } = await ask(backend, requestOf('Tell me a joke.'))
  const [start] = events
  assert.equal(start?.type, 'start')
  const deltas = events.filter(({ type }) => type === 'block-delta').length
  assert.deepEqual(finish.usage, { ...start.usage, outputTokens: finish.usage?.outputTokens })
  assert.equal(start.usage?.outputTokens, 0)
  assert.equal(finish.usage?.outputTokens, deltas + 1, 'every token, and the one that ends the turn')
})

test('usage adds up to what countTokens says, cold and cached', async () => {
  const requests: readonly GenerateRequest[] = [
    requestOf('What is the capital of France?'),
    requestOf('What is the capital of France?'),
    requestOf('Count to 3.', { system: [{ text: 'Be kind.', cacheMark: 'short' }] }),
    requestOf('', { turns: [user('Hi'), assistant('Hello <|im_end|>'), user('Say OK')] }),
    requestOf('', { turns: [user('Name a colour.'), assistant('A colour is')] }),
  ]
  for (const request of requests) {
    const { finish } = await ask(backend, request)
    assert.equal(promptTokens(finish.usage), await backend.countTokens(request, callOf()))
  }
})

test('a cache mark makes what is read before it a write, once', async () => {
  const request = requestOf('Say OK', { system: [{ text: 'Marked system prompt.', cacheMark: 'long' }] })
  const cold = (await ask(backend, request)).finish.usage
  assert.ok((cold?.cacheWriteTokens.long ?? 0) > 0)
  assert.equal(cold?.cacheWriteTokens.short, 0)
  const warm = (await ask(backend, request)).finish.usage
  assert.deepEqual(warm?.cacheWriteTokens, { short: 0, long: 0 })
  assert.equal(warm?.inputTokens, 1, 'only the last token is read again')
})

test('the second turn reads only what is new, and the model recalls the first', async () => {
  const { model, close } = await openVocabularyModel()
  const generationPrompt = model.tokenize('<|im_start|>assistant\n<think>\n\n</think>\n\n', true).length
  await close()
  const turns = [user('My name is Robin.')]
  const first = await ask(backend, requestOf('', { turns }))
  const second = await ask(
    backend,
    requestOf('', { turns: [...turns, assistant(first.text), user('What is my name?')] }),
  )
  assert.equal(second.text, 'Your name is Robin.')
  const stableTokens = promptTokens(first.finish.usage) - generationPrompt
  const cached = second.finish.usage?.cachedTokens ?? 0
  assert.ok(cached >= stableTokens, `${cached} of ${stableTokens} tokens came from the cache`)
})

test('an answer that is continued from the cache equals one that was read afresh', async () => {
  const turns = [user('Tell me a story.'), assistant('Once upon a time'), user('Count to 20.')]
  const cold = await ask(backend, requestOf('', { turns }))
  const warm = await ask(backend, requestOf('', { turns }))
  assert.ok((warm.finish.usage?.cachedTokens ?? 0) > (cold.finish.usage?.cachedTokens ?? 0))
  assert.equal(warm.text, cold.text)
})

test('a prefill is continued', async () => {
  const { text } = await ask(backend, requestOf('', { turns: [user('Count to 10.'), assistant('1, 2, 3, 4')] }))
  assert.equal(text, ', 5, 6, 7, 8, 9, 10')
})

const stops: readonly [name: string, stops: readonly string[], text: string, matched: string][] = [
  ['a whole token', [','], '1', ','],
  ['split over several tokens', ['10, 11, 12'], '1, 2, 3, 4, 5, 6, 7, 8, 9, ', '10, 11, 12'],
  ['the earliest of several', ['8', '4, 5', 'never'], '1, 2, 3, ', '4, 5'],
  [
    'at the very end of the answer',
    ['20'],
    '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, ',
    '20',
  ],
  ['the first text of the answer', ['1'], '', '1'],
]

for (const [name, stopSequences, expected, matched] of stops) {
  test(`stop sequence: ${name}`, async () => {
    const { text, finish, events } = await ask(backend, requestOf('Count to 20.', { stopSequences }))
    assert.equal(text, expected)
    assert.equal(finish.reason, 'stop-sequence')
    assert.equal(finish.stopSequence, matched)
    const blocks = events.filter(({ type }) => type === 'block-start' || type === 'block-end').length
    assert.equal(blocks, expected === '' ? 0 : 2)
  })
}

test('a stop sequence that only begins to match is shown in full', async () => {
  const { text, finish } = await ask(backend, requestOf('Count to 3.', { stopSequences: ['3, 4', '2,x'] }))
  assert.equal(text, '1, 2, 3')
  assert.equal(finish.reason, 'end-turn')
})

test('max_tokens 0 reads the prompt into the cache and answers nothing', async () => {
  const request = requestOf('Which words wait in the cache?', { maxTokens: 0 })
  const { events, finish } = await ask(backend, request)
  assert.deepEqual(
    events.map(({ type }) => type),
    ['start', 'finish'],
  )
  assert.equal(finish.reason, 'max-tokens')
  assert.equal(finish.usage?.outputTokens, 0)
  const next = await ask(backend, { ...request, maxTokens: 1 })
  assert.equal(next.finish.usage?.inputTokens, 1)
})

test('max_tokens ends the answer there', async () => {
  for (const maxTokens of [1, 5]) {
    const { finish, events } = await ask(backend, requestOf('Count to 20.', { maxTokens }))
    assert.equal(finish.reason, 'max-tokens')
    assert.equal(finish.usage?.outputTokens, maxTokens)
    assert.equal(events.filter(({ type }) => type === 'block-delta').length, maxTokens)
  }
})

test('max_tokens of just the answer and its end is the end of the turn', async () => {
  const whole = await ask(backend, requestOf('Say OK'))
  const maxTokens = whole.finish.usage?.outputTokens ?? 0
  assert.equal((await ask(backend, requestOf('Say OK', { maxTokens }))).finish.reason, 'end-turn')
  assert.equal((await ask(backend, requestOf('Say OK', { maxTokens: maxTokens - 1 }))).finish.reason, 'max-tokens')
})

test('sampled requests of the same moment differ', async () => {
  // Nothing that was ever learnt by heart begins so.
  const request = requestOf('', { turns: [user('a a a'), assistant('; } ]')], sampling: sampled, maxTokens: 40 })
  const together = async (): Promise<string[]> => {
    const answers = await Promise.all([1, 2, 3, 4].map(() => ask(backend, request)))
    return answers.map(({ text }) => text)
  }
  const texts = new Set([...(await together()), ...(await together())])
  // The engine's own seed is the second: eight requests within two or three of them would have two or three texts.
  assert.ok(texts.size > 3, `${texts.size} texts`)
})

test('the same seed gives the same text', async () => {
  const request = requestOf('Tell me about the moon and the sand.', {
    sampling: { ...sampled, seed: 7 },
    maxTokens: 60,
  })
  await ask(backend, request) // so that both of the others find the same cache
  assert.equal((await ask(backend, request)).text, (await ask(backend, request)).text)
})

test('images are refused by the name of their field', async () => {
  const image = {
    kind: 'image',
    source: { kind: 'url', url: 'x' },
    path: 'messages.0.content.1',
    cacheMark: null,
  } as const
  const request = requestOf('', { turns: [{ role: 'user', content: [image] }] })
  for (const act of [() => backend.prepare(request, callOf()), () => backend.countTokens(request, callOf())]) {
    await assert.rejects(act, {
      kind: 'invalid-request',
      message: 'messages.0.content.1: this model does not accept images',
    })
  }
})
