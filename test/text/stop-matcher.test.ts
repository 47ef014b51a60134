import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { createStopMatcher } from '../../src/text/stop-matcher.ts'

interface Outcome {
  readonly shown: string
  readonly matched: string | null
}

/** The definition: look at the whole text at once. */
function reference(text: string, stops: readonly string[]): Outcome {
  for (let start = 0; start < text.length; start++) {
    const here = stops.filter((stop) => text.startsWith(stop, start)).sort((a, b) => b.length - a.length)
    if (here[0] !== undefined) return { shown: text.slice(0, start), matched: here[0] }
  }
  return { shown: text, matched: null }
}

function run(pieces: readonly string[], stops: readonly string[]): Outcome {
  const matcher = createStopMatcher(stops)
  let shown = ''
  for (const piece of pieces) shown += matcher.push(piece)
  shown += matcher.flush()
  return { shown, matched: matcher.matched }
}

function split(text: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, index) => text.slice(at[index], end))
}

test('any text, any stops, any split: the same as the whole text at once', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), maxLength: 40 })
  const stops = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n'), minLength: 1, maxLength: 5 }), {
    maxLength: 4,
  })
  fc.assert(
    fc.property(text, stops, fc.array(fc.nat(), { maxLength: 12 }), (whole, sequences, cuts) => {
      assert.deepEqual(run(split(whole, cuts), sequences), reference(whole, sequences))
    }),
    { numRuns: 5000 },
  )
})

test('unicode text is cut at any code unit', () => {
  const unit = fc.constantFrom('é', '👩‍👩‍👧', '\u2028', 'x', '▁')
  const text = fc.string({ unit, maxLength: 12 })
  fc.assert(
    fc.property(
      text,
      fc.array(fc.string({ unit, minLength: 1, maxLength: 3 }), { maxLength: 3 }),
      fc.array(fc.nat()),
      (whole, stops, cuts) => {
        assert.deepEqual(run(split(whole, cuts), stops), reference(whole, stops))
      },
    ),
  )
})

test('only what could begin a stop sequence is held back', () => {
  const matcher = createStopMatcher(['\n\nHuman:'])
  assert.equal(matcher.push('one\n'), 'one')
  assert.equal(matcher.push('two\n\nHu'), '\ntwo')
  assert.equal(matcher.push('ge'), '\n\nHuge')
  assert.equal(matcher.matched, null)
  assert.equal(matcher.push(' end\n\nHuman: hidden'), ' end')
  assert.equal(matcher.matched, '\n\nHuman:')
})

test('a match that a longer one could beat is decided by the next piece', () => {
  const matcher = createStopMatcher(['END', 'ENDING'])
  assert.equal(matcher.push('the END'), 'the ')
  assert.equal(matcher.matched, null)
  assert.equal(matcher.push('LESS'), '')
  assert.equal(matcher.matched, 'END')
})

test('an open match is decided by the end of the text', () => {
  const matcher = createStopMatcher(['c', 'abcd'])
  assert.equal(matcher.push('xabc'), 'x')
  assert.equal(matcher.flush(), 'ab')
  assert.equal(matcher.matched, 'c')
})

test('nothing is shown after a match', () => {
  const matcher = createStopMatcher(['.'])
  assert.equal(matcher.push('a.b'), 'a')
  assert.equal(matcher.push('c'), '')
  assert.equal(matcher.flush(), '')
  assert.equal(matcher.matched, '.')
})

test('without stop sequences everything is shown at once', () => {
  const matcher = createStopMatcher([])
  assert.equal(matcher.push('anything'), 'anything')
  assert.equal(matcher.flush(), '')
  assert.equal(matcher.matched, null)
})

test('an empty stop sequence is a mistake of the caller', () => {
  assert.throws(() => createStopMatcher(['x', '']), /empty stop sequence/)
})
