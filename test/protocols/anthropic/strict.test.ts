import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { GenerateRequest } from '../../../src/contract/request.ts'
import {
  assistant,
  countStrictly,
  encode,
  parseCount,
  parseMessages,
  parseStrictly,
  requestWith,
  text,
  toolResult,
  toolUse,
  user,
} from './requests.ts'

type Fields = Readonly<Record<string, unknown>>
type Headers = Readonly<Record<string, string>>

const old = { 'anthropic-version': '2023-06-01' }
const newest = { 'anthropic-version': '2026-10-21' }
const mark = { cache_control: { type: 'ephemeral' } }
const marked = (count: number): unknown[] => Array.from({ length: count }, () => ({ ...text('x'), ...mark }))
const tool = { name: 'f', input_schema: { type: 'object' } }
const note = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' } }
const cited = { ...text('x'), citations: [{ type: 'char_location' }] }

/** What strict mode says; that lenient mode takes the same request is asserted with it. */
function refusal(fields: Fields, headers: Headers): string {
  parseMessages(requestWith(fields))
  return messageOf(() => parseStrictly(requestWith(fields), headers))
}

function messageOf(parse: () => GenerateRequest): string {
  try {
    parse()
  } catch (error) {
    assert(error instanceof HeadendError, String(error))
    assert.equal(error.kind, 'invalid-request')
    return error.message
  }
  throw new Error('the request was accepted')
}

describe('strict mode refuses the headers that the hosted API refuses', () => {
  const rows: readonly (readonly [Headers, string])[] = [
    [{}, 'anthropic-version: header is required'],
    [{ 'anthropic-version': '' }, 'anthropic-version: "" is not a valid version'],
    [{ 'anthropic-version': '2024-01-01' }, 'anthropic-version: "2024-01-01" is not a valid version'],
    [
      { 'anthropic-version': '2023-06-01, 2023-06-01' },
      'anthropic-version: "2023-06-01, 2023-06-01" is not a valid version',
    ],
    [
      { ...old, 'anthropic-beta': 'files-api-2025-04-14, mine-2026-01-01' },
      'anthropic-beta: "mine-2026-01-01" is not a known beta; leave it out',
    ],
  ]
  for (const [headers, message] of rows) {
    test(message, () => {
      assert.equal(refusal({}, headers), message)
      assert.equal(
        messageOf(() => countStrictly(requestWith({}), headers)),
        message,
      )
    })
  }

  test('before it looks at the body', () => {
    const message = messageOf(() => parseStrictly(Buffer.from('{'), {}))
    assert.equal(message, 'anthropic-version: header is required')
  })

  test('known ones pass', () => {
    const betas = 'claude-code-20250219,, interleaved-thinking-2025-05-14 ,context-1m-2025-08-07'
    for (const headers of [old, newest, { ...old, 'anthropic-beta': betas }]) {
      assert.equal(parseStrictly(requestWith({}), headers).model, 'm')
    }
  })
})

describe('strict mode refuses', () => {
  const rows: readonly (readonly [Fields, Headers, string])[] = [
    [{ some_future_field: 1 }, old, 'some_future_field: Extra inputs are not permitted'],
    [{ betas: ['x'] }, old, 'betas: Extra inputs are not permitted'],
    [{ inference_geo: 'us' }, old, 'inference_geo: Extra inputs are not permitted'],
    [{ container: null }, old, 'container: Extra inputs are not permitted'],
    [{ mcp_servers: [] }, old, 'mcp_servers: Extra inputs are not permitted'],
    [{ thread: null }, old, 'thread: Extra inputs are not permitted'],
    [{ context_management: {} }, old, 'context_management: Extra inputs are not permitted'],
    [{ ['k'.repeat(500)]: 1 }, old, `${'k'.repeat(100)}...: Extra inputs are not permitted`],
    [{ temperature: 1 }, newest, 'temperature: Extra inputs are not permitted'],
    [{ top_p: 0.5 }, newest, 'top_p: Extra inputs are not permitted'],
    [{ top_k: 0 }, newest, 'top_k: Extra inputs are not permitted'],
    [
      { messages: [assistant([note]), user('x')] },
      newest,
      'messages.0: `document` blocks can only be in `user` messages',
    ],
    [
      { messages: [user([text('a'), cited])] },
      newest,
      'messages.0.content.1.text.citations: Extra inputs are not permitted',
    ],
    [
      { messages: [user('x'), assistant('The answer is ')] },
      old,
      'messages: final assistant content cannot end with trailing whitespace',
    ],
    [
      { messages: [user('x'), assistant([text('a '), text('b\n')])] },
      old,
      'messages: final assistant content cannot end with trailing whitespace',
    ],
    [
      { messages: [assistant([toolUse('call:1')]), user([toolResult('call:1')])] },
      old,
      "messages.0.content.0.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'",
    ],
    [
      { messages: [user('x'), assistant([{ type: 'server_tool_use', id: 's', name: 'web_search', input: {} }])] },
      old,
      "messages.1.content.0: Input tag 'server_tool_use' found using 'type' does not match any of the expected tags: 'text', 'image', 'document', 'search_result', 'tool_use', 'tool_result', 'thinking', 'redacted_thinking'",
    ],
    [
      { tools: [tool], tool_choice: { type: 'any' }, thinking: { type: 'adaptive' } },
      old,
      'thinking: Thinking may not be enabled when tool_choice forces tool use.',
    ],
    [
      {
        max_tokens: 2000,
        tools: [tool],
        tool_choice: { type: 'tool', name: 'f' },
        thinking: { type: 'enabled', budget_tokens: 1024 },
      },
      old,
      'thinking: Thinking may not be enabled when tool_choice forces tool use.',
    ],
    [
      { messages: [user(marked(5))] },
      old,
      'cache_control: A maximum of 4 blocks with cache_control may be provided. Found 5.',
    ],
    [
      {
        ...mark,
        system: marked(1),
        tools: [{ ...tool, ...mark }],
        messages: [assistant([toolUse('a')]), user([{ ...toolResult('a', { content: marked(1) }), ...mark }])],
      },
      old,
      'cache_control: A maximum of 4 blocks with cache_control may be provided. Found 5.',
    ],
  ]
  for (const [fields, headers, message] of rows) {
    test(message.slice(0, 120), () => assert.equal(refusal(fields, headers), message))
  }
})

test('what no mode takes is refused by strict mode in the words of both', () => {
  for (const fields of [{ container: 'c' }, { mcp_servers: [{}] }, { thread: { type: 'create' } }]) {
    const [field] = Object.keys(fields)
    const message = `${field}: \`${field}\` is not supported by this server; leave it out`
    for (const parse of [parseStrictly, parseMessages])
      assert.throws(() => parse(requestWith(fields), old), { message })
  }
})

describe('strict mode takes', () => {
  const rows: readonly (readonly [string, Fields, Headers])[] = [
    ['sampling in the old version', { temperature: 1, top_p: 1, top_k: 1 }, old],
    ['a document of an assistant in the old version', { messages: [assistant([note]), user('x')] }, old],
    ['citations in the old version', { messages: [user([cited])] }, old],
    [
      'empty citations',
      {
        messages: [
          user([
            { ...text('x'), citations: null },
            { ...text('y'), citations: [] },
          ]),
        ],
      },
      newest,
    ],
    ['citations that the assistant made', { messages: [assistant([cited]), user('x')] }, newest],
    ['a document of the user', { messages: [user([note])] }, newest],
    ['an empty prefill', { messages: [user('x'), assistant('')] }, newest],
    ['white space at the end of another turn', { messages: [assistant('x '), user('y ')] }, newest],
    ['four marks', { messages: [user(marked(4))] }, newest],
    [
      'a call and its result',
      { messages: [assistant([toolUse('toolu_1-a')]), user([toolResult('toolu_1-a')])] },
      newest,
    ],
    [
      'the rest of the documented fields',
      {
        service_tier: 'auto',
        speed: null,
        compaction: {},
        metadata: { user_id: null },
        output_config: { effort: 'low' },
        tools: [tool],
        tool_choice: { type: 'any' },
        thinking: { type: 'disabled' },
      },
      newest,
    ],
  ]
  for (const [name, fields, headers] of rows) {
    test(name, () => {
      const request = parseStrictly(requestWith(fields), headers)
      assert.deepEqual(request, { ...parseMessages(requestWith(fields)), outputMustFit: true })
    })
  }

  test('fields of generation in a count', () => {
    const fields = { model: 'm', messages: [user('hi')], temperature: 7, stream: 'x', max_tokens: null }
    assert.deepEqual(countStrictly(encode(fields), newest), parseCount(encode(fields)))
  })
})
