import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { type RunningServer, startServer } from '../support/running-server.ts'

const model = 'headend-tiny'
const greedy = { temperature: 0 }

const weather: Anthropic.Tool = {
  name: 'get_weather',
  description: 'Get the current weather of a city',
  input_schema: {
    type: 'object',
    properties: {
      city: { type: 'string', description: 'Name of the city' },
      unit: { type: 'string', enum: ['celsius', 'fahrenheit'] },
    },
    required: ['city'],
  },
}
const calculate: Anthropic.Tool = {
  name: 'calculate',
  description: 'Evaluate a mathematical expression',
  input_schema: {
    type: 'object',
    properties: { expression: { type: 'string', description: 'The expression to evaluate' } },
    required: ['expression'],
  },
}
const tools = [weather, calculate]
const weatherQuestion: Anthropic.MessageParam = { role: 'user', content: 'What is the weather in Paris?' }

describe('tools on the embedded model', () => {
  let server: RunningServer
  let client: Anthropic
  before(async () => {
    server = await startServer({ slots: '4' })
    client = server.client
  })
  after(() => server.destroy())

  it('takes the path of the compatibility script: a message, a tool round trip, a stream of five lines', async () => {
    const basic = await client.messages.create({
      model,
      max_tokens: 64,
      messages: [
        {
          role: 'user',
          content: 'Reply with one short sentence confirming the Anthropic compatibility layer works.',
        },
      ],
    })
    assert.match(textOf(basic), /works/)

    const question: Anthropic.MessageParam = {
      role: 'user',
      content: 'Use the calculate tool to compute 12 * 7, then answer with the result.',
    }
    const first = await client.messages.create({
      model,
      max_tokens: 128,
      ...greedy,
      tools: [calculate],
      messages: [question],
    })
    assert.equal(first.stop_reason, 'tool_use')
    const call = callsOf(first)[0]
    assert.deepEqual(call?.input, { expression: '12 * 7' })
    const second = await client.messages.create({
      model,
      max_tokens: 128,
      ...greedy,
      tools: [calculate],
      messages: [
        question,
        { role: 'assistant', content: first.content },
        {
          role: 'user',
          content: [
            { type: 'tool_result', tool_use_id: call?.id ?? '', content: '{"expression":"12 * 7","result":84}' },
          ],
        },
      ],
    })
    assert.match(textOf(second), /84/)
    assert.equal(second.stop_reason, 'end_turn')

    const stream = await client.messages.create({
      model,
      max_tokens: 64,
      ...greedy,
      stream: true,
      messages: [{ role: 'user', content: 'Output exactly five lines: 1, 2, 3, 4, 5. Do not stop early.' }],
    })
    let text = ''
    for await (const event of stream) {
      if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') text += event.delta.text
    }
    assert.equal(text.trim(), '1\n2\n3\n4\n5')
  })

  it('calls two tools in one answer, and one when the client wants no more', async () => {
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'What is the weather in Paris and in Rome?' }]
    const both = await client.messages.create({ model, max_tokens: 200, ...greedy, tools, messages })
    assert.deepEqual(
      callsOf(both).map(({ input }) => input),
      [{ city: 'Paris' }, { city: 'Rome' }],
    )
    assert.equal(new Set(callsOf(both).map(({ id }) => id)).size, 2)
    const one = await client.messages.create({
      model,
      max_tokens: 200,
      ...greedy,
      tools,
      messages,
      tool_choice: { type: 'auto', disable_parallel_tool_use: true },
    })
    assert.equal(callsOf(one).length, 1)
    assert.equal(one.stop_reason, 'tool_use')
  })

  it('is forced to call some tool, or this one, whatever was said', async () => {
    const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Hello!' }]
    const any = await client.messages.create({ model, max_tokens: 200, tools, messages, tool_choice: { type: 'any' } })
    assert.ok(any.content.length > 0 && any.content.every(({ type }) => type === 'tool_use'))
    assert.ok(tools.some(({ name }) => name === callsOf(any)[0]?.name))
    const named = await client.messages.create({
      model,
      max_tokens: 200,
      tools,
      messages,
      tool_choice: { type: 'tool', name: 'calculate' },
    })
    assert.equal(callsOf(named)[0]?.name, 'calculate')
    assert.deepEqual(Object.keys(callsOf(named)[0]?.input ?? {}), ['expression'])
  })

  it('keeps the tools in the prompt and calls none when told to', async () => {
    const request = { model, tools, messages: [weatherQuestion] }
    const none = await client.messages.create({ ...request, max_tokens: 60, ...greedy, tool_choice: { type: 'none' } })
    assert.deepEqual(callsOf(none), [])
    assert.doesNotMatch(textOf(none), /<tool_call>/)
    const auto = await client.messages.countTokens(request)
    const { input_tokens } = await client.messages.countTokens({ ...request, tool_choice: { type: 'none' } })
    assert.equal(input_tokens, auto.input_tokens)
  })

  it('streams the input of a call as pieces that add up to one object, and count tokens as the answer does', async () => {
    const request = { model, tools, messages: [weatherQuestion] }
    const events: Anthropic.RawMessageStreamEvent[] = []
    const stream = client.messages.stream({ ...request, max_tokens: 200, ...greedy })
    stream.on('streamEvent', (event) => events.push(event))
    const final = await stream.finalMessage()
    const json = events.map((event) =>
      event.type === 'content_block_delta' && event.delta.type === 'input_json_delta' ? event.delta.partial_json : '',
    )
    assert.deepEqual(JSON.parse(json.join('')), { city: 'Paris' })
    assert.ok(json.filter(Boolean).length > 1, 'in several pieces')
    const started = events.find((event) => event.type === 'content_block_start')
    assert.equal(started?.content_block.type, 'tool_use') // no empty text block before it
    const { input_tokens } = await client.messages.countTokens(request)
    assert.equal(promptTokens(final.usage), input_tokens)
  })

  it('ends a call that max_tokens cuts', async () => {
    const request = { model, tools, messages: [weatherQuestion], ...greedy }
    for (let max_tokens = 1; max_tokens < 22; max_tokens++) {
      const cut = await client.messages.create({ ...request, max_tokens })
      assert.equal(cut.stop_reason, 'max_tokens', `after ${max_tokens} tokens`)
      assert.equal(cut.usage.output_tokens, max_tokens)
      const streamed = await client.messages.stream({ ...request, max_tokens }).finalMessage()
      assert.equal(streamed.stop_reason, 'max_tokens')
    }
  })

  it('turns results in every form into an answer', async () => {
    const history = (content: Anthropic.ToolResultBlockParam): Anthropic.MessageParam[] => [
      weatherQuestion,
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 'toolu_1', name: 'get_weather', input: { city: 'Paris' } }],
      },
      { role: 'user', content: [content] },
    ]
    const result = { type: 'tool_result', tool_use_id: 'toolu_1' } as const
    const forms: Anthropic.ToolResultBlockParam[] = [
      { ...result, content: '18 degrees and sunny' },
      { ...result, content: [{ type: 'text', text: '18 degrees and sunny' }] },
      { ...result },
      { ...result, content: 'City not found', is_error: true },
    ]
    const answers = await Promise.all(
      forms.map((form) => client.messages.create({ model, max_tokens: 80, ...greedy, tools, messages: history(form) })),
    )
    assert.deepEqual(textOf(answers[0] as Anthropic.Message), textOf(answers[1] as Anthropic.Message))
    for (const answer of answers) assert.notEqual(textOf(answer), '')
    assert.notEqual(textOf(answers[3] as Anthropic.Message), textOf(answers[0] as Anthropic.Message))
  })

  it('reads schemas that no grammar knows', async () => {
    const strange: Anthropic.Tool = {
      name: 'strange',
      description: 'Anything',
      input_schema: {
        type: 'object',
        $defs: { node: { type: 'object', properties: { next: { $ref: '#/$defs/node' } } } },
        properties: {
          tree: { $ref: '#/$defs/node' },
          either: { anyOf: [{ type: 'string', format: 'uri' }, { type: 'null' }] },
          coded: { type: 'string', pattern: '^(?=look)[a-z]+$' },
          far: { $ref: 'https://example.com/schema.json' },
        },
        required: ['coded'],
      } as Anthropic.Tool.InputSchema,
    }
    const many = Array.from({ length: 12 }, (_, index) => ({ ...strange, name: `strange_${index}` }))
    const answer = await client.messages.create({
      model,
      max_tokens: 300,
      tools: many,
      messages: [{ role: 'user', content: 'Hello!' }],
      tool_choice: { type: 'tool', name: 'strange_7' },
    })
    assert.equal(callsOf(answer)[0]?.name, 'strange_7')
  })
})

describe('thinking and structured output on the embedded model', () => {
  let server: RunningServer
  let client: Anthropic
  before(async () => {
    server = await startServer({ slots: '4' })
    client = server.client
  })
  after(() => server.destroy())

  const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'What is the capital of France?' }]

  it('thinks when asked to, in a block of its own with a signature', async () => {
    const stream = client.messages.stream({
      model,
      max_tokens: 200,
      ...greedy,
      messages,
      thinking: { type: 'adaptive' },
    })
    const thoughts: string[] = []
    const signatures: string[] = []
    stream.on('thinking', (piece) => thoughts.push(piece))
    stream.on('signature', (signature) => signatures.push(signature))
    const final = await stream.finalMessage()
    assert.deepEqual(
      final.content.map(({ type }) => type),
      ['thinking', 'text'],
    )
    assert.match(thoughts.join(''), /Paris/)
    assert.equal(signatures.length, 1)
    assert.doesNotMatch(textOf(final), /think>/)
    assert.equal(textOf(final), textOf(final).trimStart())
    assert.ok((final.usage.output_tokens_details?.thinking_tokens ?? 0) > 5)
  })

  it('does not think when told not to, and takes its thoughts back', async () => {
    const off = await client.messages.create({
      model,
      max_tokens: 50,
      ...greedy,
      messages,
      thinking: { type: 'disabled' },
    })
    assert.deepEqual(
      off.content.map(({ type }) => type),
      ['text'],
    )
    const first = await client.messages.create({
      model,
      max_tokens: 200,
      ...greedy,
      messages,
      thinking: { type: 'adaptive' },
    })
    const again = await client.messages.create({
      model,
      max_tokens: 60,
      ...greedy,
      messages: [...messages, { role: 'assistant', content: first.content }, { role: 'user', content: 'Hello!' }],
    })
    assert.notEqual(textOf(again), '')
  })

  it('answers by a schema, streamed, with and without a thought before', async () => {
    const schema = {
      type: 'object',
      properties: { name: { type: 'string' }, age: { type: 'integer' } },
      required: ['name', 'age'],
      additionalProperties: false,
    }
    const request = {
      model,
      max_tokens: 200,
      messages: [
        { role: 'user', content: 'Answer as JSON with keys name and age: Bob is 42' },
      ] as Anthropic.MessageParam[],
      output_config: { format: { type: 'json_schema' as const, schema } },
    }
    for (const sampling of [{ temperature: 0 }, { temperature: 1 }]) {
      const plain = await client.messages.stream({ ...request, ...sampling }).finalMessage()
      assert.deepEqual(Object.keys(JSON.parse(textOf(plain))), ['name', 'age'])
      const thought = await client.messages.create({ ...request, ...sampling, thinking: { type: 'adaptive' } })
      assert.equal(thought.content[0]?.type, 'thinking')
      assert.deepEqual(Object.keys(JSON.parse(textOf(thought))), ['name', 'age'])
    }
  })
})

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

function callsOf(message: Anthropic.Message): Anthropic.ToolUseBlock[] {
  return message.content.filter((block) => block.type === 'tool_use')
}

function promptTokens(usage: Anthropic.Usage): number {
  return usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)
}
