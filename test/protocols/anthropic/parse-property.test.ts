import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeadendError } from '../../../src/contract/errors.ts'
import { assertOursOrNone, placesOf, replacement, withReplaced } from '../replacements.ts'
import { assistant, encode, parseCount, parseMessages, text, toolResult, toolUse, user } from './requests.ts'

/** A request in which every kind of field occurs. */
const rich: unknown = {
  model: 'm',
  max_tokens: 4096,
  system: [{ ...text('be brief'), cache_control: { type: 'ephemeral', ttl: '1h' } }],
  messages: [
    { role: 'system', content: 'early' },
    user([
      text('look'),
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AAAA' } },
      { type: 'document', source: { type: 'content', content: [text('x')] }, title: 't' },
      { type: 'search_result', source: 's', title: 't', content: [text('x')] },
    ]),
    assistant([
      { type: 'thinking', thinking: 't', signature: 's' },
      { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
      { type: 'web_search_tool_result', tool_use_id: 's', content: [{ title: 'T', url: 'u' }] },
      toolUse('a', { b: [1] }),
      toolUse('b'),
    ]),
    user([toolResult('a', { content: [text('one')] }), toolResult('b', { content: 'two', is_error: true })]),
  ],
  tools: [{ name: 'f', description: 'd', input_schema: { type: 'object', properties: { a: {} } } }],
  tool_choice: { type: 'tool', name: 'f', disable_parallel_tool_use: true },
  thinking: { type: 'enabled', budget_tokens: 2048, display: 'omitted' },
  output_config: { effort: 'low', format: { type: 'json_schema', schema: { type: 'object' } } },
  metadata: { user_id: 'user_a_account__session_b' },
  stop_sequences: ['END'],
  temperature: 0.5,
  stream: true,
  cache_control: { type: 'ephemeral' },
}

test('the rich request is valid as it is', () => {
  assert.equal(parseMessages(encode(rich)).turns.length, 3)
  assert.equal(parseCount(encode(rich)).turns.length, 3)
})

test('one wrong value anywhere is accepted or refused by name, never a bug of ours', () => {
  fc.assert(
    fc.property(fc.constantFrom(...placesOf(rich).slice(1)), replacement, (place, value) => {
      const body = encode(withReplaced(rich, place, value))
      assertOursOrNone(() => parseMessages(body))
      assertOursOrNone(() => parseCount(body))
    }),
    { numRuns: 3000 },
  )
})

test('bytes of any kind are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      assert.throws(() => parseMessages(bytes), HeadendError)
    }),
  )
})

test('nesting that would overflow the stack is refused', () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`
  for (const [place, marker] of [
    [['messages', '2', 'content', '3', 'input', 'b'], 'tool_use.input'],
    [['messages', '2', 'content', '1', 'input'], 'messages.2.content.1'],
    [['tools', '0', 'input_schema', 'properties'], 'input_schema'],
    [['output_config', 'format', 'schema', 'properties'], 'output_config.format.schema'],
  ] as const) {
    const body = JSON.stringify(withReplaced(rich, place, 'DEEP')).replace('"DEEP"', deep)
    assert.throws(() => parseMessages(Buffer.from(body)), new RegExp(`${marker}.*nested at most 200`))
  }
})
