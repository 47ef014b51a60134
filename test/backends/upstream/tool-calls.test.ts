import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ChunkDecoder } from '../../../src/backends/upstream/chunk-decoder.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { answerOptions, calls, chunk, content, decode, finished, piece, push, reasoning, see } from './answers.ts'

const generated = /^toolu_[A-Za-z0-9]{24}$/

function fed(chunks: readonly unknown[], parallelCalls = true) {
  const events: StreamEvent[] = []
  const decoder = new ChunkDecoder((event) => events.push(event), answerOptions({ parallelCalls }))
  push(decoder, chunks)
  return { decoder, events }
}

/** What the reader has by now. */
function shown(events: readonly StreamEvent[]): string {
  return events
    .map((event) => (event.type === 'block-delta' ? event.text : event.type === 'block-start' ? '|' : ''))
    .join('')
}

describe('calls in every form', () => {
  const cases: readonly (readonly [what: string, chunks: readonly unknown[], blocks: readonly string[]])[] = [
    [
      'as OpenAI sends them',
      [
        calls(piece(0, 'a', 'f', '')),
        calls(piece(0, undefined, undefined, '{"x"')),
        calls(piece(0, undefined, undefined, ':1}')),
        calls(piece(1, 'b', 'g', '')),
        calls(piece(1, undefined, undefined, '{}')),
        finished('tool_calls'),
      ],
      ['call f: {"x":1}', 'call g: {}'],
    ],
    ['text first', [content('Let me see.'), calls(piece(0, 'a', 'f', '{}'))], ['text: Let me see.', 'call f: {}']],
    [
      'white space around them',
      [content('\n'), calls(piece(0, 'a', 'f', '{}')), content('\n\n'), calls(piece(1, 'b', 'g', '{}')), content('\n')],
      ['call f: {}', 'call g: {}'],
    ],
    [
      'text between them',
      [calls(piece(0, 'a', 'f', '{}')), content('\n'), content('and'), calls(piece(1, 'b', 'g', '{}'))],
      ['call f: {}', 'text: \nand', 'call g: {}'],
    ],
    [
      'thoughts between them',
      [calls(piece(0, 'a', 'f', '{}')), reasoning('hm'), calls(piece(1, 'b', 'g', '{}'))],
      ['call f: {}', 'thinking: hm', 'call g: {}'],
    ],
    [
      'text amid one',
      [
        calls(piece(0, 'a', 'f', '{"x"')),
        content('text'),
        calls(piece(0, undefined, undefined, ':1}')),
        content(' more'),
      ],
      ['call f: {"x":1}', 'text: text more'],
    ],
    [
      'side by side',
      [
        calls(piece(0, 'a', 'f', ''), piece(1, 'b', 'g', '')),
        calls(piece(1, undefined, undefined, '{"y"')),
        calls(piece(0, undefined, undefined, '{"x"')),
        calls(piece(1, undefined, undefined, ':2}')),
        calls(piece(0, undefined, undefined, ':1}')),
      ],
      ['call f: {"x":1}', 'call g: {"y":2}'],
    ],
    [
      'without index',
      [
        calls(piece(null, 'a', 'f', '{"x"')),
        calls(piece(null, undefined, undefined, ':1}')),
        calls(piece(null, 'b', 'g', '{}')),
      ],
      ['call f: {"x":1}', 'call g: {}'],
    ],
    [
      'index 0 always',
      [calls(piece(0, 'a', 'f', '{}')), calls(piece(0, 'b', 'f', '{}')), calls(piece(0, 'c', 'f', '{}'))],
      ['call f: {}', 'call f: {}', 'call f: {}'],
    ],
    [
      'index 0 always, ids on every piece, side by side',
      [
        calls(piece(0, 'a', 'f', '')),
        calls(piece(0, 'b', 'g', '')),
        calls(piece(0, 'a', undefined, '{"x":1}')),
        calls(piece(0, 'b', undefined, '{"y":2}')),
      ],
      ['call f: {"x":1}', 'call g: {"y":2}'],
    ],
    [
      'without index and id',
      [calls(piece(null, undefined, 'f', '{"x":1}')), calls(piece(null, undefined, 'f', '{"x":2}'))],
      ['call f: {"x":1}', 'call f: {"x":2}'],
    ],
    [
      'without index and id, in one list',
      [calls(piece(null, undefined, 'f', ''), piece(null, undefined, 'g', '{}'))],
      ['call f: {}', 'call g: {}'],
    ],
    ['one call in one list', [calls(piece(0, 'a', 'f', ''), piece(0, 'a', 'f', '{}'))], ['call f: {}']],
    [
      'one id for all',
      [calls(piece(0, 'a', 'f', '{"x":1}')), calls(piece(1, 'a', 'f', '{"x":2}'))],
      ['call f: {"x":1}', 'call f: {"x":2}'],
    ],
    [
      'one id for all, without index',
      [calls(piece(null, 'a', 'f', '{"x":1}')), calls(piece(null, 'a', 'g', '{"x":1}'))],
      ['call f: {"x":1}', 'call g: {"x":1}'],
    ],
    [
      'an id of its own for every piece',
      [calls(piece(0, 'a', 'f', '{"x"')), calls(piece(0, 'b', null, ':')), calls(piece(0, 'c', '', '1}'))],
      ['call f: {"x":1}'],
    ],
    [
      'an id of its own for every piece, with the name',
      [calls(piece(0, 'a', 'f', '{"x"')), calls(piece(0, 'b', 'f', ':1}'))],
      ['call f: {"x":1}'],
    ],
    [
      'the id again on every piece',
      [calls(piece(0, 'a', 'f', '{"x"')), calls(piece(0, 'a', undefined, ':1}'))],
      ['call f: {"x":1}'],
    ],
    [
      'the name again on every piece',
      [
        calls(piece(0, 'a', 'f', '')),
        calls(piece(0, 'a', 'f', '{"x"')),
        calls(piece(0, undefined, 'f', ':1}')),
        calls(piece(0, undefined, 'f', '')),
      ],
      ['call f: {"x":1}'],
    ],
    [
      'the name in parts',
      [
        calls(piece(0, 'a', 'get_', '')),
        calls(piece(0, undefined, 'weather')),
        calls(piece(0, undefined, undefined, '{}')),
      ],
      ['call get_weather: {}'],
    ],
    [
      'a name that grows',
      [calls(piece(0, 'a', 'get', '')), calls(piece(0, 'a', 'get_weather', '{}'))],
      ['call get_weather: {}'],
    ],
    [
      'the name behind the arguments',
      [calls(piece(0, 'a', undefined, '{"x":1}')), calls(piece(0, undefined, 'f'))],
      ['call f: {"x":1}'],
    ],
    ['all arguments in the first piece', [calls(piece(0, 'a', 'f', '{"x":1}'))], ['call f: {"x":1}']],
    ['empty arguments', [calls(piece(0, 'a', 'f', ''))], ['call f: {}']],
    ['null arguments', [calls(piece(0, 'a', 'f', null)), calls(piece(0, undefined, undefined, null))], ['call f: {}']],
    ['no arguments', [calls({ index: 0, id: 'a', function: { name: 'f' } })], ['call f: {}']],
    ['arguments as an object', [calls(piece(0, 'a', 'f', { x: [1] }))], ['call f: {"x":[1]}']],
    [
      'all arguments again at the end',
      [
        calls(piece(0, 'a', 'f', '{"x"')),
        calls(piece(0, undefined, undefined, ':1}')),
        calls(piece(0, undefined, undefined, '{"x":1}')),
      ],
      ['call f: {"x":1}'],
    ],
    [
      'all again at the end',
      [
        calls(piece(0, 'a', 'f', '{"x"')),
        calls(piece(0, undefined, undefined, ':1}')),
        calls(piece(0, 'a', 'f', '{"x":1}')),
      ],
      ['call f: {"x":1}'],
    ],
    [
      'all again in a message',
      [
        calls(piece(0, 'a', 'f', '{"x"')),
        { choices: [{ message: { tool_calls: [piece(null, 'a', 'f', '{"x":1}'), piece(null, 'b', 'g', '{}')] } }] },
      ],
      ['call f: {"x":1}', 'call g: {}'],
    ],
    [
      'function_call',
      [
        chunk({ function_call: { name: 'f', arguments: '' } }),
        chunk({ function_call: { arguments: '{"x":1}' } }),
        finished('function_call'),
      ],
      ['call f: {"x":1}'],
    ],
    [
      'entries that say nothing',
      [calls({ index: 0 }, piece(1, '', '', '')), content('a'), calls({}), chunk({ tool_calls: [null, 'x'] })],
      ['text: a'],
    ],
    [
      'arguments that are no object',
      [calls(piece(0, 'a', 'f', '[1]')), calls(piece(1, 'b', 'g', 'none'))],
      ['call f: {}', 'call g: {}'],
    ],
    [
      'arguments with a mistake',
      [calls(piece(0, 'a', 'f', '{"x": {"y": "z", // so')), content('a')],
      ['call f: {"x": {"y": "z"}}', 'text: a'],
    ],
    [
      'arguments that end too early',
      [calls(piece(0, 'a', 'f', '{"x": "y')), finished('tool_calls')],
      ['call f: {"x": "y"}'],
    ],
    [
      'a think tag that was begun',
      [content('a\n<thi'), calls(piece(0, 'a', 'f', '{}'))],
      ['text: a\n<thi', 'call f: {}'],
    ],
  ]
  for (const [what, chunks, blocks] of cases) {
    test(what, () => {
      const { blocks: seen, ids, reason } = see(decode(chunks))
      assert.deepEqual(seen, blocks)
      assert.equal(new Set(ids).size, ids.length)
      for (const id of ids) assert.match(id, /^[a-zA-Z0-9_-]+$/)
      assert.equal(reason, blocks.some((block) => block.startsWith('call')) ? 'tool-call' : 'end-turn')
    })
  }

  test('"stop" with calls means calls', () => {
    assert.equal(see(decode([calls(piece(0, 'a', 'f', '{}')), finished('stop')])).reason, 'tool-call')
    assert.equal(
      see(decode([chunk({ tool_calls: [piece(0, 'a', 'f', '{}')] }, 'tool_calls'), finished('stop')])).reason,
      'tool-call',
    )
  })

  test('names that were shortened are the client’s again', () => {
    const toolNames = new Map([['short_1a', 'very_long']])
    assert.deepEqual(
      see(decode([calls(piece(0, 'a', 'short_1a', '{}'), piece(1, 'b', 'f', '{}'))], { toolNames })).blocks,
      ['call very_long: {}', 'call f: {}'],
    )
  })
})

describe('ids', () => {
  test('are the upstream’s own', () => {
    assert.deepEqual(see(decode([calls(piece(0, 'call_a-1', 'f', '{}'))])).ids, ['call_a-1'])
    assert.deepEqual(see(decode([calls(piece(0, 'a', 'f', '{"x"')), calls(piece(0, 'b', undefined, ':1}'))])).ids, [
      'a',
    ])
    assert.deepEqual(see(decode([calls(piece(0, undefined, 'f', '')), calls(piece(0, 'late', undefined, '{}'))])).ids, [
      'late',
    ])
  })

  test('lose characters that clients may not send back', () => {
    assert.deepEqual(see(decode([calls(piece(0, 'functions.f:0', 'f', '{}'))])).ids, ['functions_f_0'])
  })

  test('are made up where there is none, or one twice', () => {
    const [none, first, second] = see(
      decode([calls(piece(0, undefined, 'f', '{}'), piece(1, 'a', 'f', '{}'), piece(2, 'a', 'f', '{}'))]),
    ).ids
    assert.match(none ?? '', generated)
    assert.equal(first, 'a')
    assert.match(second ?? '', generated)
  })
})

describe('a stream of arguments', () => {
  test('is passed on as it comes, as far as it is JSON', () => {
    const { decoder, events } = fed([calls(piece(0, 'a', 'f', ''))])
    assert.equal(shown(events), '')
    push(decoder, [calls(piece(0, undefined, undefined, '{"x": "a'))])
    assert.equal(shown(events), '|{"x": "a')
    push(decoder, [calls(piece(0, undefined, undefined, 'b\\'))])
    assert.equal(shown(events), '|{"x": "ab')
    push(decoder, [calls(piece(0, undefined, undefined, 'n", "y": 1} and more'))])
    assert.equal(shown(events), '|{"x": "ab\\n", "y": 1}')
  })

  test('waits while another call is unfinished', () => {
    const { decoder, events } = fed([
      calls(piece(0, 'a', 'f', '{"x":')),
      calls(piece(1, 'b', 'g', '{"y":2')),
      content('text'),
    ])
    assert.equal(shown(events), '|{')
    push(decoder, [calls(piece(0, undefined, undefined, '1}'))])
    assert.equal(shown(events), '|{"x":1}|{"y":2')
    push(decoder, [calls(piece(1, undefined, undefined, '}'))])
    assert.equal(shown(events), '|{"x":1}|{"y":2}|text')
  })

  test('does not wait for a call that is complete', () => {
    const { events } = fed([calls(piece(0, 'a', 'f', '{}')), calls(piece(1, 'b', 'g', '{"y":2'))])
    assert.equal(shown(events), '|{}|{"y":2')
  })
})

describe('an answer that was cut', () => {
  for (const [finish, reason] of [
    ['length', 'max-tokens'],
    ['content_filter', 'refusal'],
  ] as const) {
    test(`by ${finish}: arguments stay unfinished`, () => {
      const seen = see(
        decode([calls(piece(0, 'a', 'f', '{"x":1}')), calls(piece(1, 'b', 'g', '{"y": "z')), finished(finish)]),
      )
      assert.deepEqual([seen.blocks, seen.reason], [['call f: {"x":1}', 'call g: {"y": "z'], reason])
    })
  }

  test('by length: text behind a call tells that the call was not cut', () => {
    const { blocks, reason } = see(decode([calls(piece(0, 'a', 'f', '{"x": "y')), content('more'), finished('length')]))
    assert.deepEqual([blocks, reason], [['call f: {"x": "y"}', 'text: more'], 'max-tokens'])
  })

  test('by length: broken ones are closed all the same', () => {
    assert.deepEqual(see(decode([calls(piece(0, 'a', 'f', '{"x": {y')), finished('length')])).blocks, [
      'call f: {"x": {}}',
    ])
  })
})

describe('one call only', () => {
  const two = [
    calls(piece(0, 'a', 'f', '{"x":1}')),
    calls(piece(1, 'b', 'g', '')),
    calls(piece(1, undefined, undefined, '{"y":2}')),
  ]

  test('the second ends the answer', () => {
    const { decoder, events } = fed(two.slice(0, 2), false)
    assert.equal(decoder.done, true)
    const { blocks, reason } = see(events)
    assert.deepEqual([blocks, reason], [['call f: {"x":1}'], 'tool-call'])
  })

  test('the first is completed before', () => {
    const { decoder, events } = fed([calls(piece(0, 'a', 'f', '{"x"'), piece(1, 'b', 'g', '{"y":2}'))], false)
    assert.equal(decoder.done, false)
    push(decoder, [calls(piece(0, undefined, undefined, ':1}'))])
    assert.equal(decoder.done, true)
    assert.deepEqual(see(events).blocks, ['call f: {"x":1}'])
  })

  test('pieces without index do not fall into the first', () => {
    const pieces = [
      calls(piece(null, 'a', 'f', '')),
      calls(piece(null, 'b', 'g', '{"y"')),
      calls(piece(null, undefined, undefined, ':2}')),
    ]
    const { decoder, events } = fed(pieces, false)
    assert.equal(decoder.done, false)
    decoder.push('', '[DONE]')
    assert.deepEqual(see(events).blocks, ['call f: {}'])
  })

  test('text and one call are all of an answer', () => {
    const { decoder, events } = fed([content('a'), calls(piece(0, 'a', 'f', '{}')), content('b')], false)
    assert.equal(decoder.done, false)
    decoder.push('', '[DONE]')
    assert.deepEqual(see(events).blocks, ['text: a', 'call f: {}', 'text: b'])
  })
})

describe('what no answer holds', () => {
  const malformed = { kind: 'upstream-malformed' }

  test('arguments of nothing', () => {
    assert.throws(() => decode([calls(piece(0, 'a', undefined, '{"x":1}'))]), malformed)
  })

  test('thousands of calls', () => {
    const many = Array.from({ length: 1001 }, (_, index) => piece(index, `${index}`, 'f', '{}'))
    assert.equal(see(decode([calls(...many.slice(0, 1000))])).ids.length, 1000)
    assert.throws(() => decode([calls(...many)]), malformed)
  })

  const mebibyte = 'x'.repeat(1_048_576)
  test('arguments without end', () => {
    const { decoder } = fed([calls(piece(0, 'a', 'f', '{"x": "'))])
    const flood = (): void => push(decoder, [calls(piece(0, undefined, undefined, mebibyte))])
    for (let count = 0; count < 15; count++) flood()
    assert.throws(flood, malformed)
  })

  test('text without end behind a call that has none', () => {
    const { decoder } = fed([calls(piece(0, 'a', 'f', '{"x": "'))])
    const flood = (): void => push(decoder, [content(mebibyte)])
    for (let count = 0; count < 16; count++) flood()
    assert.throws(flood, malformed)
  })
})
