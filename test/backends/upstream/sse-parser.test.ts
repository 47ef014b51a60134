import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { SseParser } from '../../../src/backends/upstream/sse-parser.ts'
import type { HeadendError } from '../../../src/contract/errors.ts'

type Event = readonly [event: string, data: string]

function parse(...pieces: readonly (string | Uint8Array)[]): readonly Event[] {
  const events: Event[] = []
  const parser = new SseParser((event, data) => events.push([event, data]))
  for (const piece of pieces) parser.push(typeof piece === 'string' ? Buffer.from(piece) : piece)
  parser.end()
  return events
}

const cases: readonly (readonly [what: string, stream: string, events: readonly Event[]])[] = [
  [
    'line feeds',
    'data: a\n\ndata: b\n\n',
    [
      ['', 'a'],
      ['', 'b'],
    ],
  ],
  [
    'carriage returns',
    'data: a\r\rdata: b\r\r',
    [
      ['', 'a'],
      ['', 'b'],
    ],
  ],
  [
    'both',
    'data: a\r\n\r\ndata: b\r\n\r\n',
    [
      ['', 'a'],
      ['', 'b'],
    ],
  ],
  [
    'a mixture',
    'data: a\r\n\ndata: b\r\r\ndata: c\n\r\n',
    [
      ['', 'a'],
      ['', 'b'],
      ['', 'c'],
    ],
  ],
  ['no space behind the colon', 'data:a\n\n', [['', 'a']]],
  ['only the first space is none of the data', 'data:  a \n\n', [['', ' a ']]],
  ['several lines of data', 'data: a\ndata:\ndata: b\n\n', [['', 'a\n\nb']]],
  ['several lines of data that end in both', 'data: a\r\ndata: b\r\n\r\n', [['', 'a\nb']]],
  ['empty data', 'data:\n\n', [['', '']]],
  ['data without a colon', 'data\n\n', [['', '']]],
  [
    'names',
    'event: x\ndata: a\n\ndata: b\n\n',
    [
      ['x', 'a'],
      ['', 'b'],
    ],
  ],
  ['a name behind the data', 'data: a\nevent:x\n\n', [['x', 'a']]],
  ['a name without data', 'event: x\n\ndata: b\n\n', [['', 'b']]],
  ['comments', ': keepalive\n\n:\ndata: a\n: more\n\n', [['', 'a']]],
  ['other fields', 'id: 1\nretry: 5\nnonsense\nother: x\ndatax: y\ndata: a\n\n', [['', 'a']]],
  ['colons in the data', 'data: {"a":1}\n\n', [['', '{"a":1}']]],
  ['a byte order mark', '\uFEFFdata: a\n\n', [['', 'a']]],
  ['a mark elsewhere is a character', 'data: \uFEFF\n\n\uFEFFdata: a\n\n', [['', '\uFEFF']]],
  [
    'no blank line at the end',
    'data: a\n\ndata: [DONE]',
    [
      ['', 'a'],
      ['', '[DONE]'],
    ],
  ],
  ['no blank line behind a line', 'data: [DONE]\n', [['', '[DONE]']]],
  ['nothing', '', []],
  ['blank lines', '\n\n\r\n', []],
  [
    'the field error of llama-server',
    'error: {"code":500}\n\ndata: [DONE]\n\n',
    [
      ['error', '{"code":500}'],
      ['', '[DONE]'],
    ],
  ],
]

describe('event streams', () => {
  for (const [what, stream, events] of cases) {
    test(what, () => {
      assert.deepEqual(parse(stream), events)
      assert.deepEqual(parse(...stream.split('')), events, 'one character at a time')
    })
  }

  test('any of these, one behind another and cut anywhere', () => {
    const streams = cases.map(([, stream]) => stream)
    const text = fc.oneof(fc.constantFrom(...streams), fc.string({ unit: 'grapheme' }), fc.constant('data: ç👋\n\n'))
    const bytes = fc.array(
      fc.oneof(
        text.map((part) => Buffer.from(part)),
        fc.uint8Array({ maxLength: 4 }),
      ),
    )
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 20 }), (parts, cuts) => {
        const whole = Buffer.concat(parts)
        const at = [0, ...cuts.map((cut) => cut % (whole.length + 1)).sort((a, b) => a - b), whole.length]
        const pieces = at.slice(1).map((end, index) => whole.subarray(at[index], end))
        assert.deepEqual(parse(...pieces), parse(whole))
      }),
      { numRuns: 2000 },
    )
  })

  test('what is no UTF-8 becomes replacement characters', () => {
    assert.deepEqual(parse(Buffer.from('data: a\xff\xc3b\n\n', 'latin1')), [['', 'a\uFFFD\uFFFDb']])
    assert.deepEqual(parse(Buffer.from('data: a'), Buffer.from([0xf0, 0x9f])), [['', 'a\uFFFD']])
  })
})

describe('large events', () => {
  const mebibyte = 1_048_576

  test('of 1 MiB in small reads arrive whole', () => {
    const data = 'x'.repeat(mebibyte)
    const bytes = Buffer.from(`data: ${data}\n\ndata: b\n\n`)
    const pieces = Array.from({ length: Math.ceil(bytes.length / 100) }, (_, at) =>
      bytes.subarray(at * 100, at * 100 + 100),
    )
    assert.deepEqual(parse(...pieces), [
      ['', data],
      ['', 'b'],
    ])
  })

  function failure(run: () => void): Pick<HeadendError, 'kind' | 'message'> {
    try {
      run()
    } catch (error) {
      return error as HeadendError
    }
    throw new assert.AssertionError({ message: 'nothing was thrown' })
  }

  const floods: readonly (readonly [what: string, piece: string])[] = [
    ['a line without an end', 'data: xxxxxxxxxx'],
    ['data without an end', 'data: xxxxxxxxxx\n'],
    ['a comment without an end', ': xxxxxxxxxxxxxx'],
  ]
  for (const [what, piece] of floods) {
    test(`${what} is refused before it fills the memory`, () => {
      const parser = new SseParser(() => {}, 1000)
      let pushed = 0
      const { kind, message } = failure(() => {
        for (; pushed < 10_000; pushed += piece.length) parser.push(Buffer.from(piece))
      })
      assert.equal(kind, 'upstream-malformed')
      assert.match(message, /more than 1000 bytes/)
      assert.ok(pushed < 2000, `${pushed}`)
    })
  }

  test('the limit is for each event, not for all', () => {
    const seen: string[] = []
    const parser = new SseParser((_event, data) => seen.push(data), 20)
    for (let count = 0; count < 10; count++) parser.push(Buffer.from('data: 123456789\n: a comment\n\n'))
    assert.equal(seen.length, 10)
    assert.equal(failure(() => parser.push(Buffer.from(`data: ${'x'.repeat(21)}\n\n`))).kind, 'upstream-malformed')
  })

  test('8 MiB is what is allowed', () => {
    const seen: number[] = []
    const parser = new SseParser((_event, data) => seen.push(data.length))
    parser.push(Buffer.from(`data: ${'x'.repeat(8 * mebibyte)}\n\n`))
    assert.deepEqual(seen, [8 * mebibyte])
    const error = failure(() => parser.push(Buffer.from(`data: ${'x'.repeat(10 * mebibyte)}`)))
    assert.equal(error.kind, 'upstream-malformed')
  })
})
