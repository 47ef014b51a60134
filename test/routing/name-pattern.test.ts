import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { compilePattern } from '../../src/routing/name-pattern.ts'

describe('a star stands for any text', () => {
  const rows: readonly (readonly [pattern: string, name: string, fits: boolean])[] = [
    ['*', '', true],
    ['*', 'anything\nat all', true],
    ['gpt-*', 'gpt-', true],
    ['gpt-*', 'gpt', false],
    ['*-mini', 'gpt-mini', true],
    ['*-mini', 'gpt-mini-2', false],
    ['a*a', 'a', false],
    ['a*a', 'aa', true],
    ['*haiku*', 'claude-haiku-4-5', true],
    ['a*b*c', 'a-c-b', false],
    ['a*b*b', 'ab', false],
    ['a.*', 'axb', false],
    ['exact', 'exact', true],
    ['exact', 'exactly', false],
    ['**', 'x', true],
  ]
  for (const [pattern, name, fits] of rows) {
    test(`${pattern} and ${JSON.stringify(name)}: ${fits}`, () => assert.equal(compilePattern(pattern)(name), fits))
  }
})

test('as a regular expression would have it', () => {
  const letters = fc.array(fc.constantFrom('a', 'b', '*'), { maxLength: 7 })
  const names = fc.array(fc.constantFrom('a', 'b'), { maxLength: 9 })
  fc.assert(
    fc.property(letters, names, (pattern, name) => {
      const expected = new RegExp(`^${pattern.map((letter) => (letter === '*' ? '.*' : letter)).join('')}$`)
      assert.equal(compilePattern(pattern.join(''))(name.join('')), expected.test(name.join('')))
    }),
    { numRuns: 1000 },
  )
})
