import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createJsonPrefix, repairJsonObject } from '../../src/text/json-prefix.ts'

interface Outcome {
  readonly passed: string
  readonly closing: string
  readonly complete: boolean
  readonly broken: boolean
}

/** Checks the promise after every piece: what was passed on can be closed to an object. */
function run(pieces: readonly string[]): Outcome {
  const prefix = createJsonPrefix()
  let passed = ''
  for (const piece of pieces) {
    passed += prefix.push(piece)
    const object: unknown = JSON.parse(passed + prefix.close())
    assert.ok(typeof object === 'object' && object !== null && !Array.isArray(object), passed)
  }
  return { passed, closing: prefix.close(), complete: prefix.complete, broken: prefix.broken }
}

function split(text: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, index) => text.slice(at[index], end))
}

/** What arrived, what of it is passed on, what closes that. */
const cut: readonly (readonly [arrived: string, passed: string, closing: string])[] = [
  ['', '', '{}'],
  [' \n', ' \n', '{}'],
  ['{', '{', '}'],
  ['{"', '{', '}'],
  ['{"key', '{', '}'],
  ['{"key"', '{', '}'],
  ['{"key": ', '{', '}'],
  ['{"key": "', '{"key": "', '"}'],
  ['{"key": "a', '{"key": "a', '"}'],
  ['{"key": "a\\', '{"key": "a', '"}'],
  ['{"key": "a\\n', '{"key": "a\\n', '"}'],
  ['{"key": "a\\u00e', '{"key": "a', '"}'],
  ['{"key": "a\\u00e9', '{"key": "a\\u00e9', '"}'],
  ['{"key": "a"', '{"key": "a"', '}'],
  ['{"key": "a" ,', '{"key": "a" ', '}'],
  ['{"key": "a", "', '{"key": "a"', '}'],
  ['{"a\\"b": 1', '{"a\\"b": 1', '}'],
  ['{"a": -', '{', '}'],
  ['{"a": -0', '{"a": -0', '}'],
  ['{"a": 12.', '{"a": 12', '}'],
  ['{"a": 12.5', '{"a": 12.5', '}'],
  ['{"a": 12.5e', '{"a": 12.5', '}'],
  ['{"a": 12.5e+', '{"a": 12.5', '}'],
  ['{"a": 12.5e+3', '{"a": 12.5e+3', '}'],
  ['{"a": tru', '{', '}'],
  ['{"a": true', '{"a": true', '}'],
  ['{"a": [', '{"a": [', ']}'],
  ['{"a": [1, ', '{"a": [1', ']}'],
  ['{"a": [1, {"b": [{', '{"a": [1, {"b": [{', '}]}]}'],
  ['{"a": []}', '{"a": []}', ''],
]

/** What arrived, and what is passed on of it. The rest can be no JSON object. */
const mistakes: readonly (readonly [arrived: string, passed: string])[] = [
  ['null', ''],
  ['[1]', ''],
  ['"a"', ''],
  ['```json\n{}', ''],
  ['{} {}', '{}'],
  ['{}}', '{}'],
  ['{a: 1}', '{'],
  ["{'a': 1}", '{'],
  ['{"a" 1}', '{'],
  ['{"a": 1,}', '{"a": 1'],
  ['{"a": 1 2}', '{"a": 1 '],
  ['{"a": 01}', '{"a": 0'],
  ['{"a": 1.}', '{"a": 1'],
  ['{"a": +1}', '{'],
  ['{"a": 1e}', '{"a": 1'],
  ['{"a": 1.5.5}', '{"a": 1.5'],
  ['{"a": 1e5e5}', '{"a": 1e5'],
  ['{"a": NaN}', '{'],
  ['{"a": trux}', '{'],
  ['{"a": truex}', '{"a": true'],
  ['{"a": "\n"}', '{"a": "'],
  ['{"a": "x\\y"}', '{"a": "x'],
  ['{"a": "\\u00g0"}', '{"a": "'],
  ['{"a": [1}', '{"a": [1'],
  ['{"a": [1,]}', '{"a": [1'],
  ['{"a": 1]', '{"a": 1'],
  ['{"a": 1, // so\n"b": 2}', '{"a": 1'],
  ['{"a":\u00a01}', '{'],
]

describe('a text that ends too early', () => {
  for (const [arrived, passed, closing] of cut) {
    it(JSON.stringify(arrived), () => {
      assert.deepEqual(run([arrived]), { passed, closing, complete: closing === '', broken: false })
    })
  }
})

describe('a text with a mistake', () => {
  for (const [arrived, passed] of mistakes) {
    it(JSON.stringify(arrived), () => {
      const outcome = run([arrived, '}'])
      assert.equal(outcome.passed, passed)
      assert.ok(outcome.broken)
    })
  }

  it('leaves what follows the object to the caller', () => {
    const prefix = createJsonPrefix()
    assert.equal(prefix.push('{"a": {}'), '{"a": {}')
    assert.equal(prefix.rest, '')
    assert.equal(prefix.push('} \n'), '}')
    assert.deepEqual([prefix.complete, prefix.broken, prefix.rest], [true, false, ' \n'])
    assert.equal(prefix.push('</tool_call>'), '')
    assert.deepEqual([prefix.broken, prefix.rest, prefix.close()], [true, ' \n</tool_call>', ''])
  })

  it('ends where it is nested deeper than any tool input', () => {
    const { passed, broken } = run([`{"a":${'['.repeat(100_000)}`])
    assert.ok(broken)
    assert.equal(passed, `{"a":${'['.repeat(499)}`)
  })
})

/** Any object, written with and without white space. */
const objectText = fc
  .tuple(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.constantFrom(undefined, 1, '\t'))
  .map(([value, indent]) => JSON.stringify(value, null, indent))
const cuts = fc.array(fc.nat(), { maxLength: 30 })

describe('any object', () => {
  it('is passed on whole, and at every moment closable', () => {
    fc.assert(
      fc.property(objectText, cuts, (whole, where) => {
        const outcome = run(split(whole, where))
        assert.deepEqual(outcome, { passed: whole, closing: '', complete: true, broken: false })
      }),
      { numRuns: 1000 },
    )
  })

  it('is repaired to a part of itself wherever it is cut', () => {
    fc.assert(
      fc.property(objectText, fc.nat(), (whole, where) => {
        const part = repairJsonObject(whole.slice(0, where % (whole.length + 1)))
        const keys = Object.keys(JSON.parse(whole))
        assert.ok(Object.keys(part).every((key) => keys.includes(key)))
      }),
      { numRuns: 1000 },
    )
  })

  it('may be corrupted anywhere: a valid prefix remains, the same for all cuts', () => {
    const noise = fc.oneof(
      fc.string({ maxLength: 3 }),
      fc.constantFrom('"', '\\', '{', '}', ']', ',', ':', '-', '\n', 'e'),
    )
    fc.assert(
      fc.property(objectText, fc.nat(), fc.nat(4), noise, cuts, (whole, where, removed, inserted, pieces) => {
        const at = where % (whole.length + 1)
        const corrupt = whole.slice(0, at) + inserted + whole.slice(at + removed)
        const outcome = run([corrupt])
        assert.ok(corrupt.startsWith(outcome.passed))
        assert.deepEqual(run(split(corrupt, pieces)), outcome)
        assert.equal(outcome.complete && !outcome.broken, isObjectText(corrupt))
      }),
      { numRuns: 3000 },
    )
  })
})

function isObjectText(text: string): boolean {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
  } catch {
    return false
  }
}

describe('repairing', () => {
  it('keeps what is usable', () => {
    assert.deepEqual(repairJsonObject('{"a": 1, "b": [true, {"c": "d'), { a: 1, b: [true, { c: 'd' }] })
    assert.deepEqual(repairJsonObject('{"a": 1, "b": tru'), { a: 1 })
    assert.deepEqual(repairJsonObject('{"a": 1} and more'), { a: 1 })
  })

  it('is an empty object where nothing is', () => {
    for (const text of ['', 'null', '[1]', 'none', '"{}"']) assert.deepEqual(repairJsonObject(text), {})
  })

  it('takes __proto__ for a key like any other', () => {
    assert.deepEqual(Object.keys(repairJsonObject('{"__proto__": {"x": 1}')), ['__proto__'])
    assert.equal(Object.getPrototypeOf(repairJsonObject('{"__proto__": {"x": 1}')), Object.prototype)
  })
})
