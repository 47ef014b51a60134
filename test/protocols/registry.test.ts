import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import { createProtocols } from '../../src/protocols/registry.ts'
import { RecordingExchange } from '../support/recording-exchange.ts'
import { encode, requestWith } from './anthropic/requests.ts'
import { finish, start, textBlock } from './anthropic/stream-events.ts'

const { anthropic, openai } = createProtocols({ commitAfterMs: 10_000, streamBufferBytes: 262_144, strict: false })

for (const stream of [true, false]) {
  test(`a request with stream: ${stream} from its bytes to the last byte of its answer`, () => {
    const exchange = new RecordingExchange()
    const draft = anthropic.parse(requestWith({ stream, model: 'alias' }), exchange)
    const reply = anthropic.openReply(exchange, draft)
    for (const event of [start(), ...textBlock(0, 'hello'), finish('end-turn')]) reply.write(event)
    const sent = stream ? exchange.writer.text : exchange.response?.body
    assert.match(sent ?? '', /"model":"alias"/)
    assert.match(sent ?? '', /"text":"hello"/)
    assert.equal(exchange.stream !== null, stream)
  })
}

for (const stream of [true, false]) {
  test(`a chat request with stream: ${stream} from its bytes to the last byte of its answer`, () => {
    const exchange = new RecordingExchange()
    const body = encode({ model: 'alias', stream, messages: [{ role: 'user', content: 'hi' }] })
    const reply = openai.openReply(exchange, openai.parse(body, exchange))
    for (const event of [start(), ...textBlock(0, 'hello'), finish('end-turn')]) reply.write(event)
    const sent = stream ? exchange.writer.text : exchange.response?.body
    assert.match(sent ?? '', /"model":"alias"/)
    assert.match(sent ?? '', /"content":"hello"/)
    assert.equal(exchange.stream !== null, stream)
    assert.equal(exchange.addedHeaders['x-request-id'], exchange.id)
  })
}

test('the name of the model is known before the meaning is looked at', () => {
  const draft = anthropic.parse(requestWith({ messages: [{ role: 'user', content: '' }] }), new RecordingExchange())
  assert.equal(draft.model, 'm')
  assert.throws(() => draft.complete(), { message: 'messages.0: user messages must have non-empty content' })
})

test('the answer to a count', () => {
  const exchange = new RecordingExchange()
  const draft = anthropic.parseCount(encode({ model: 'm', messages: [{ role: 'user', content: 'x' }] }), exchange)
  assert.equal(draft.complete().maxTokens, null)
  anthropic.replyCount(exchange, 2095)
  assert.equal(exchange.response?.status, 200)
  assert.equal(exchange.response?.body, '{"input_tokens":2095,"context_management":null}')
})

test('an error, with an exchange and without', () => {
  const exchange = new RecordingExchange()
  const error = new HeadendError('not-found', 'model: x')
  anthropic.refuse(exchange, error)
  assert.equal(exchange.response?.status, 404)
  assert.equal(exchange.response?.body, anthropic.errorBody(error, exchange.id))

  const chat = new RecordingExchange()
  openai.refuse(chat, error)
  assert.equal(chat.response?.body, openai.errorBody(error, chat.id))
  assert.equal(chat.addedHeaders['x-request-id'], chat.id)
})
