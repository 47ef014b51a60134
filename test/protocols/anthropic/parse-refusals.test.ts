import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import {
  assistant,
  encode,
  parseCount,
  parseMessages,
  requestWith,
  text,
  toolResult,
  toolUse,
  user,
} from './requests.ts'

function refusal(body: Uint8Array, parse = parseMessages): HeadendError {
  try {
    parse(body)
  } catch (error) {
    assert(error instanceof HeadendError, String(error))
    assert.equal(error.kind, 'invalid-request')
    return error
  }
  throw new Error('the request was accepted')
}

type Row = readonly [fields: Readonly<Record<string, unknown>>, message: string]

function table(title: string, rows: readonly Row[]): void {
  describe(title, () => {
    for (const [fields, message] of rows) {
      test(message, () => {
        const error = refusal(requestWith(fields))
        assert.ok(error.message.startsWith(message), error.message)
      })
    }
  })
}

function message(...messages: readonly unknown[]): { readonly messages: readonly unknown[] } {
  return { messages }
}

const tool = { name: 'f', input_schema: { type: 'object' } }
const nested = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`)

describe('bytes that are no request', () => {
  const rows: readonly (readonly [string, Uint8Array, string])[] = [
    ['empty', Buffer.from(''), 'The request body is not valid JSON: Unexpected end'],
    ['cut off', Buffer.from('{"model": "m"'), 'The request body is not valid JSON: '],
    ['single quotes', Buffer.from("{'model': 1}"), 'The request body is not valid JSON: '],
    ['latin-1', Buffer.from([0x7b, 0x22, 0xe9, 0x22, 0x7d]), 'The request body is not valid UTF-8: '],
    ['half a surrogate', Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]), 'The request body is not valid UTF-8: '],
    ['an array', encode([]), 'The request body is not a JSON object'],
    ['null', encode(null), 'The request body is not a JSON object'],
    ['a string', encode('x'), 'The request body is not a JSON object'],
  ]
  for (const [name, body, expected] of rows) {
    test(name, () => {
      const error = refusal(body)
      assert.ok(error.message.startsWith(expected), error.message)
    })
  }
})

table('top-level fields', [
  [{ model: undefined }, 'model: Field required'],
  [{ model: 5 }, 'model: Input should be a valid string'],
  [{ model: '' }, 'model: String should have at least 1 character'],
  [{ max_tokens: undefined }, 'max_tokens: Field required'],
  [{ max_tokens: 1.5 }, 'max_tokens: Input should be a valid integer'],
  [{ max_tokens: '16' }, 'max_tokens: Input should be a valid integer'],
  [{ max_tokens: null }, 'max_tokens: Input should be a valid integer'],
  [{ max_tokens: -1 }, 'max_tokens: Input should be greater than or equal to 0'],
  [{ messages: undefined }, 'messages: Field required'],
  [{ messages: 'hi' }, 'messages: Input should be a valid list'],
  [{ messages: [] }, 'messages: at least one message is required'],
  [{ messages: Array(100_001).fill(user('x')) }, 'messages: List should have at most 100000 items'],
  [{ system: 5 }, 'system: Input should be a valid string or list'],
  [{ system: [5] }, 'system.0: Input should be a valid dictionary'],
  [{ system: [{ type: 'text' }] }, 'system.0.text: Field required'],
  [{ system: [{ text: 'x' }] }, 'system.0.type: Field required'],
  [{ system: [text('a'), { type: 'image' }] }, "system.1: Input tag 'image' found"],
  [{ system: [text('')] }, 'system: text content blocks must be non-empty'],
  [
    { system: [{ ...text('x'), cache_control: { type: 'ephemeral', ttl: '2h' } }] },
    "system.0.cache_control.ttl: Input should be '5m' or '1h'",
  ],
  [{ stream: 'true' }, 'stream: Input should be a valid boolean'],
  [{ stream: null }, 'stream: Input should be a valid boolean'],
  [{ stop_sequences: 'x' }, 'stop_sequences: Input should be a valid list'],
  [{ stop_sequences: [1] }, 'stop_sequences.0: Input should be a valid string'],
  [{ stop_sequences: ['ok', ' \n'] }, 'stop_sequences.1: each stop sequence must contain non-whitespace'],
  [{ stop_sequences: [''] }, 'stop_sequences.0: each stop sequence must contain non-whitespace'],
  [{ temperature: 1.1 }, 'temperature: Input should be less than or equal to 1'],
  [{ temperature: -0.1 }, 'temperature: Input should be greater than or equal to 0'],
  [{ temperature: '1' }, 'temperature: Input should be a valid number'],
  [{ top_p: 2 }, 'top_p: Input should be less than or equal to 1'],
  [{ top_k: -1 }, 'top_k: Input should be greater than or equal to 0'],
  [{ top_k: 0.5 }, 'top_k: Input should be a valid integer'],
  [{ metadata: 'x' }, 'metadata: Input should be a valid dictionary'],
  [{ metadata: { user_id: 5 } }, 'metadata.user_id: Input should be a valid string'],
  [{ cache_control: { type: 'x' } }, "cache_control.type: Input should be 'ephemeral'"],
  [{ cache_control: {} }, 'cache_control.type: Field required'],
  [{ cache_control: 5 }, 'cache_control: Input should be a valid dictionary'],
  [{ container: 'c' }, 'container: `container` is not supported by this server'],
  [{ mcp_servers: [{}] }, 'mcp_servers: `mcp_servers` is not supported by this server'],
  [{ thread: {} }, 'thread: `thread` is not supported by this server'],
  [{ service_tier: 'gold' }, "service_tier: Input should be 'auto' or 'standard_only'"],
  [{ speed: 'warp' }, "speed: Input should be 'standard' or 'fast'"],
])

table('messages', [
  [message(5), 'messages.0: Input should be a valid dictionary'],
  [message({ content: 'x' }), 'messages.0.role: Field required'],
  [message({ role: 'user' }), 'messages.0.content: Field required'],
  [message({ role: 'tool', content: 'x' }), "messages.0.role: Input should be 'user', 'assistant' or 'system'"],
  [message(user('x'), { role: 'developer', content: 'x' }), 'messages.1.role: Input should be'],
  [message(user(5)), 'messages.0.content: Input should be a valid string or list'],
  [message(user('')), 'messages.0: user messages must have non-empty content'],
  [message(user('x'), user([])), 'messages.1: user messages must have non-empty content'],
  [message({ role: 'system', content: '' }), 'messages.0: system messages must have non-empty content'],
  [message(user('x'), assistant(''), user('y')), 'messages.1: all messages must have non-empty content except'],
  [message({ role: 'system', content: 'x' }), 'messages: at least one message is required'],
  [message(assistant('')), 'messages: at least one message is required'],
])

table('content blocks', [
  [message(user([5])), 'messages.0.content.0: Input should be a valid dictionary'],
  [message(user([{}])), 'messages.0.content.0.type: Field required'],
  [message(user([{ type: 5 }])), 'messages.0.content.0.type: Input should be a valid string'],
  [message(user([{ type: { toString: 1 } }])), 'messages.0.content.0.type: Input should be a valid string'],
  [
    message(user([text('a'), { type: 'x' }])),
    "messages.0.content.1: Input tag 'x' found using 'type' does not match any of the expected tags: 'text', 'image'",
  ],
  [message(user([{ type: 'constructor' }])), "messages.0.content.0: Input tag 'constructor' found"],
  [message(user([text('a'), { type: 'text' }])), 'messages.0.content.1.text.text: Field required'],
  [message(user([{ type: 'text', text: 5 }])), 'messages.0.content.0.text.text: Input should be a valid string'],
  [message(user([text('')])), 'messages: text content blocks must be non-empty'],
  [
    message(user([{ ...text('x'), cache_control: 'on' }])),
    'messages.0.content.0.text.cache_control: Input should be a valid dictionary',
  ],
  [message(user([{ type: 'image' }])), 'messages.0.content.0.image.source: Field required'],
  [
    message(user([{ type: 'image', source: { type: 'base64', media_type: 'image/bmp', data: 'x' } }])),
    "messages.0.content.0.image.source.base64.media_type: Input should be 'image/jpeg', 'image/png', 'image/gif' or",
  ],
  [
    message(user([{ type: 'image', source: { type: 'file', file_id: 'f' } }])),
    'messages.0.content.0: this model does not accept images by file_id; send the image itself',
  ],
  [
    message(user([{ type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'x' } }])),
    "messages.0.content.0.document.source: 'base64' documents are not supported by this server; extract the text",
  ],
  [
    message(user([{ type: 'document', source: { type: 'content', content: [{ type: 'document' }] } }])),
    "messages.0.content.0.document.source.content.content.0: Input tag 'document' found",
  ],
  [
    message(user([{ type: 'search_result', source: 's', title: 't', content: [{ type: 'text' }] }])),
    'messages.0.content.0.search_result.content.0.text.text: Field required',
  ],
  [
    message(assistant([{ type: 'image', source: { type: 'url', url: 'u' } }]), user('x')),
    'messages.0: `image` blocks can only be in `user` messages',
  ],
  [message(user([toolUse('a')])), 'messages.0: `tool_use` blocks can only be in `assistant` messages'],
  [message(assistant([toolResult('a')])), 'messages.0: `tool_result` blocks can only be in `user` messages'],
  [message(user([{ type: 'thinking', thinking: 't', signature: '' }])), 'messages.0: `thinking` blocks can only'],
  [
    message(assistant([{ type: 'thinking', thinking: 't' }])),
    'messages.0.content.0.thinking.signature: Field required',
  ],
  [
    message(user([{ type: 'tool_reference', tool_name: 'f' }])),
    "messages.0.content.0: Input tag 'tool_reference' found",
  ],
])

table('tool calls and results', [
  [message(assistant([toolUse('a', '{}')])), 'messages.0.content.0.tool_use.input: Input should be a valid dictionary'],
  [message(assistant([toolUse('a', [])])), 'messages.0.content.0.tool_use.input: Input should be a valid dictionary'],
  [message(assistant([toolUse('')])), 'messages.0.content.0.tool_use.id: String should have at least 1 character'],
  [message(assistant([toolUse('a', nested(201))])), 'messages.0.content.0.tool_use.input: Input should be nested'],
  [
    message(assistant([toolUse('toolu_1'), toolUse('toolu_2')]), user([toolResult('toolu_1')])),
    'messages.0: `tool_use` ids were found without `tool_result` blocks immediately after: toolu_2. Each `tool_use`',
  ],
  [
    message(user('x'), assistant([toolUse('a')]), user('y'), assistant('z'), user([toolResult('a')])),
    'messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: a.',
  ],
  [message(user('x'), assistant([toolUse('a')])), 'messages.1: `tool_use` ids were found without'],
  [
    message(user([text('x'), toolResult('b')])),
    'messages.0.content.1: unexpected `tool_use_id` found in `tool_result` blocks: b. Each `tool_result`',
  ],
  [
    message(assistant([toolUse('a')]), user([toolResult('a')]), assistant('x'), user([toolResult('a')])),
    'messages.3.content.0: unexpected `tool_use_id` found in `tool_result` blocks: a.',
  ],
  [
    message(assistant([toolUse('a')]), user([toolResult('a'), toolResult('a')])),
    'messages.1.content.1: each `tool_use` must have a single result.',
  ],
  [message(assistant([toolUse('a'), toolUse('a')])), 'messages.0.content.1: `tool_use` ids must be unique'],
  [
    message(assistant([toolUse('a')]), user([toolResult('a', { content: 5 })])),
    'messages.1.content.0.tool_result.content: Input should be a valid string or list',
  ],
  [
    message(assistant([toolUse('a')]), user([toolResult('a', { content: [{ type: 'text' }] })])),
    'messages.1.content.0.tool_result.content.0.text.text: Field required',
  ],
  [
    message(assistant([toolUse('a')]), user([toolResult('a', { content: [toolUse('b')] })])),
    "messages.1.content.0.tool_result.content.0: Input tag 'tool_use' found",
  ],
  [
    message(assistant([toolUse('a')]), user([toolResult('a', { is_error: 'no' })])),
    'messages.1.content.0.tool_result.is_error: Input should be a valid boolean',
  ],
])

table('tools', [
  [{ tools: {} }, 'tools: Input should be a valid list'],
  [{ tools: [5] }, 'tools.0: Input should be a valid dictionary'],
  [{ tools: [{ ...tool, name: undefined }] }, 'tools.0.custom.name: Field required'],
  [{ tools: [{ ...tool, name: 'a b' }] }, 'tools.0.custom.name: String should match pattern'],
  [{ tools: [{ ...tool, name: 'a'.repeat(129) }] }, 'tools.0.custom.name: String should match pattern'],
  [{ tools: [{ name: 'f' }] }, 'tools.0.custom.input_schema: Field required'],
  [{ tools: [{ name: 'f', input_schema: {} }] }, 'tools.0.custom.input_schema.type: Field required'],
  [
    { tools: [{ name: 'f', input_schema: { type: 'string' } }] },
    "tools.0.custom.input_schema.type: Input should be 'object'",
  ],
  [
    { tools: [{ name: 'f', input_schema: { type: 'object', properties: nested(200) } }] },
    'tools.0.custom.input_schema: Input should be nested at most 200 levels deep',
  ],
  [{ tools: [tool, tool] }, 'tools: Tool names must be unique.'],
  [
    { tools: [tool, { type: 'web_search_20250305', name: 'web_search' }] },
    'tools.1: server tool web_search_20250305 is',
  ],
  [
    { tools: [{ type: 'computer_toolset_20260801' }] },
    'tools.0: server tool computer_toolset_20260801 is not available',
  ],
  [{ tools: [{ type: 'bash_20250124', name: 'bash' }] }, 'tools.0: tool type bash_20250124 is not supported'],
  [{ tools: [{ type: 'x' }] }, "tools.0: Input tag 'x' found using 'type' does not match"],
  [{ tools: [{ type: 5 }] }, 'tools.0.type: Input should be a valid string'],
  [{ tool_choice: { type: 'auto' } }, 'tool_choice may only be specified while providing tools.'],
  [{ tools: [], tool_choice: { type: 'none' } }, 'tool_choice may only be specified while providing tools.'],
  [{ tools: [tool], tool_choice: 'auto' }, 'tool_choice: Input should be a valid dictionary'],
  [{ tools: [tool], tool_choice: { type: 'required' } }, "tool_choice: Input tag 'required' found"],
  [{ tools: [tool], tool_choice: { type: 'tool' } }, 'tool_choice.tool.name: Field required'],
  [{ tools: [tool], tool_choice: { type: 'tool', name: 'x' } }, "Tool 'x' not found in provided tools"],
  [
    { tools: [tool], tool_choice: { type: 'any', disable_parallel_tool_use: 1 } },
    'tool_choice.any.disable_parallel_tool_use: Input should be a valid boolean',
  ],
])

table('thinking and output', [
  [{ thinking: 'on' }, 'thinking: Input should be a valid dictionary'],
  [{ thinking: { type: 'x' } }, "thinking: Input tag 'x' found"],
  [{ thinking: { type: 'enabled' } }, 'thinking.enabled.budget_tokens: Field required'],
  [
    { thinking: { type: 'enabled', budget_tokens: 1023 } },
    'thinking.enabled.budget_tokens: Input should be greater than or equal to 1024',
  ],
  [
    { max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 2000 } },
    'max_tokens: `max_tokens` must be greater than `thinking.budget_tokens`; raise it above 2000',
  ],
  [
    { thinking: { type: 'adaptive', display: 'all' } },
    "thinking.adaptive.display: Input should be 'summarized' or 'omitted'",
  ],
  [{ output_config: [] }, 'output_config: Input should be a valid dictionary'],
  [{ output_config: { effort: 'huge' } }, "output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or"],
  [{ output_config: { format: { type: 'xml' } } }, 'output_config.format.schema: Field required'],
  [
    { output_config: { format: { type: 'xml', schema: {} } } },
    "output_config.format.type: Input should be 'json_schema'",
  ],
  [
    { output_config: { format: { type: 'json_schema', schema: 'x' } } },
    'output_config.format.schema: Input should be a valid dictionary',
  ],
  [{ output_format: { type: 'json_schema' } }, 'output_format.schema: Field required'],
  [
    {
      messages: [
        { role: 'user', content: 'x' },
        { role: 'assistant', content: '{' },
      ],
      output_config: { format: { type: 'json_schema', schema: {} } },
    },
    'messages: a prefilled answer cannot be held to output_config.format',
  ],
  [
    { output_format: { type: 'json_schema', schema: nested(201) } },
    'output_format.schema: Input should be nested at most 200 levels deep',
  ],
])

test('the field is reported apart from the message', () => {
  assert.equal(refusal(requestWith({ max_tokens: undefined })).field, 'max_tokens')
  assert.equal(refusal(requestWith(message(user([{ type: 'text' }])))).field, 'messages.0.content.0.text.text')
  const unknownTool = { tools: [tool], tool_choice: { type: 'tool', name: 'x' } }
  assert.equal(refusal(requestWith(unknownTool)).field, 'tool_choice.name')
})

test("the client's own words are cut in messages", () => {
  const error = refusal(requestWith(message(user([{ type: 'x'.repeat(1_000_000) }]))))
  assert.ok(error.message.length < 500)
})

test('counting refuses what is wrong with the prompt, too', () => {
  const count = (fields: object): string => refusal(encode(fields), parseCount).message
  assert.equal(count({ model: 'm' }), 'messages: Field required')
  assert.equal(count({ model: 'm', messages: [user('')] }), 'messages.0: user messages must have non-empty content')
})
