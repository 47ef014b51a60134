import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import type { Backend } from '../../src/contract/backend.ts'
import type { GenerateRequest } from '../../src/contract/request.ts'
import { CollectingSink } from '../support/collecting-sink.ts'
import { callOf, requestOf } from '../support/generate-requests.ts'
import { ask, openTestBackend } from '../support/local-backend.ts'

const contextTokens = 256

let backend: Backend
before(async () => {
  backend = await openTestBackend({ load: { contextTokens, slotCount: 2 } })
})

/** A request whose prompt has exactly so many tokens. */
async function requestOfTokens(tokens: number, overrides: Partial<GenerateRequest> = {}): Promise<GenerateRequest> {
  const shortest = await backend.countTokens(requestOf('Repeat:'), callOf())
  const request = requestOf(`Repeat:${' a'.repeat(tokens - shortest)}`, { maxTokens: null, ...overrides })
  assert.equal(await backend.countTokens(request, callOf()), tokens)
  return request
}

for (const left of [3, 2, 1]) {
  test(`a prompt that leaves ${left} of the window is answered up to its end, and nothing is shifted`, async () => {
    const request = await requestOfTokens(contextTokens - left)
    const { finish } = await ask(backend, request)
    assert.equal(finish.reason, 'context-full')
    assert.equal(finish.usage?.outputTokens, left)
    // A shift would have erased the beginning of the prompt.
    const again = await ask(backend, request)
    assert.equal(again.finish.usage?.cachedTokens, contextTokens - left - 1)
  })
}

test('max_tokens that just fit are max_tokens, one more is the window', async () => {
  assert.equal(
    (await ask(backend, await requestOfTokens(contextTokens - 2, { maxTokens: 2 }))).finish.reason,
    'max-tokens',
  )
  assert.equal(
    (await ask(backend, await requestOfTokens(contextTokens - 2, { maxTokens: 3 }))).finish.reason,
    'context-full',
  )
  assert.equal(
    (await ask(backend, await requestOfTokens(contextTokens - 1, { maxTokens: 0 }))).finish.reason,
    'max-tokens',
  )
})

test('an answer that runs into the window ends there', async () => {
  const request = requestOf('Tell me a story.', { maxTokens: 10_000 })
  const { finish } = await ask(backend, request)
  assert.equal(finish.reason, 'context-full')
  assert.equal(finish.usage?.outputTokens, contextTokens - (await backend.countTokens(request, callOf())))
})

for (const tokens of [contextTokens, contextTokens + 1, 4 * contextTokens]) {
  test(`a prompt of ${tokens} tokens is refused in the words that clients look for, and still counted`, async () => {
    const request = await requestOfTokens(tokens)
    await assert.rejects(backend.prepare(request, callOf()), {
      kind: 'context-overflow',
      message: `prompt is too long: ${tokens} tokens > ${contextTokens} maximum`,
    })
  })
}

test('closing lets a running answer end', async () => {
  const sink = new CollectingSink()
  const call = callOf()
  const answered = backend.generate(await backend.prepare(requestOf('Tell me a story.'), call), sink, call)
  await sink.seen('block-delta', 1)
  await backend.close()
  assert.equal(sink.finish.reason, 'max-tokens')
  await answered
})
