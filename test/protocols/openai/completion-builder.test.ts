import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { CompletionBuilder } from '../../../src/protocols/openai/completion-builder.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { callBlock, finish, start, textBlock, thinkingBlock, usage } from '../anthropic/stream-events.ts'

function build(...events: readonly StreamEvent[]) {
  const exchange = new RecordingExchange()
  const builder = new CompletionBuilder(exchange, 'tiny')
  for (const event of events) assert.equal(builder.write(event), true)
  assert.equal(exchange.response?.status, 200)
  assert.deepEqual(exchange.response.headers, { 'content-type': 'application/json' })
  return JSON.parse(exchange.response.body)
}

test('every field of a completion', () => {
  const { id, created, ...rest } = build(start(), ...textBlock(0, 'Hel', 'lo'), finish('end-turn'))
  assert.match(id, /^chatcmpl-[0-9A-Za-z]{24}$/)
  assert.ok(Number.isInteger(created) && Math.abs(created - Date.now() / 1000) < 60)
  assert.deepEqual(rest, {
    object: 'chat.completion',
    model: 'tiny',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: {
      prompt_tokens: 352,
      completion_tokens: 57,
      total_tokens: 409,
      prompt_tokens_details: { cached_tokens: 340 },
    },
  })
})

describe('the message', () => {
  function messageOf(...events: readonly StreamEvent[]) {
    const { message } = build(start(), ...events).choices[0]
    const { role, ...rest } = message
    assert.equal(role, 'assistant')
    return rest
  }
  const called = (id: string, name: string, args: string) => ({
    id,
    type: 'function',
    function: { name, arguments: args },
  })

  test('thoughts, texts and calls', () => {
    const blocks = [...thinkingBlock(0, 'hm'), ...textBlock(1, 'a'), ...textBlock(2, 'b')]
    const calls = [...callBlock(3, 'c1', 'f', '{"a":', ' 1}'), ...callBlock(4, 'c2', 'g')]
    assert.deepEqual(messageOf(...blocks, ...calls, finish('tool-call')), {
      content: 'ab',
      refusal: null,
      reasoning_content: 'hm',
      tool_calls: [called('c1', 'f', '{"a":1}'), called('c2', 'g', '{}')],
    })
  })

  test('has null for a text only where calls stand instead', () => {
    const calls = [...textBlock(0, ''), ...callBlock(1, 'c1', 'f', '{"a":"cut')]
    assert.deepEqual(messageOf(...calls, finish('max-tokens')), {
      content: null,
      refusal: null,
      tool_calls: [called('c1', 'f', '{"a":"cut"}')],
    })
    assert.deepEqual(messageOf(finish('end-turn')), { content: '', refusal: null })
  })

  test('says why there is none', () => {
    const explanation = 'not this'
    assert.deepEqual(messageOf(finish('refusal', { explanation })), { content: '', refusal: explanation })
    assert.equal(messageOf(...textBlock(0, 'No.'), finish('refusal', { explanation: 'No.' })).refusal, null)
  })

  test('of a second attempt holds nothing of the first', () => {
    const first = [...thinkingBlock(0, 'x'), ...textBlock(1, 'y'), ...callBlock(2, 'c1', 'f')]
    assert.deepEqual(messageOf(...first, start(), ...textBlock(0, 'z'), finish('end-turn')), {
      content: 'z',
      refusal: null,
    })
  })
})

test('a stop sequence is named, as vLLM does', () => {
  const [choice] = build(start(), finish('stop-sequence', { stopSequence: 'END' })).choices
  assert.deepEqual([choice.finish_reason, choice.stop_reason], ['stop', 'END'])
})

test('usage: prompt tokens are all of them', () => {
  const counts = { ...usage, cacheWriteTokens: { short: 5, long: 2 }, thinkingTokens: 0 }
  assert.deepEqual(build(start(null), finish('end-turn', { usage: counts })).usage, {
    prompt_tokens: 359,
    completion_tokens: 57,
    total_tokens: 416,
    prompt_tokens_details: { cached_tokens: 340 },
    completion_tokens_details: { reasoning_tokens: 0 },
  })
  assert.equal(build(start(null), finish('end-turn', { usage: null })).usage.total_tokens, 0)
})

test('a failure has its own status, and none comes behind an answer', () => {
  const exchange = new RecordingExchange()
  const builder = new CompletionBuilder(exchange, 'tiny')
  builder.write(start())
  builder.fail(new HeadendError('upstream-timeout', 'too slow'))
  assert.equal(exchange.response?.status, 504)
  assert.equal(JSON.parse(exchange.response.body).error.message, 'too slow')

  const answered = new RecordingExchange()
  const done = new CompletionBuilder(answered, 'tiny')
  done.write(finish('end-turn'))
  assert.equal(done.started, true)
  done.fail(new HeadendError('internal', 'late'))
  assert.equal(answered.response?.status, 200)
})

test('the body of an upstream takes the place of events', () => {
  const exchange = new RecordingExchange()
  const { relay } = new CompletionBuilder(exchange, 'tiny')
  assert.ok(relay.kind === 'whole')
  relay.respond({ 'x-upstream': 'yes' }, Buffer.from('{}'))
  assert.deepEqual(exchange.response, {
    status: 200,
    headers: { 'x-upstream': 'yes', 'content-type': 'application/json' },
    body: '{}',
  })
})
