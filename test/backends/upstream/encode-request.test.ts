import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { encodeRequest } from '../../../src/backends/upstream/encode-request.ts'
import { defaultQuirks, type UpstreamQuirks } from '../../../src/backends/upstream/settings.ts'
import type { GenerateRequest, Thinking } from '../../../src/contract/request.ts'
import type { ChatRequest } from '../../../src/wire/openai.ts'
import { assistant, requestOf, user } from '../../support/generate-requests.ts'

type Fields = ChatRequest & Readonly<Record<string, unknown>>

function encode(overrides: Partial<GenerateRequest>, quirks: Partial<UpstreamQuirks> = {}): Fields {
  return JSON.parse(encodeRequest(requestOf('Hello', overrides), { ...defaultQuirks, ...quirks }, 'max_tokens').body)
}

function tool(name: string, more: Partial<GenerateRequest['tools'][number]> = {}): GenerateRequest['tools'][number] {
  const inputSchema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
  return { name, description: null, inputSchema, strict: false, cacheMark: null, ...more }
}

const nothingSaid = {
  temperature: null,
  topP: null,
  topK: null,
  minP: null,
  seed: null,
  penalties: null,
  logitBias: null,
}
const everythingSaid = { temperature: 0.5, topP: 0.9, topK: 40, minP: 0.1, seed: 7, penalties: null, logitBias: null }

test('a plain request holds nothing but what was asked', () => {
  assert.deepEqual(encode({ sampling: nothingSaid, thinking: { kind: 'unset' } }), {
    stream_options: { include_usage: true },
    max_tokens: 200,
    model: 'headend-tiny',
    stream: true,
    messages: [{ role: 'user', content: 'Hello' }],
  })
})

test('an answer in one piece is asked for as such, and where the upstream cannot stream', () => {
  const whole = encode({ stream: false })
  assert.deepEqual([whole.stream, whole.stream_options], [false, undefined])
  const cannot = encode({}, { streaming: false })
  assert.deepEqual([cannot.stream, cannot.stream_options], [false, undefined])
  assert.equal(encode({}, { streamOptions: false }).stream_options, undefined)
})

test('how much may be answered', () => {
  assert.equal(encode({ maxTokens: 0 }).max_tokens, 1)
  assert.equal(encode({ maxTokens: null }).max_tokens, undefined)
  assert.equal(encode({ maxTokens: 500 }, { outputTokensMax: 100 }).max_tokens, 100)
  assert.equal(encode({ maxTokens: 50 }, { outputTokensMax: 100 }).max_tokens, 50)
  assert.equal(encode({ maxTokens: null }, { outputTokensMax: 100 }).max_tokens, 100)
  const other = JSON.parse(encodeRequest(requestOf(''), defaultQuirks, 'max_completion_tokens').body)
  assert.deepEqual([other.max_completion_tokens, other.max_tokens], [200, undefined])
})

test('sampling goes where it is known', () => {
  const all = encode({ sampling: everythingSaid })
  assert.deepEqual([all.temperature, all.top_p, all.top_k, all.min_p, all.seed], [0.5, 0.9, 40, 0.1, 7])
  const plain = encode({ sampling: everythingSaid }, { extraSampling: false })
  assert.deepEqual([plain.temperature, plain.top_p, plain.top_k, plain.min_p, plain.seed].filter(Boolean), [0.5, 0.9])
  const fixed = encode({ sampling: everythingSaid }, { sampling: false })
  assert.deepEqual([fixed.temperature, fixed.top_p, fixed.top_k], [undefined, undefined, 40])
})

test('penalties and biases go where they are known', () => {
  const penalties = { repeat: 1.1, frequency: 0.5, presence: -0.5 }
  const said = { sampling: { ...nothingSaid, penalties, logitBias: { '7': -100 } } }
  const fieldsOf = (quirks: Partial<UpstreamQuirks>) => {
    const body = encode(said, quirks)
    return [body.repeat_penalty, body.frequency_penalty, body.presence_penalty, body.logit_bias]
  }
  assert.deepEqual(fieldsOf({}), [1.1, 0.5, -0.5, { '7': -100 }])
  assert.deepEqual(fieldsOf({ extraSampling: false }), [undefined, 0.5, -0.5, { '7': -100 }])
  assert.deepEqual(fieldsOf({ sampling: false }), [1.1, undefined, undefined, undefined])
})

test('any object has a word of its own', () => {
  assert.deepEqual(encode({ outputSchema: { type: 'object' } }).response_format, { type: 'json_object' })
})

test('stop sequences are sent only where the upstream says which one it found', () => {
  assert.equal(encode({ stopSequences: ['END'] }).stop, undefined)
  assert.deepEqual(encode({ stopSequences: ['END'] }, { reportsStop: true }).stop, ['END'])
  assert.equal(encode({}, { reportsStop: true }).stop, undefined)
})

test('who the user is, is told as a hash and only where the configuration says so', () => {
  assert.equal(encode({ userId: 'me' }).user, undefined)
  assert.equal(encode({ userId: null }, { sendsUser: true }).user, undefined)
  const { user: told } = encode({ userId: 'me' }, { sendsUser: true })
  assert.equal(told, createHash('sha256').update('me').digest('hex'))
  assert.equal(told?.length, 64)
})

test('a schema of the answer', () => {
  const schema = { $schema: 'https://json-schema.org/draft/2020-12/schema', type: 'object', properties: {} }
  assert.deepEqual(encode({ outputSchema: schema }).response_format, {
    type: 'json_schema',
    json_schema: { name: 'output', schema: { type: 'object', properties: {} }, strict: true },
  })
})

test('what the configuration adds wins, but not over what headend relies on', () => {
  const extraBody = { max_tokens: 9, provider: { order: ['x'] }, model: 'no', messages: [], stream: false, tools: [{}] }
  const request = requestOf('Hello', { tools: [tool('weather')] })
  const { body: json } = encodeRequest(request, { ...defaultQuirks, extraBody }, 'max_tokens')
  for (const key of ['model', 'messages', 'stream', 'tools']) assert.equal(json.split(`"${key}":`).length, 2, key)
  const body = JSON.parse(json)
  assert.deepEqual([body.max_tokens, body.provider, body.tools], [9, { order: ['x'] }, [{}]])
  assert.deepEqual([body.model, body.messages.length, body.stream], ['headend-tiny', 1, true])
})

describe('a prefill', () => {
  const turns = [user('Count.'), assistant('One, ')]

  test('is sent as it is', () => {
    const body = encode({ turns })
    assert.deepEqual(body.messages.at(-1), { role: 'assistant', content: 'One, ' })
    assert.equal(body.continue_final_message, undefined)
  })

  test('is continued by the switches of vLLM', () => {
    const body = encode({ turns }, { prefill: 'continue' })
    assert.deepEqual([body.continue_final_message, body.add_generation_prompt], [true, false])
    assert.equal(encode({}, { prefill: 'continue' }).continue_final_message, undefined)
  })

  test('is refused where the upstream would answer beside it', () => {
    assert.throws(() => encode({ turns }, { prefill: 'refuse' }), {
      kind: 'invalid-request',
      field: 'messages',
      message: /^messages: Prefilling assistant messages is not supported for this model\./,
    })
    assert.equal(encode({}, { prefill: 'refuse' }).messages.length, 1)
  })
})

describe('tools', () => {
  test('keep their order and the order of their keys', () => {
    const inputSchema = { type: 'object', required: ['b'], properties: { b: {}, a: {} } }
    const { body } = encodeRequest(
      requestOf('', { tools: [tool('b', { inputSchema }), tool('a')] }),
      defaultQuirks,
      'max_tokens',
    )
    const position = body.indexOf(`"name":"b","parameters":${JSON.stringify(inputSchema)}`)
    assert.notEqual(position, -1)
    assert.equal(body.indexOf('"name":"a"', position) > position, true)
  })

  test('lose what strict servers refuse', () => {
    const $schema = 'https://json-schema.org/draft/2020-12/schema'
    const tools = [
      tool('a', { inputSchema: {} }),
      tool('b', { inputSchema: { $schema, type: 'object', required: [] } }),
    ]
    const { tools: sent = [] } = encode({ tools })
    assert.deepEqual(sent[0]?.function.parameters, { type: 'object', properties: {} })
    assert.deepEqual(sent[1]?.function.parameters, { type: 'object', required: [], properties: {} })
    assert.deepEqual(Object.keys(sent[0]?.function ?? {}), ['name', 'parameters'])
  })

  test('are strict only where asked and known', () => {
    const tools = [tool('a', { strict: true, description: 'A tool.' }), tool('b')]
    assert.deepEqual(
      encode({ tools }).tools?.map((sent) => sent.function.strict),
      [true, undefined],
    )
    assert.deepEqual(
      encode({ tools }, { strictTools: false }).tools?.map((sent) => sent.function.strict),
      [undefined, undefined],
    )
    assert.equal(encode({ tools }).tools?.[0]?.function.description, 'A tool.')
  })

  test('with names too long get shorter ones, the same in calls, choice and declaration', () => {
    const name = 'mcp__a_server_with_a_long_name__and_a_tool_with_one_that_is_longer_still'
    const call = { kind: 'tool-call', id: 'c1', name, input: {}, cacheMark: null } as const
    const result = { kind: 'tool-result', callId: 'c1', content: [], isError: false, cacheMark: null } as const
    const turns = [user('Go.'), { role: 'assistant', content: [call] }, { role: 'user', content: [result] }] as const
    const tools = [tool(name), tool(`${name}_too`), tool('x'.repeat(64))]
    const request = requestOf('', { turns, tools, toolChoice: { kind: 'tool', name, parallel: true } })
    const { body, toolNames } = encodeRequest(request, defaultQuirks, 'max_tokens')
    const { messages, tools: sent, tool_choice: choice } = JSON.parse(body)
    const short = sent[0].function.name
    assert.match(short, /^mcp__a_server_with_a_long_name__and_a_tool_with_one[\w]*_[0-9a-f]{12}$/)
    assert.equal(short.length, 64)
    assert.equal(messages[1].tool_calls[0].function.name, short)
    assert.equal(choice.function.name, short)
    assert.deepEqual(
      [...toolNames],
      [
        [short, name],
        [sent[1].function.name, `${name}_too`],
      ],
    )
    assert.notEqual(sent[1].function.name, short)
    assert.equal(sent[2].function.name, 'x'.repeat(64))
  })

  const choices: readonly [GenerateRequest['toolChoice'], unknown, unknown][] = [
    [{ kind: 'auto', parallel: true }, 'auto', undefined],
    [{ kind: 'any', parallel: false }, 'required', false],
    [{ kind: 'none', parallel: true }, 'none', undefined],
    [{ kind: 'tool', name: 'a', parallel: true }, { type: 'function', function: { name: 'a' } }, undefined],
  ]
  for (const [toolChoice, choice, parallel] of choices) {
    test(`choice: ${toolChoice.kind}`, () => {
      const body = encode({ tools: [tool('a')], toolChoice })
      assert.deepEqual(body.tool_choice, choice)
      assert.equal(body.parallel_tool_calls, parallel)
      const without = encode({ toolChoice })
      assert.deepEqual(
        [without.tool_choice, without.parallel_tool_calls, without.tools],
        [undefined, undefined, undefined],
      )
    })
  }
})

describe('thinking', () => {
  const unset: Thinking = { kind: 'unset' }
  const off: Thinking = { kind: 'off' }
  const adaptive: Thinking = { kind: 'adaptive', shown: true }
  const budget = (budgetTokens: number): Thinking => ({ kind: 'budget', budgetTokens, shown: true })
  const effort = (value: string) => ({ reasoning_effort: value })

  function sent(quirks: Partial<UpstreamQuirks>, request: Partial<GenerateRequest>): unknown {
    const { reasoning_effort, chat_template_kwargs, thinking, reasoning } = encode(request, quirks)
    return JSON.parse(JSON.stringify({ reasoning_effort, chat_template_kwargs, thinking, reasoning }))
  }

  const cases: readonly [UpstreamQuirks['thinking'], Partial<GenerateRequest>, unknown][] = [
    ['reasoning_effort', { thinking: unset }, {}],
    ['reasoning_effort', { thinking: off, effort: 'high' }, {}],
    ['reasoning_effort', { thinking: off, toolChoice: { kind: 'any', parallel: true } }, {}],
    ['reasoning_effort', { thinking: adaptive }, {}],
    ['reasoning_effort', { thinking: unset, effort: 'low' }, effort('low')],
    ['reasoning_effort', { thinking: budget(2048) }, effort('low')],
    ['reasoning_effort', { thinking: budget(8192) }, effort('medium')],
    ['reasoning_effort', { thinking: budget(8193) }, effort('high')],
    ['reasoning_effort', { thinking: budget(1024), effort: 'xhigh' }, effort('high')],
    ['chat_template_kwargs', { thinking: unset }, {}],
    ['chat_template_kwargs', { thinking: off, effort: 'low' }, { chat_template_kwargs: { enable_thinking: false } }],
    ['chat_template_kwargs', { thinking: adaptive }, { chat_template_kwargs: { enable_thinking: true } }],
    [
      'chat_template_kwargs',
      { thinking: budget(1024), effort: 'max' },
      { chat_template_kwargs: { enable_thinking: true, reasoning_effort: 'high' } },
    ],
    ['thinking', { thinking: unset }, {}],
    ['thinking', { thinking: off }, { thinking: { type: 'disabled' } }],
    ['thinking', { thinking: adaptive }, { thinking: { type: 'enabled' } }],
    ['thinking', { thinking: budget(1024) }, { thinking: { type: 'enabled', budget_tokens: 1024 } }],
    ['reasoning', { thinking: unset }, {}],
    ['reasoning', { thinking: off }, { reasoning: { enabled: false } }],
    ['reasoning', { thinking: adaptive }, { reasoning: { enabled: true } }],
    ['reasoning', { thinking: adaptive, effort: 'medium' }, { reasoning: { effort: 'medium' } }],
    ['reasoning', { thinking: budget(1024), effort: 'low' }, { reasoning: { max_tokens: 1024 } }],
    ['none', { thinking: budget(1024), effort: 'low' }, {}],
  ]
  for (const [thinking, request, expected] of cases) {
    test(`${thinking}: ${JSON.stringify(request)}`, () => assert.deepEqual(sent({ thinking }, request), expected))
  }

  test('high efforts go where they are known', () => {
    assert.deepEqual(sent({ highEfforts: true }, { thinking: adaptive, effort: 'xhigh' }), effort('xhigh'))
    assert.deepEqual(sent({}, { thinking: adaptive, effort: 'max' }), effort('high'))
  })
})

describe('the estimate', () => {
  const tokens = (request: Partial<GenerateRequest>) => {
    return encodeRequest(requestOf('', request), defaultQuirks, 'max_tokens').promptTokens
  }

  test('goes by the bytes of what the model reads', () => {
    assert.equal(tokens({ turns: [user('x'.repeat(360))] }), 104)
    assert.equal(tokens({ turns: [user('語'.repeat(120))] }), 104)
    assert.equal(tokens({ turns: [user('\n'.repeat(360))] }), 104)
    assert.equal(tokens({ turns: [user('x'.repeat(36)), assistant('x'.repeat(36)), user('x'.repeat(36))] }), 42)
    assert.equal(tokens({ turns: [user('x')], system: [{ text: 'x'.repeat(35), cacheMark: null }] }), 18)
  })

  test('counts tools, and images by their number', () => {
    const inputSchema = { type: 'object', properties: {} }
    const name = 'x'.repeat(360 - JSON.stringify(inputSchema).length)
    const plain = tokens({ turns: [user('hello')] })
    assert.equal(
      tokens({
        turns: [user('hello')],
        tools: [tool(name.slice(0, 60), { description: name.slice(60), inputSchema })],
      }) - plain,
      100,
    )
    const source = { kind: 'base64', mediaType: 'image/png', data: 'A'.repeat(100_000) } as const
    const image = { kind: 'image', source, path: 'messages.0.content.0', cacheMark: null } as const
    assert.equal(tokens({ turns: [{ role: 'user', content: [...user('hello').content, image] }] }) - plain, 1000)
  })
})
