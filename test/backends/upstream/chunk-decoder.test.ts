import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { AnswerOptions } from '../../../src/backends/upstream/answer-options.ts'
import { ChunkDecoder } from '../../../src/backends/upstream/chunk-decoder.ts'
import type { HeadendError } from '../../../src/contract/errors.ts'
import type { FinishReason, StreamEvent } from '../../../src/contract/events.ts'
import { answerOptions, chunk, content, decode, finished, push, reasoning, see } from './answers.ts'

/** A decoder that was fed, and what it has emitted so far. */
function feed(chunks: readonly unknown[], some: Partial<AnswerOptions> = {}) {
  const events: StreamEvent[] = []
  const decoder = new ChunkDecoder((event) => events.push(event), answerOptions(some))
  push(decoder, chunks)
  return { decoder, events }
}

function failure(run: () => unknown): Pick<HeadendError, 'kind' | 'message'> {
  try {
    run()
  } catch (error) {
    return error as HeadendError
  }
  throw new assert.AssertionError({ message: 'nothing was thrown' })
}

function types(events: readonly StreamEvent[]): readonly string[] {
  return events.map(({ type }) => type)
}

describe('text and thoughts', () => {
  const cases: readonly (readonly [what: string, chunks: readonly unknown[], blocks: readonly string[]])[] = [
    ['text', [content('Hel'), content('lo')], ['text: Hello']],
    ['a role alone', [chunk({ role: 'assistant' }), content('a')], ['text: a']],
    ['empty content', [chunk({ role: 'assistant', content: '' }), content('a')], ['text: a']],
    ['null content', [content(null), content('a')], ['text: a']],
    ['an answer without content', [content(''), finished('stop')], []],
    ['white space alone', [content(' '), content('\n')], ['text:  \n']],
    ['white space first', [content('\n\n'), content('a')], ['text: \n\na']],
    [
      'no calls next to content',
      [chunk({ content: 'a', tool_calls: [] }), chunk({ content: 'b', tool_calls: null })],
      ['text: ab'],
    ],
    ['content in parts', [content([{ type: 'text', text: 'a' }, 'b', { type: 'x' }, null])], ['text: ab']],
    [
      'thoughts in parts',
      [
        content([
          {
            type: 'thinking',
            thinking: [
              { type: 'text', text: 'h' },
              { type: 'text', text: 'm' },
            ],
          },
          { type: 'text', text: 'a' },
        ]),
      ],
      ['thinking: hm', 'text: a'],
    ],
    ['thoughts first', [reasoning('h'), reasoning('m'), content('a')], ['thinking: hm', 'text: a']],
    ['text between thoughts', [content('a'), reasoning('b'), content('c')], ['text: a', 'thinking: b', 'text: c']],
    ['both in one chunk', [chunk({ content: 'a', reasoning: 'b' })], ['thinking: b', 'text: a']],
    ['thoughts told twice', [chunk({ reasoning: 'b', reasoning_content: 'b' })], ['thinking: b']],
    [
      'thoughts as details',
      [
        chunk({
          reasoning_details: [
            { type: 'reasoning.text', text: 'b' },
            { type: 'reasoning.encrypted', data: 'x' },
            { summary: 'c' },
          ],
        }),
      ],
      ['thinking: bc'],
    ],
    [
      'blank text between thoughts',
      [reasoning('b'), content('\n'), reasoning('c'), content('a')],
      ['thinking: bc', 'text: a'],
    ],
    ['blank thoughts', [reasoning('\n\n'), content('a')], ['text: a']],
    ['blank text before thoughts', [content('\n'), reasoning('b'), content('a')], ['thinking: b', 'text: a']],
    ['think tags', [content('<th'), content('ink>hm'), content('</think>\n\na')], ['thinking: hm', 'text: a']],
    [
      'tags are text beside a channel of thoughts',
      [reasoning('b'), content('<think>a</think>')],
      ['thinking: b', 'text: <think>a</think>'],
    ],
    [
      'two thoughts in a row',
      [content('<think>a</think><think>b</think>c')],
      ['thinking: a', 'thinking: b', 'text: c'],
    ],
    ['a tag that never came', [content('a\n<thi'), reasoning('b')], ['text: a\n<thi', 'thinking: b']],
    [
      'other choices',
      [
        {
          choices: [
            { index: 1, delta: { content: 'x' } },
            { index: 0, delta: { content: 'a' } },
          ],
        },
        { choices: [{ index: 1, delta: { content: 'x' } }] },
      ],
      ['text: a'],
    ],
    ['a choice without index', [{ choices: [{ delta: { content: 'a' } }] }], ['text: a']],
    ['no choices', [{ choices: [], prompt_filter_results: [] }, {}, content('a')], ['text: a']],
    [
      'ids and models that change',
      [
        { ...content('a'), id: '1' },
        { ...content('b'), id: '2', model: 'x' },
      ],
      ['text: ab'],
    ],
    ['content behind the finish', [content('a', 'stop'), content('b', 'stop'), finished('stop')], ['text: ab']],
    ['empty data', ['', content('a'), ''], ['text: a']],
    [
      'messages that grow',
      [{ choices: [{ message: { content: 'He' } }] }, { choices: [{ message: { content: 'Hello' } }] }],
      ['text: Hello'],
    ],
    [
      'messages that do not',
      [{ choices: [{ message: { content: 'He' } }] }, { choices: [{ message: { content: 'llo' } }] }],
      ['text: Hello'],
    ],
    [
      'a message that repeats the answer',
      [
        reasoning('b'),
        content('He'),
        content('llo'),
        { choices: [{ message: { content: 'Hello!', reasoning_content: 'b' } }] },
      ],
      ['thinking: b', 'text: Hello!'],
    ],
  ]
  for (const [what, chunks, blocks] of cases) {
    test(what, () => assert.deepEqual(see(decode(chunks)).blocks, blocks))
  }

  test('a refusal is text, and the reason for the end', () => {
    const { blocks, reason, explanation } = see(
      decode([chunk({ refusal: 'I ' }), chunk({ refusal: 'will not' }), finished('stop')]),
    )
    assert.deepEqual([blocks, reason, explanation], [['text: I will not'], 'refusal', 'I will not'])
  })

  test('unwanted thoughts are dropped, and text goes on', () => {
    const some = { discardsThinking: true }
    assert.deepEqual(see(decode([content('a'), reasoning('b'), content('c')], some)).blocks, ['text: ac'])
    assert.deepEqual(see(decode([content('<think>b</think>c')], some)).blocks, ['text: c'])
  })

  test('white space without end is passed on in the end', () => {
    const spaces = Array.from({ length: 70 }, () => content(' '.repeat(1000)))
    const { events } = feed(spaces, { thinkTags: { mode: 'off' } })
    assert.equal(types(events).at(-1), 'block-delta')
  })

  test('every token is passed on at once', () => {
    const { decoder, events } = feed([content('a')])
    assert.deepEqual(types(events), ['start', 'block-start', 'block-delta'])
    push(decoder, [content('b')])
    assert.deepEqual(events.at(-1), { type: 'block-delta', index: 0, text: 'b' })
  })
})

describe('the start', () => {
  test('waits for content, so that another target can be tried', () => {
    const quiet = [
      chunk({ role: 'assistant' }),
      content(''),
      content('\n'),
      reasoning(' '),
      { choices: [], usage: { prompt_tokens: 5 } },
    ]
    const { decoder, events } = feed([...quiet, finished('stop')])
    assert.deepEqual(events, [])
    decoder.push('', '[DONE]')
    assert.deepEqual(types(events), ['start', 'finish'])
  })

  test('says what is known of the prompt', () => {
    assert.deepEqual(see(decode([content('a')])).startUsage, {
      inputTokens: 100,
      cachedTokens: 0,
      outputTokens: 0,
      cacheWriteTokens: { short: 0, long: 0 },
      thinkingTokens: null,
    })
    const told = chunk({ role: 'assistant' }, null, {
      usage: { prompt_tokens: 30, prompt_tokens_details: { cached_tokens: 10 } },
    })
    const { startUsage } = see(decode([told, content('a')]))
    assert.deepEqual([startUsage?.inputTokens, startUsage?.cachedTokens], [20, 10])
  })
})

describe('the end', () => {
  const reasons: readonly (readonly [finish: string, reason: FinishReason])[] = [
    ['stop', 'end-turn'],
    ['length', 'max-tokens'],
    ['MAX_TOKENS', 'max-tokens'],
    ['content_filter', 'refusal'],
    ['eos', 'end-turn'],
    ['tool_calls', 'end-turn'], // and none came: a client that looked for one would wait for ever
  ]
  for (const [finish, reason] of reasons) {
    test(`finish_reason "${finish}"`, () => assert.equal(see(decode([content('a'), finished(finish)])).reason, reason))
  }

  test('an empty finish_reason is none', () => {
    assert.equal(see(decode([content('a', ''), content('b', 'length'), chunk({}, '')])).reason, 'max-tokens')
  })

  test('the last of several reasons holds', () => {
    assert.equal(see(decode([content('a', 'stop'), content('b', 'length')])).reason, 'max-tokens')
  })

  test('[DONE] is enough', () => {
    const { decoder, events } = feed([content('a'), ' [DONE]'])
    assert.equal(decoder.done, true)
    assert.equal(see(events).reason, 'end-turn')
    push(decoder, [content('late'), '{'])
    decoder.end()
    assert.equal(events.filter(({ type }) => type === 'finish').length, 1)
  })

  test('a finish_reason is enough', () => {
    const { decoder, events } = feed([content('a'), finished('length')])
    assert.equal(decoder.done, false)
    decoder.end()
    assert.equal(decoder.done, true)
    assert.equal(see(events).reason, 'max-tokens')
  })

  for (const chunks of [[], [content('a')], [content('a', '')]]) {
    test(`neither is a failure: ${chunks.length} chunks`, () => {
      const { decoder, events } = feed(chunks)
      const { kind, message } = failure(() => decoder.end())
      assert.deepEqual([kind, message], ['upstream-failed', 'upstream closed the stream early'])
      assert.equal(types(events).includes('finish'), false)
    })
  }

  for (const reason of ['error', 'abort', 'insufficient_system_resource']) {
    test(`"${reason}" is no end of an answer`, () => {
      const { kind, message } = failure(() => decode([content('a'), finished(reason)]))
      assert.equal(kind, 'upstream-failed')
      assert.match(message, new RegExp(`"${reason}"`))
    })
  }
})

describe('stop sequences', () => {
  const some = { stopSequences: ['END', '\n\n'] }

  test('end the answer, and nothing more is wanted', () => {
    const { decoder, events } = feed([content('one E'), content('N'), content('D two'), content('three')], some)
    assert.equal(decoder.done, true)
    const { blocks, reason, stopSequence } = see(events)
    assert.deepEqual([blocks, reason, stopSequence], [['text: one '], 'stop-sequence', 'END'])
  })

  test('what only looks like one is held back and then shown', () => {
    const { decoder, events } = feed([content('E'), content('N')], some)
    assert.deepEqual(events, [])
    decoder.push('', '[DONE]')
    assert.deepEqual(see(events).blocks, ['text: EN'])
  })

  test('count in text only', () => {
    const call = { index: 0, id: 'a', function: { name: 'f', arguments: '{"a":"END"}' } }
    const { blocks, reason } = see(decode([reasoning('END'), content('a'), chunk({ tool_calls: [call] })], some))
    assert.deepEqual([blocks, reason], [['thinking: END', 'text: a', 'call f: {"a":"END"}'], 'tool-call'])
  })

  test('that a call interrupts are text', () => {
    const call = { index: 0, function: { name: 'f', arguments: '{}' } }
    const { blocks } = see(decode([content('E'), chunk({ tool_calls: [call] }), content('ND')], some))
    assert.deepEqual(blocks, ['text: E', 'call f: {}', 'text: ND'])
  })

  test('are not put together from both sides of a thought', () => {
    assert.deepEqual(see(decode([content('E'), reasoning('x'), content('ND')], some)).blocks, [
      'text: E',
      'thinking: x',
      'text: ND',
    ])
  })

  test('before a call there is no call', () => {
    const call = { index: 0, function: { name: 'f', arguments: '{}' } }
    const { blocks, reason } = see(decode([chunk({ content: 'a END b', tool_calls: [call] })], some))
    assert.deepEqual([blocks, reason], [['text: a '], 'stop-sequence'])
  })

  for (const [field, told, expected] of [
    ['stop_reason', 'END', 'END'],
    ['matched_stop', 'END', 'END'],
    ['stop_reason', 128009, null],
    ['stop_reason', null, null],
    ['matched_stop', '', null],
  ] as const) {
    test(`${field}: ${told} of an upstream that matches them itself`, () => {
      const last = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', [field]: told }] }
      const { reason, stopSequence } = see(
        decode([content('a END b'), last], { stopSequences: ['END'], stopsReported: true }),
      )
      assert.deepEqual([reason, stopSequence], [expected === null ? 'end-turn' : 'stop-sequence', expected])
    })
  }

  test('that the client did not ask for are markers of the upstream', () => {
    const last = { choices: [{ index: 0, delta: {}, finish_reason: 'stop', matched_stop: '<|im_end|>' }] }
    assert.equal(see(decode([content('a'), last], some)).reason, 'end-turn')
    assert.equal(see(decode([content('a'), last])).reason, 'end-turn')
  })
})

describe('usage', () => {
  function counts(...chunks: readonly unknown[]) {
    const { usage } = see(decode(chunks))
    return [usage?.inputTokens, usage?.cachedTokens, usage?.outputTokens, usage?.thinkingTokens]
  }
  const full = {
    prompt_tokens: 50,
    completion_tokens: 9,
    total_tokens: 59,
    prompt_tokens_details: { cached_tokens: 20 },
    completion_tokens_details: { reasoning_tokens: 4 },
  }

  const cases: readonly (readonly [what: string, chunks: readonly unknown[], counts: readonly unknown[]])[] = [
    ['in the chunk of the finish', [content('a'), chunk({}, 'stop', { usage: full })], [30, 20, 9, 4]],
    ['in a chunk without choices', [content('a'), finished('stop'), { choices: [], usage: full }], [30, 20, 9, 4]],
    [
      'on every chunk',
      [
        chunk({ content: 'a' }, null, { usage: { prompt_tokens: 50, completion_tokens: 1 } }),
        chunk({ content: 'b' }, 'stop', { usage: { prompt_tokens: 50, completion_tokens: 2 } }),
      ],
      [50, 0, 2, null],
    ],
    [
      'zeros first',
      [
        chunk({ content: 'a' }, null, { usage: { prompt_tokens: 0, completion_tokens: 0 } }),
        chunk({}, 'stop', { usage: full }),
      ],
      [30, 20, 9, 4],
    ],
    [
      'zeros last',
      [
        chunk({ content: 'a' }, null, { usage: full }),
        chunk({}, 'stop', { usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 } }),
      ],
      [30, 20, 9, 4],
    ],
    [
      'zeros only',
      [content('aaaa'), chunk({}, 'stop', { usage: { prompt_tokens: 0, completion_tokens: 0 } })],
      [100, 0, 2, null],
    ],
    [
      'more cached than there is',
      [
        content('a'),
        { usage: { prompt_tokens: 5, prompt_tokens_details: { cached_tokens: 9 }, completion_tokens: 1 } },
      ],
      [0, 9, 1, null],
    ],
    [
      'as DeepSeek counts',
      [
        content('a'),
        {
          usage: { prompt_tokens: 50, prompt_cache_hit_tokens: 48, prompt_cache_miss_tokens: 2, completion_tokens: 1 },
        },
      ],
      [2, 48, 1, null],
    ],
    [
      'thoughts apart from the answer',
      [
        content('a'),
        {
          usage: {
            prompt_tokens: 50,
            completion_tokens: 9,
            total_tokens: 63,
            completion_tokens_details: { reasoning_tokens: 4 },
          },
        },
      ],
      [50, 0, 13, 4],
    ],
    [
      'timings of llama-server',
      [content('a'), chunk({}, 'stop', { timings: { cache_n: 7, prompt_n: 3, predicted_n: 6 } })],
      [3, 7, 6, null],
    ],
    [
      'usage beside timings',
      [content('a'), chunk({}, 'stop', { timings: { cache_n: 7, prompt_n: 3, predicted_n: 6 }, usage: full })],
      [30, 20, 9, 4],
    ],
    ['in the choice', [{ choices: [{ index: 0, delta: { content: 'a' }, usage: full }] }], [30, 20, 9, 4]],
    ['where Groq had it', [content('a'), chunk({}, 'stop', { x_groq: { usage: full } })], [30, 20, 9, 4]],
    ['no numbers', [content('a'), { usage: { prompt_tokens: '5', completion_tokens: -1 } }], [100, 0, 1, null]],
    ['null', [content('a'), { usage: null }], [100, 0, 1, null]],
    [
      'never: bytes of all that was written',
      [reasoning('ü'.repeat(18)), content('a'.repeat(35)), content('a')],
      [100, 0, 20, null],
    ],
    ['never, and nothing was written', [finished('stop')], [100, 0, 1, null]],
  ]
  for (const [what, chunks, expected] of cases) {
    test(what, () => assert.deepEqual(counts(...chunks), expected))
  }

  test('names and arguments of calls are counted, dropped thoughts too', () => {
    const call = { index: 0, function: { name: 'four', arguments: '{"a":12345}' } }
    const { usage } = see(
      decode([reasoning('x'.repeat(21)), chunk({ tool_calls: [call] })], { discardsThinking: true }),
    )
    assert.equal(usage?.outputTokens, 10)
  })
})

describe('failures', () => {
  const errors: readonly (readonly [what: string, chunk: unknown, message: RegExp])[] = [
    ['an error of its own', { error: { message: 'out of memory', code: 500 } }, /out of memory/],
    ['an error as text', { error: 'out of memory' }, /out of memory/],
    [
      'an error beside a choice',
      chunk({ content: '' }, 'error', { error: { code: 502, message: 'provider gone' } }),
      /provider gone/,
    ],
    ['an error in a choice', { choices: [{ error: { message: 'provider gone' }, delta: {} }] }, /provider gone/],
    ['an object "error"', { object: 'error', message: 'out of memory', code: 500 }, /out of memory/],
  ]
  for (const [what, bad, expected] of errors) {
    test(what, () => {
      for (const chunks of [[bad], [content('a'), bad]]) assert.match(failure(() => decode(chunks)).message, expected)
    })
  }

  test('an event named error, with JSON or without', () => {
    for (const data of ['{"error":{"message":"out of memory"}}', '{"message":"out of memory"}', 'out of memory']) {
      const { decoder, events } = feed([])
      assert.match(failure(() => decoder.push('error', data)).message, /out of memory/)
      assert.deepEqual(events, [])
    }
  })

  test('error: null is none', () => {
    assert.deepEqual(see(decode([{ ...content('a'), error: null }])).blocks, ['text: a'])
  })

  for (const data of ['{"choices":[', '<html>', '[]', '"text"', 'null', '1']) {
    test(`${data} is no chunk`, () => {
      assert.equal(failure(() => decode([content('a'), data])).kind, 'upstream-malformed')
    })
  }
})
