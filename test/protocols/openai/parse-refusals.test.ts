import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import { parse } from '../../../src/protocols/openai/parse.ts'
import { assistant, call, draftOf, result, system, tool, user } from './requests.ts'

type Case = readonly [fields: Readonly<Record<string, unknown>>, field: string, message: RegExp]

function assertRefused(act: () => unknown, field: string, message: RegExp): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof HeadendError, String(error))
    assert.equal(error.kind, 'invalid-request')
    assert.match(error.message, message)
    assert.equal(error.field, field)
    assert.ok(error.message.startsWith(field), error.message)
    return true
  })
}

const dictionary = /should be a valid dictionary$/
const nested = JSON.parse(`${'{"a":'.repeat(250)}1${'}'.repeat(250)}`)

/** Told before the model is looked for. */
const shapes: readonly Case[] = [
  [{ model: undefined }, 'model', /required/],
  [{ model: '' }, 'model', /at least 1 character/],
  [{ messages: undefined }, 'messages', /required/],
  [{ messages: 'hi' }, 'messages', /valid list/],
  [{ messages: ['hi'] }, 'messages.0', dictionary],
  [{ messages: [{ content: 'hi' }] }, 'messages.0.role', /required/],
  [{ messages: [{ role: 7, content: 'hi' }] }, 'messages.0.role', /valid string/],
  [{ messages: [{ role: 'human', content: 'x' }] }, 'messages.0.role', /'system', 'developer', .* or 'function'$/],
  [{ messages: [user(3)] }, 'messages.0.content', /valid string or list/],
  [{ messages: [user(null)] }, 'messages.0.content', /valid string or list/],
  [{ messages: [user(['hi'])] }, 'messages.0.content.0', dictionary],
  [{ messages: [user([{ text: 'hi' }])] }, 'messages.0.content.0.type', /required/],
  [{ messages: [user([{ type: 'text' }])] }, 'messages.0.content.0.text', /required/],
  [{ messages: [user([{ type: 'image_url', image_url: 'x' }])] }, 'messages.0.content.0.image_url', dictionary],
  [{ messages: [assistant('x', { tool_calls: {} })] }, 'messages.0.tool_calls', /valid list/],
  [{ messages: [assistant('x', { tool_calls: [{ id: 'a' }] })] }, 'messages.0.tool_calls.0.function', /required/],
  [{ messages: [assistant('x', { function_call: 'f' })] }, 'messages.0.function_call', dictionary],
  [{ messages: [{ role: 'tool', content: 'x' }] }, 'messages.0.tool_call_id', /required/],
  [{ temperature: 2.1 }, 'temperature', /less than or equal to 2/],
  [{ temperature: '1' }, 'temperature', /valid number/],
  [{ top_p: -0.1 }, 'top_p', /greater than or equal to 0/],
  [{ frequency_penalty: 3 }, 'frequency_penalty', /less than or equal to 2/],
  [{ repeat_penalty: 0 }, 'repeat_penalty', /greater than or equal to 0.01/],
  [{ logit_bias: { '1': 101 } }, 'logit_bias.1', /less than or equal to 100/],
  [{ max_tokens: 1.5 }, 'max_tokens', /valid integer/],
  [{ max_completion_tokens: -2 }, 'max_completion_tokens', /greater than or equal to -1/],
  [{ stop: 3 }, 'stop', /valid string or list/],
  [{ stop: ['a', 3] }, 'stop.1', /valid string/],
  [{ stream: 'yes' }, 'stream', /valid boolean/],
  [{ stream_options: { include_usage: 1 } }, 'stream_options.include_usage', /valid boolean/],
  [{ tools: ['f'] }, 'tools.0', dictionary],
  [{ tools: [{ type: 'function' }] }, 'tools.0.function', /required/],
  [{ tools: [tool('a b')] }, 'tools.0.function.name', /match pattern/],
  [{ tools: [tool('f', { parameters: { type: 'array' } })] }, 'tools.0.function.parameters.type', /'object'/],
  [{ functions: [{}] }, 'functions.0.name', /required/],
  [{ tool_choice: 'any' }, 'tool_choice', /should be 'auto', 'none' or 'required'$/],
  [{ tool_choice: { type: 'function' } }, 'tool_choice.function', /required/],
  [{ function_call: 7 }, 'function_call', /should be 'auto' or 'none'$/],
  [{ function_call: {} }, 'function_call.name', /required/],
  [{ response_format: 'json' }, 'response_format', dictionary],
  [{ response_format: { type: 'xml' } }, 'response_format.type', /'text', 'json_object' or 'json_schema'$/],
  [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema', /required/],
  [{ reasoning_effort: 'lots' }, 'reasoning_effort', /'none', 'minimal', .* or 'max'$/],
  [{ n: 0 }, 'n', /greater than or equal to 1/],
]

/** Told when the model is known. */
const meanings: readonly Case[] = [
  [{ n: 2 }, 'n', /one choice/],
  [{ logprobs: true }, 'logprobs', /leave it out/],
  [{ top_logprobs: 3 }, 'top_logprobs', /leave it out/],
  [{ modalities: ['text', 'audio'] }, 'modalities', /'audio' is not supported/],
  [{ audio: { voice: 'x' } }, 'audio', /leave it out/],
  [{ messages: [] }, 'messages', /at least one message/],
  [{ messages: [system('x')] }, 'messages', /at least one message of a user/],
  [{ messages: [user([{ type: 'input_audio', input_audio: {} }])] }, 'messages.0.content.0', /'input_audio' are not/],
  [{ messages: [user([{ type: 'file', file: {} }])] }, 'messages.0.content.0', /'file' are not/],
  [
    { messages: [system([{ type: 'image_url', image_url: { url: 'http://x' } }])] },
    'messages.0.content.0',
    /cannot stand/,
  ],
  [{ messages: [user([{ type: 'refusal', refusal: 'x' }])] }, 'messages.0.content.0', /cannot stand/],
  ...['ftp://x', 'data:image/png;base64,', 'data:text/plain;base64,AA', 'data:image/png,AA', 'x'].map(
    (url): Case => [
      { messages: [user([{ type: 'image_url', image_url: { url } }])] },
      'messages.0.content.0.image_url.url',
      /http\(s\) URL/,
    ],
  ),
  [{ messages: [user('x'), result('a')] }, 'messages.1', /no open call with the id a$/],
  [{ messages: [user('x'), { role: 'function', name: 'f', content: 'x' }] }, 'messages.1', /no open call of f$/],
  [
    { messages: [user('x'), assistant(null, { tool_calls: [call('a'), call('b')] }), result('b')] },
    'messages.1.tool_calls.0',
    /did not have response messages: a$/,
  ],
  [
    { messages: [assistant(null, { tool_calls: [call('a')] }), user('x'), result('a')] },
    'messages.0.tool_calls.0',
    /must be followed by tool messages/,
  ],
  [{ messages: [assistant(null, { tool_calls: [call('a'), call('a')] })] }, 'messages.0.tool_calls.1', /unique/],
  [
    { messages: [assistant(null, { tool_calls: [call('a')] }), result('a'), result('a')] },
    'messages.2',
    /no open call with the id a$/,
  ],
  ...['{', '[1]', '"x"', 'null'].map(
    (json): Case => [
      { messages: [assistant(null, { tool_calls: [call('a', json)] }), result('a')] },
      'messages.0.tool_calls.0.function.arguments',
      /JSON/,
    ],
  ),
  [{ tools: [{ type: 'custom', custom: {} }] }, 'tools.0', /'custom' are not supported/],
  [{ tools: [tool('f'), tool('f')] }, 'tools', /unique/],
  [{ functions: [{ name: 'f' }, { name: 'f' }] }, 'functions', /unique/],
  [{ tool_choice: 'required' }, 'tool_choice', /only allowed when 'tools'/],
  [{ tools: [tool('f')], tool_choice: { type: 'function', function: { name: 'g' } } }, 'tool_choice', /'g' not found/],
  [{ functions: [{ name: 'f' }], function_call: { name: 'g' } }, 'function_call', /'g' not found/],
  [{ logit_bias: { x: 1 } }, 'logit_bias.x', /number of a token/],
  [{ logit_bias: { '-1': 1 } }, 'logit_bias.-1', /number of a token/],
  [{ stop: ['a', '\ud800'] }, 'stop.1', /surrogate/],
  [
    { messages: [user('x'), assistant('{')], response_format: { type: 'json_object' } },
    'messages',
    /prefilled answer cannot be held to response_format/,
  ],
  [{ tools: [tool('f', { parameters: { type: 'object', a: nested } })] }, 'tools.0.function.parameters', /levels deep/],
  [{ response_format: { type: 'json_object', schema: nested } }, 'response_format.schema', /levels deep/],
]

describe('a shape that does not fit', () => {
  for (const [fields, field, message] of shapes) {
    test(`${field}: ${message.source}`, () => assertRefused(() => draftOf(fields), field, message))
  }
})

describe('a meaning that nobody here can serve', () => {
  for (const [fields, field, message] of meanings) {
    test(`${field}: ${message.source}`, () => {
      const draft = draftOf(fields) // its model can be looked for
      assertRefused(() => draft.complete(), field, message)
    })
  }
})

describe('a body that is no request', () => {
  for (const body of ['', '{', '[]', '"x"', 'null']) {
    test(JSON.stringify(body), () => assert.throws(() => parse(Buffer.from(body)), { kind: 'invalid-request' }))
  }
})
