import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { MessageBuilder } from '../../../src/protocols/anthropic/message-builder.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { callBlock, finish, start, textBlock, thinkingBlock, usage } from './stream-events.ts'

function answer(...events: readonly StreamEvent[]) {
  const exchange = new RecordingExchange()
  const builder = new MessageBuilder(exchange, { model: 'tiny', showsThinking: true })
  for (const event of events) assert.equal(builder.write(event), true)
  return { exchange, builder, message: JSON.parse(exchange.response?.body ?? 'null') }
}

test('the whole message', () => {
  const { exchange, builder, message } = answer(
    start(),
    ...thinkingBlock(0, 'Let me', ' see.'),
    ...textBlock(1, 'Hel', 'lo'),
    ...callBlock(2, 'toolu_a', 'f', '{"a":', ' [1]}'),
    finish('tool-call', { usage: { ...usage, cacheWriteTokens: { short: 5, long: 2 }, thinkingTokens: 20 } }),
  )
  assert.match(message.id, /^msg_[0-9A-Za-z]{24}$/)
  const [thinking] = message.content
  assert.match(thinking.signature, /^hd1\.[\w-]{43}$/)
  assert.deepEqual(message, {
    id: message.id,
    type: 'message',
    role: 'assistant',
    model: 'tiny',
    content: [
      { type: 'thinking', thinking: 'Let me see.', signature: thinking.signature },
      { type: 'text', text: 'Hello', citations: null },
      { type: 'tool_use', id: 'toolu_a', name: 'f', input: { a: [1] }, caller: { type: 'direct' } },
    ],
    stop_reason: 'tool_use',
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage: {
      input_tokens: 12,
      cache_creation_input_tokens: 7,
      cache_read_input_tokens: 340,
      cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 2 },
      output_tokens: 57,
      output_tokens_details: { thinking_tokens: 20 },
      server_tool_use: null,
      service_tier: 'standard',
      inference_geo: null,
      speed: null,
    },
  })
  assert.equal(exchange.response?.status, 200)
  assert.equal(exchange.response?.headers['content-type'], 'application/json')
  assert.equal(builder.started, true)
})

test('a thought that is not shown keeps its signature', () => {
  const exchange = new RecordingExchange()
  const builder = new MessageBuilder(exchange, { model: 'tiny', showsThinking: false })
  for (const event of [start(), ...thinkingBlock(0, 'hm'), ...thinkingBlock(1), finish('end-turn')])
    builder.write(event)
  const content: { signature: string }[] = JSON.parse(exchange.response?.body ?? '').content
  assert.deepEqual(content, [{ type: 'thinking', thinking: '', signature: content[0]?.signature }])
  assert.match(content[0]?.signature ?? '', /^hd1\.[\w-]{43}$/)
})

test('empty blocks are left out', () => {
  const { message } = answer(start(), ...thinkingBlock(0), ...textBlock(1, ''), finish('max-tokens'))
  assert.deepEqual(message.content, [])
  assert.equal(message.stop_reason, 'max_tokens')
})

test('the stop sequence is reported', () => {
  const { message } = answer(start(), ...textBlock(0, 'a'), finish('stop-sequence', { stopSequence: 'END' }))
  assert.equal(message.stop_reason, 'stop_sequence')
  assert.equal(message.stop_sequence, 'END')
})

test('a refusal carries its explanation', () => {
  const { message } = answer(start(), finish('refusal', { explanation: 'no' }))
  assert.deepEqual(message.stop_details, { type: 'refusal', category: null, explanation: 'no' })
})

test("the first counts stand in for counts that the end doesn't have", () => {
  const { message } = answer(start(), ...textBlock(0, 'a'), finish('end-turn', { usage: null }))
  assert.equal(message.usage.cache_read_input_tokens, 340)
})

test('the input of a call is an object in any case', () => {
  const cases: readonly (readonly [pieces: readonly string[], input: object])[] = [
    [[], {}],
    [['{"a": 1, "b'], { a: 1 }],
    [['{"a": "cut o'], { a: 'cut o' }],
    [['[1]'], {}],
    [['null'], {}],
    [['"x"'], {}],
  ]
  for (const [pieces, input] of cases) {
    const { message } = answer(start(), ...callBlock(0, 'toolu_a', 'f', ...pieces), finish('max-tokens'))
    assert.deepEqual(message.content[0].input, input, pieces.join(''))
  }
})

test('until the message is out another backend may begin again', () => {
  const { builder, exchange } = answer(start(), ...textBlock(0, 'half an ans'))
  assert.equal(builder.started, false)
  for (const event of [start(), ...textBlock(0, 'whole'), finish('end-turn')]) builder.write(event)
  assert.deepEqual(JSON.parse(exchange.response?.body ?? '').content, [
    { type: 'text', text: 'whole', citations: null },
  ])
})

test('a failure is a JSON body with its own status', () => {
  const { builder, exchange } = answer(start(), ...textBlock(0, 'half'))
  builder.fail(new HeadendError('worker-lost', 'The worker was lost'))
  assert.equal(exchange.response?.status, 500)
  assert.deepEqual(JSON.parse(exchange.response?.body ?? ''), {
    type: 'error',
    error: { type: 'api_error', message: 'The worker was lost' },
    request_id: exchange.id,
  })
})

test('a client that has gone ends every wait', async () => {
  const { builder, exchange } = answer(start())
  await builder.drained()
  const gone = new HeadendError('client-gone', 'gone')
  exchange.leave(gone)
  await assert.rejects(builder.drained(), gone)
  builder.fail(gone)
  assert.equal(exchange.committed, false)
})

test('the body of an upstream instead of events', () => {
  const exchange = new RecordingExchange()
  const builder = new MessageBuilder(exchange, { model: 'tiny', showsThinking: true })
  if (builder.relay.kind !== 'whole') throw new Error('a builder answers whole')
  builder.relay.respond({ 'x-upstream': 'yes' }, Buffer.from('{"type":"message"}'))
  assert.equal(builder.started, true)
  assert.deepEqual(exchange.response, {
    status: 200,
    headers: { 'x-upstream': 'yes', 'content-type': 'application/json' },
    body: '{"type":"message"}',
  })
})
