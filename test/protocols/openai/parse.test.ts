import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ContentBlock, GenerateRequest } from '../../../src/contract/request.ts'
import { assistant, call, draftOf, parsed, result, system, talk, tool, user } from './requests.ts'

function text(value: string): ContentBlock {
  return { kind: 'text', text: value, cacheMark: null }
}

test('a request that says nothing leaves everything to the backend', () => {
  assert.deepEqual(parsed({}), {
    model: 'm',
    system: [],
    turns: [{ role: 'user', content: [text('hi')] }],
    tools: [],
    toolChoice: { kind: 'auto', parallel: true },
    thinking: { kind: 'unset' },
    effort: null,
    outputSchema: null,
    maxTokens: null,
    outputMustFit: false,
    sampling: { temperature: null, topP: null, topK: null, minP: null, seed: null, penalties: null, logitBias: null },
    stopSequences: [],
    stream: false,
    userId: null,
  } satisfies GenerateRequest)
})

test('null says as little as nothing', () => {
  const fields = [
    'max_completion_tokens max_tokens stream stream_options temperature top_p top_k min_p seed frequency_penalty',
    'presence_penalty repeat_penalty logit_bias stop tools functions tool_choice function_call parallel_tool_calls',
    'response_format reasoning_effort n logprobs top_logprobs modalities audio user safety_identifier prompt_cache_key',
  ]
  const nulls = Object.fromEntries(fields.flatMap((line) => line.split(' ')).map((field) => [field, null]))
  assert.deepEqual(parsed(nulls), parsed({}))
})

test('what nobody knows or nobody needs is accepted', () => {
  const fields = { store: true, metadata: { a: 'b' }, service_tier: 'auto', verbosity: 'low', prediction: {}, x: [1] }
  assert.deepEqual(parsed({ ...fields, n: 1, logprobs: false, top_logprobs: 0, modalities: ['text'] }), parsed({}))
})

describe('the draft', () => {
  test('says what the reply needs', () => {
    const draft = draftOf({
      stream: true,
      stream_options: { include_usage: true },
      prompt_cache_key: 's1',
      max_tokens: 5,
    })
    const { model, stream, maxTokens, showsThinking, sessionHint, fault, includesUsage } = draft
    assert.deepEqual(
      { model, stream, maxTokens, showsThinking, sessionHint, fault, includesUsage },
      {
        model: 'm',
        stream: true,
        maxTokens: 5,
        showsThinking: true,
        sessionHint: 's1',
        fault: null,
        includesUsage: true,
      },
    )
    assert.equal(draftOf({ stream: true }).includesUsage, false)
  })

  test('names a session with a name that is one', () => {
    for (const key of ['', 'x'.repeat(129)]) assert.equal(draftOf({ prompt_cache_key: key }).sessionHint, null)
  })

  test('knows a conversation again by how it begins', () => {
    const tools = [tool('f'), tool('g')]
    const begin = [system('Be brief.'), user([{ type: 'text', text: 'one' }])]
    const first = draftOf({ tools, messages: begin }).opening()
    assert.deepEqual(first, ['f', 'g', 'Be brief.', 'one'])
    assert.deepEqual(draftOf({ tools, messages: [...begin, assistant('two'), user('three')] }).opening(), first)
    assert.deepEqual(draftOf({ functions: [{ name: 'h' }] }).opening(), ['h', 'hi'])
  })
})

describe('limits', () => {
  const cases: readonly (readonly [object, number | null])[] = [
    [{ max_tokens: 7 }, 7],
    [{ max_completion_tokens: 8 }, 8],
    [{ max_tokens: 7, max_completion_tokens: 8 }, 8],
    [{ max_tokens: -1 }, null],
    [{ max_tokens: 0 }, 0],
  ]
  for (const [fields, expected] of cases) {
    test(JSON.stringify(fields), () => assert.equal(parsed({ ...fields }).maxTokens, expected))
  }
})

describe('messages', () => {
  test('system and developer in front are the system text, later ones stay where they are', () => {
    const { system: head, turns } = talk(
      system('one'),
      { role: 'developer', content: [{ type: 'text', text: 'two' }] },
      user('hi'),
      system('three'),
      { role: 'developer', content: 'four' },
    )
    assert.deepEqual(
      head.map((block) => block.text),
      ['one', 'two'],
    )
    assert.deepEqual(turns, [
      { role: 'user', content: [text('hi')] },
      { role: 'system', content: [text('three'), text('four')] },
    ])
  })

  test('parts: text, pictures as data and by address', () => {
    const [turn] = talk(
      user([
        { type: 'text', text: 'look' },
        { type: 'image_url', image_url: { url: 'data:image/PNG;base64,AAAA', detail: 'low' } },
        { type: 'image_url', image_url: { url: 'https://example.com/a.png' } },
        { type: 'text', text: '' },
      ]),
    ).turns
    const path = 'messages.0.content'
    assert.deepEqual(turn?.content, [
      text('look'),
      {
        kind: 'image',
        source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' },
        path: `${path}.1`,
        cacheMark: null,
      },
      { kind: 'image', source: { kind: 'url', url: 'https://example.com/a.png' }, path: `${path}.2`, cacheMark: null },
    ])
  })

  test('consecutive messages of one role are one turn, and those that say nothing are none', () => {
    const { turns } = talk(user('a'), user('b'), assistant(''), assistant(null), user(''), user('c'), assistant('d'))
    assert.deepEqual(turns, [
      { role: 'user', content: [text('a'), text('b'), text('c')] },
      { role: 'assistant', content: [text('d')] },
    ])
  })

  test('an assistant thinks, speaks, refuses and calls', () => {
    const said = assistant(
      [
        { type: 'text', text: 'a' },
        { type: 'refusal', refusal: 'b' },
      ],
      {
        refusal: 'c',
        reasoning_content: 'hm',
        tool_calls: [call('c1', '{"x":1}'), call('c2', ' '), { id: 'c3', function: { name: 'g', arguments: '{}' } }],
      },
    )
    const { turns } = talk(
      user('hi'),
      said,
      result('c2'),
      system('now'),
      result('c1', [{ type: 'text', text: 'r' }]),
      result('c3', ''),
    )
    assert.deepEqual(turns[1]?.content, [
      { kind: 'thinking', text: 'hm', signature: '' },
      text('a'),
      text('b'),
      text('c'),
      { kind: 'tool-call', id: 'c1', name: 'f', input: { x: 1 }, cacheMark: null },
      { kind: 'tool-call', id: 'c2', name: 'f', input: {}, cacheMark: null },
      { kind: 'tool-call', id: 'c3', name: 'g', input: {}, cacheMark: null },
    ])
    assert.deepEqual(
      turns
        .slice(2)
        .map(({ role, content }) => [role, content.map((block) => block.kind === 'tool-result' && block.callId)]),
      [
        ['user', ['c2']],
        ['system', [false]],
        ['user', ['c1', 'c3']],
      ],
    )
  })

  test('results and what the user says behind them are one turn', () => {
    const { turns } = talk(
      user('hi'),
      assistant(null, { tool_calls: [call('a'), call('b')] }),
      result('a', 'x'),
      result('b', ''),
      user('go on'),
    )
    const made = (callId: string, content: readonly ContentBlock[]): ContentBlock => ({
      kind: 'tool-result',
      callId,
      content,
      isError: false,
      cacheMark: null,
    })
    assert.deepEqual(turns[2], { role: 'user', content: [made('a', [text('x')]), made('b', []), text('go on')] })
    assert.equal(turns.length, 3)
  })

  test('the older form of calls goes by names', () => {
    const called = { function_call: { name: 'f', arguments: '{"a":2}' } }
    const { turns } = talk(user('hi'), assistant(null, called), { role: 'function', name: 'f', content: 'x' })
    const [made] = turns[1]?.content ?? []
    const [answered] = turns[2]?.content ?? []
    assert.ok(made?.kind === 'tool-call' && answered?.kind === 'tool-result')
    assert.deepEqual([made.name, made.input, answered.callId], ['f', { a: 2 }, made.id])
  })

  test('ids may come again once they were answered', () => {
    const round = [assistant(null, { tool_calls: [call('a')] }), result('a')]
    assert.equal(talk(user('hi'), ...round, ...round).turns.length, 5)
  })
})

describe('tools', () => {
  test('functions, with a schema that is always an object', () => {
    const parameters = { type: 'object', properties: { a: {} } }
    const { tools } = parsed({
      tools: [
        tool('f', { description: 'd', parameters, strict: true }),
        tool('g'),
        tool('h', { parameters: { properties: {} } }),
      ],
    })
    const none = { description: null, strict: false, cacheMark: null }
    assert.deepEqual(tools, [
      { name: 'f', description: 'd', inputSchema: parameters, strict: true, cacheMark: null },
      { name: 'g', inputSchema: { type: 'object', properties: {} }, ...none },
      { name: 'h', inputSchema: { type: 'object', properties: {} }, ...none },
    ])
  })

  const named = { type: 'function', function: { name: 'f' } }
  const choices: readonly (readonly [object, object])[] = [
    [{}, { kind: 'auto', parallel: true }],
    [
      { tool_choice: 'auto', parallel_tool_calls: false },
      { kind: 'auto', parallel: false },
    ],
    [{ tool_choice: 'none' }, { kind: 'none', parallel: true }],
    [
      { tool_choice: 'required', parallel_tool_calls: true },
      { kind: 'any', parallel: true },
    ],
    [
      { tool_choice: named, parallel_tool_calls: false },
      { kind: 'tool', name: 'f', parallel: false },
    ],
    [
      { tool_choice: 'auto', tools: [], parallel_tool_calls: false },
      { kind: 'auto', parallel: true },
    ],
    [
      { tools: undefined, functions: [{ name: 'f' }], tool_choice: 'none' },
      { kind: 'auto', parallel: false },
    ],
    [
      { tools: undefined, functions: [{ name: 'f' }], function_call: 'none' },
      { kind: 'none', parallel: false },
    ],
    [
      { tools: undefined, functions: [{ name: 'f' }], function_call: { name: 'f' } },
      { kind: 'tool', name: 'f', parallel: false },
    ],
  ]
  for (const [fields, expected] of choices) {
    test(`the choice of ${JSON.stringify(fields)}`, () =>
      assert.deepEqual(parsed({ tools: [tool()], ...fields }).toolChoice, expected))
  }
})

describe('thinking', () => {
  const budget = (budgetTokens: number, effort: string) => ({
    thinking: { kind: 'budget', budgetTokens, shown: true },
    effort,
  })
  const cases: readonly (readonly [object, object])[] = [
    [{ reasoning_effort: 'none' }, { thinking: { kind: 'off' }, effort: null }],
    [{ reasoning_effort: 'minimal' }, budget(1024, 'low')],
    [{ reasoning_effort: 'low' }, budget(2048, 'low')],
    [{ reasoning_effort: 'medium' }, budget(8192, 'medium')],
    [{ reasoning_effort: 'high' }, budget(16_384, 'high')],
    [{ reasoning_effort: 'xhigh' }, budget(32_768, 'xhigh')],
    [{ reasoning_effort: 'max' }, budget(65_536, 'max')],
    [{ reasoning_effort: 'high', max_tokens: 1001 }, budget(501, 'high')],
    [
      { reasoning_effort: 'high', tools: [tool()], tool_choice: 'required' },
      { thinking: { kind: 'off' }, effort: null },
    ],
    [{ reasoning_effort: 'low', tools: [tool()], tool_choice: 'none' }, budget(2048, 'low')],
  ]
  for (const [fields, expected] of cases) {
    test(JSON.stringify(fields), () => {
      const { thinking, effort } = parsed({ ...fields })
      assert.deepEqual({ thinking, effort }, expected)
    })
  }
})

describe('the form of the answer', () => {
  const schema = { type: 'array', items: {} }
  const cases: readonly (readonly [object, object | null])[] = [
    [{ type: 'text' }, null],
    [{ type: 'json_object' }, { type: 'object' }],
    [{ type: 'json_object', schema }, schema],
    [{ type: 'json_schema', json_schema: { name: 'x', schema, strict: true } }, schema],
    [{ type: 'json_schema', json_schema: { name: 'x' } }, { type: 'object' }],
  ]
  for (const [format, expected] of cases) {
    test(JSON.stringify(format), () => assert.deepEqual(parsed({ response_format: format }).outputSchema, expected))
  }
})

describe('sampling', () => {
  test('every knob', () => {
    const { sampling } = parsed({
      temperature: 2,
      top_p: 0.5,
      top_k: 40,
      min_p: 0.1,
      seed: -3,
      frequency_penalty: -2,
      presence_penalty: 2,
      repeat_penalty: 1.1,
      logit_bias: { '50256': -100, '7': 0.5 },
    })
    assert.deepEqual(sampling, {
      temperature: 2,
      topP: 0.5,
      topK: 40,
      minP: 0.1,
      seed: -3,
      penalties: { repeat: 1.1, frequency: -2, presence: 2 },
      logitBias: { '50256': -100, '7': 0.5 },
    })
  })

  test('-1 of top_k is all, one penalty is enough, and no bias is none', () => {
    const { sampling } = parsed({ top_k: -1, presence_penalty: 0, logit_bias: {} })
    assert.deepEqual(
      [sampling.topK, sampling.penalties, sampling.logitBias],
      [0, { repeat: null, frequency: null, presence: 0 }, null],
    )
  })

  const stops: readonly (readonly [unknown, readonly string[]])[] = [
    ['END', ['END']],
    ['', []],
    [
      ['a', '', '\n'],
      ['a', '\n'],
    ],
    [[], []],
  ]
  for (const [stop, expected] of stops) {
    test(`stop: ${JSON.stringify(stop)}`, () => assert.deepEqual(parsed({ stop }).stopSequences, expected))
  }
})

test('who uses the client', () => {
  assert.equal(parsed({ user: 'u' }).userId, 'u')
  assert.equal(parsed({ user: 'u', safety_identifier: 's' }).userId, 's')
})
