import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PromptMark } from '../../workers/messages.ts'
import { countUsage } from '../../workers/usage.ts'

const cases: readonly {
  readonly name: string
  readonly cached: number
  readonly marks: readonly PromptMark[]
  readonly expected: { readonly input: number; readonly short: number; readonly long: number }
}[] = [
  { name: 'without marks nothing is written', cached: 40, marks: [], expected: { input: 60, short: 0, long: 0 } },
  {
    name: 'a cold prompt is written up to its mark',
    cached: 0,
    marks: [{ position: 70, mark: 'short' }],
    expected: { input: 30, short: 70, long: 0 },
  },
  {
    name: 'each stretch counts for the mark that closes it',
    cached: 0,
    marks: [
      { position: 50, mark: 'long' },
      { position: 80, mark: 'short' },
    ],
    expected: { input: 20, short: 30, long: 50 },
  },
  {
    name: 'what came from the cache is not written again',
    cached: 60,
    marks: [
      { position: 50, mark: 'long' },
      { position: 80, mark: 'short' },
    ],
    expected: { input: 20, short: 20, long: 0 },
  },
  {
    name: 'a cache that reaches beyond the last mark leaves nothing to write',
    cached: 90,
    marks: [{ position: 80, mark: 'short' }],
    expected: { input: 10, short: 0, long: 0 },
  },
  {
    name: 'two marks of one kind add up',
    cached: 10,
    marks: [
      { position: 20, mark: 'short' },
      { position: 50, mark: 'short' },
    ],
    expected: { input: 50, short: 40, long: 0 },
  },
]

for (const { name, cached, marks, expected } of cases) {
  test(name, () => {
    assert.deepEqual(countUsage(100, cached, marks, { outputTokens: 7, thinkingTokens: 3 }), {
      inputTokens: expected.input,
      cachedTokens: cached,
      cacheWriteTokens: { short: expected.short, long: expected.long },
      outputTokens: 7,
      thinkingTokens: 3,
    })
  })
}

test('input, cached and written add up to the prompt, and none is negative', () => {
  const scene = fc.nat({ max: 500 }).chain((prompt) =>
    fc.record({
      prompt: fc.constant(prompt),
      cached: fc.nat({ max: prompt }),
      marks: fc.array(
        fc.record({ position: fc.nat({ max: prompt }), mark: fc.constantFrom('short' as const, 'long' as const) }),
        { maxLength: 5 },
      ),
    }),
  )
  fc.assert(
    fc.property(scene, ({ prompt, cached, marks }) => {
      const ascending = [...marks].sort((one, other) => one.position - other.position)
      const { inputTokens, cachedTokens, cacheWriteTokens } = countUsage(prompt, cached, ascending, {
        outputTokens: 0,
        thinkingTokens: 0,
      })
      const { short, long } = cacheWriteTokens
      assert.equal(inputTokens + cachedTokens + short + long, prompt)
      assert.ok(Math.min(inputTokens, short, long) >= 0)
      assert.equal(short + long, Math.max((ascending.at(-1)?.position ?? 0) - cached, 0))
    }),
  )
})
