import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { RepeatedJson } from '../../../src/backends/upstream/repeated-json.ts'
import { calls, chunk, content, piece, reasoning } from './answers.ts'

/** What came of it: a copy, because the next call may change it. */
function outcome(parse: (data: string) => unknown, data: string): unknown {
  try {
    return structuredClone(parse(data))
  } catch (error) {
    return (error as Error).name
  }
}

function assertSame(stream: readonly string[]): void {
  const json = new RepeatedJson()
  for (const data of stream) {
    assert.deepEqual(
      outcome((text) => json.parse(text), data),
      outcome(JSON.parse, data),
    )
  }
}

/** How often two chunks in a row were read without a parse: the same object is handed out again. */
function reused(stream: readonly string[]): number {
  const json = new RepeatedJson()
  const results = stream.map((data) => json.parse(data))
  return results.filter((result, index) => index > 0 && result === results[index - 1]).length
}

const dialects: Readonly<Record<string, (text: string) => object>> = {
  content,
  reasoning,
  'another field of thoughts': (text) => chunk({ content: null, reasoning: text }),
  arguments: (text) => calls(piece(0, undefined, undefined, text)),
}

describe('chunks that differ in one text', () => {
  for (const [name, encode] of Object.entries(dialects)) {
    test(`${name}: only the text is read`, () => {
      const texts = ['Hello', ' world', '', 'a "quoted" word', '\n', 'ç👋', '\ud83d', 'x'.repeat(50), '"content":"']
      const stream = texts.map((text) => JSON.stringify(encode(text)))
      assertSame(stream)
      assert.equal(reused(stream), texts.length - 1)
    })
  }

  test('with white space, as Python writes it', () => {
    const stream = ['a', 'b', 'c'].map((text) => `{"choices": [{"index": 0, "delta": {"content": "${text}"}}]}`)
    assertSame(stream)
    assert.equal(reused(stream), 2)
  })

  test('a field that differs each time is read each time', () => {
    const stream = Array.from({ length: 40 }, (_, at) => JSON.stringify({ ...content('a'), obfuscation: `${at}` }))
    assertSame(stream)
    assert.equal(reused(stream), 0)
    const alike = Array.from({ length: 5 }, () => JSON.stringify(content('a')))
    assert.equal(reused(alike), 4)
    assert.equal(reused([...stream, ...alike]), 0, 'nothing is expected of such an upstream any more')
  })
})

/** Each of these fits a careless template. */
const traps: readonly (readonly [what: string, stream: readonly string[]])[] = [
  ['a second text', ['{"choices":[{"delta":{"content":"a"}}]}', '{"choices":[{"delta":{"content":"a","x":"b"}}]}']],
  ['no JSON', ['{"choices":[{"delta":{"content":"a"}}]}', '{"choices":[{"delta":{"content":"a"b"}}]}']],
  ['a control character', ['{"choices":[{"delta":{"content":"a"}}]}', '{"choices":[{"delta":{"content":"\u0001"}}]}']],
  ['half an escape', ['{"choices":[{"delta":{"content":"a"}}]}', '{"choices":[{"delta":{"content":"\\"}}]}']],
  [
    'the key twice',
    ['{"choices":[{"delta":{"content":"a","content":"a"}}]}', '{"choices":[{"delta":{"content":"b","content":"a"}}]}'],
  ],
  [
    'the key twice, spelled differently',
    [
      '{"choices":[{"delta":{"content":"a","c\\u006fntent":"a"}}]}',
      '{"choices":[{"delta":{"content":"b","c\\u006fntent":"a"}}]}',
    ],
  ],
  [
    'the key elsewhere',
    [
      '{"x":{"content":"a"},"choices":[{"delta":{"content":"a"}}]}',
      '{"x":{"content":"b"},"choices":[{"delta":{"content":"a"}}]}',
    ],
  ],
  [
    'a key that ends like it',
    [
      '{"x\\"content":"a","choices":[{"delta":{"content":"a"}}]}',
      '{"x\\"content":"b","choices":[{"delta":{"content":"a"}}]}',
    ],
  ],
  [
    'the object twice',
    [
      '{"choices":[{"delta":{"content":"a"},"delta":{"content":"a"}}]}',
      '{"choices":[{"delta":{"content":"b"},"delta":{"content":"a"}}]}',
    ],
  ],
  ['an overlap', ['{"choices":[{"delta":{"content":"aa"}}]}', '{"choices":[{"delta":{"content":"}}]}']],
]

describe('chunks that only look alike', () => {
  for (const [what, stream] of traps) test(what, () => assertSame([...stream, ...stream]))
})

test('always the same as JSON.parse', () => {
  const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.constantFrom('a', '"', '\\', '","content":"'))
  const built = fc
    .tuple(fc.constantFrom(...Object.values(dialects)), text)
    .map(([encode, value]) => JSON.stringify(encode(value)))
  const spliced = fc
    .tuple(text, fc.constantFrom('"}}]}', '","role":"a"}}]}', '","content":"x"}}]}', '"}}],"content":"y"}'))
    .map(([value, end]) => `{"id":"content","choices":[{"delta":{"content":"${value}${end}`)
  fc.assert(
    fc.property(fc.array(fc.oneof(built, spliced, fc.json()), { maxLength: 30 }), (stream) => assertSame(stream)),
    { numRuns: 3000 },
  )
})
