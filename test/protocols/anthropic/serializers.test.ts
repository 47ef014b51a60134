import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as serializers from '../../../src/protocols/anthropic/serializers.ts'
import type { Message } from '../../../src/wire/anthropic-reply.ts'

const oddStrings = [
  '',
  'plain',
  'quotes " and \\ backslashes',
  'line\nbreak\r\ttab \u0000\u001f\u007f',
  'separators \u2028\u2029',
  'emoji 👩‍👩‍👧 and é',
  'lone \ud800 surrogates \udc00',
  '\ufeff',
  '</script>',
  `${'long '.repeat(2000)}"`,
]

function messageWith(value: string): Message {
  return {
    id: value,
    type: 'message',
    role: 'assistant',
    model: value,
    content: [
      { type: 'text', text: value, citations: null },
      { type: 'thinking', thinking: value, signature: value },
      { type: 'tool_use', id: value, name: value, input: { [value]: [value, 1.5, null] }, caller: { type: 'direct' } },
    ],
    stop_reason: 'refusal',
    stop_sequence: value,
    stop_details: { type: 'refusal', category: null, explanation: value },
    container: null,
    diagnostics: null,
    usage: {
      input_tokens: 1,
      cache_creation_input_tokens: 2,
      cache_read_input_tokens: 3,
      cache_creation: { ephemeral_5m_input_tokens: 4, ephemeral_1h_input_tokens: 5 },
      output_tokens: 6,
      output_tokens_details: { thinking_tokens: 7 },
      server_tool_use: null,
      service_tier: 'standard',
      inference_geo: null,
      speed: null,
    },
  }
}

/** The same value as JSON.stringify would write. */
function assertSame(json: string, value: unknown): void {
  assert.deepEqual(JSON.parse(json), JSON.parse(JSON.stringify(value)))
}

/** One event, one line of data, and the event's name equal to its type. */
function dataOf(frame: string): string {
  const [, name, data] = /^event: (\w+)\ndata: ([^\r\n]*)\n\n$/.exec(frame) ?? assert.fail(frame)
  assert.equal(JSON.parse(data ?? '').type, name)
  return data ?? ''
}

describe('what JSON.stringify would write', () => {
  for (const value of oddStrings) {
    test(JSON.stringify(value.slice(0, 40)), () => {
      const message = messageWith(value)
      assertSame(serializers.encodeMessage(message), message)
      const { input_tokens, output_tokens } = message.usage
      const event = { type: 'message_start', message } as const
      assertSame(dataOf(serializers.messageStartFrame(event)), event)
      for (const content_block of message.content) {
        const blockStart = { type: 'content_block_start', index: 3, content_block } as const
        assertSame(dataOf(serializers.blockStartFrame(blockStart)), blockStart)
      }
      const delta = {
        type: 'message_delta',
        delta: { stop_reason: 'refusal', stop_sequence: value, stop_details: message.stop_details, container: null },
        usage: {
          input_tokens,
          cache_creation_input_tokens: 0,
          cache_read_input_tokens: 0,
          output_tokens,
          output_tokens_details: null,
          server_tool_use: null,
        },
      } as const
      assertSame(dataOf(serializers.messageDeltaFrame(delta)), delta)
      const textDelta = dataOf(serializers.deltaFrame(serializers.deltaHead(12, 'text_delta'), value))
      assertSame(textDelta, { type: 'content_block_delta', index: 12, delta: { type: 'text_delta', text: value } })
      const error = { type: 'error', error: { type: 'api_error', message: value }, request_id: value } as const
      assertSame(dataOf(serializers.errorFrame(serializers.encodeErrorBody(error))), error)
    })
  }
})

test('null where a field may be null', () => {
  const message = { ...messageWith('x'), content: [], stop_reason: null, stop_sequence: null, stop_details: null }
  const nulls = { ...message, usage: { ...message.usage, output_tokens_details: null } }
  assert.equal(serializers.encodeMessage(nulls), JSON.stringify(nulls))
})

test('each kind of delta has its own field', () => {
  const fieldOf = (type: Parameters<typeof serializers.deltaHead>[1]): unknown =>
    JSON.parse(dataOf(serializers.deltaFrame(serializers.deltaHead(0, type), 'x'))).delta
  assert.deepEqual(fieldOf('thinking_delta'), { type: 'thinking_delta', thinking: 'x' })
  assert.deepEqual(fieldOf('signature_delta'), { type: 'signature_delta', signature: 'x' })
  assert.deepEqual(fieldOf('input_json_delta'), { type: 'input_json_delta', partial_json: 'x' })
})

test('events without content', () => {
  assert.equal(dataOf(serializers.pingFrame), '{"type":"ping"}')
  assert.equal(dataOf(serializers.messageStopFrame), '{"type":"message_stop"}')
  const stop = { type: 'content_block_stop', index: 4 } as const
  assert.equal(dataOf(serializers.blockStopFrame(stop)), JSON.stringify(stop))
})

test('the answer to a count', () => {
  const count = { input_tokens: 2095, context_management: null }
  assert.equal(serializers.encodeCount(count), JSON.stringify(count))
})
