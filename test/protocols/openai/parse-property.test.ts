import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { GenerateRequest } from '../../../src/contract/request.ts'
import { parse } from '../../../src/protocols/openai/parse.ts'
import { encode } from '../anthropic/requests.ts'
import { assertOursOrNone, placesOf, replacement, withReplaced } from '../replacements.ts'
import { assistant, call, result, system, tool, user } from './requests.ts'

/** A request in which every kind of field occurs. */
const rich: unknown = {
  model: 'm',
  messages: [
    { role: 'developer', content: [{ type: 'text', text: 'be brief' }] },
    user([
      { type: 'text', text: 'look' },
      { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } },
    ]),
    assistant([{ type: 'refusal', refusal: 'no' }], {
      refusal: 'no',
      reasoning_content: 't',
      tool_calls: [call('a', '{"b":[1]}'), call('b')],
    }),
    result('a', [{ type: 'text', text: 'one' }]),
    system('wait'),
    result('b'),
    assistant(null, { function_call: { name: 'g', arguments: '{}' } }),
    { role: 'function', name: 'g', content: null },
  ],
  max_completion_tokens: 4096,
  max_tokens: -1,
  stream: true,
  stream_options: { include_usage: true },
  temperature: 0.5,
  top_p: 0.5,
  top_k: 1,
  min_p: 0.1,
  seed: 7,
  frequency_penalty: 1,
  presence_penalty: 1,
  repeat_penalty: 1,
  logit_bias: { '7': 1 },
  stop: ['END'],
  tools: [tool('f', { description: 'd', parameters: { type: 'object', properties: { a: {} } }, strict: true })],
  tool_choice: { type: 'function', function: { name: 'f' } },
  parallel_tool_calls: false,
  response_format: { type: 'json_schema', json_schema: { name: 'x', schema: { type: 'object' } } },
  reasoning_effort: 'low',
  n: 1,
  logprobs: false,
  modalities: ['text'],
  user: 'u',
  prompt_cache_key: 'k',
}

function complete(body: Uint8Array): GenerateRequest {
  const draft = parse(body)
  draft.opening()
  return draft.complete()
}

test('the rich request is valid as it is', () => assert.equal(complete(encode(rich)).turns.length, 7))

test('one wrong value anywhere is accepted or refused by name, never a bug of ours', () => {
  fc.assert(
    fc.property(fc.constantFrom(...placesOf(rich).slice(1)), replacement, (place, value) => {
      assertOursOrNone(() => complete(encode(withReplaced(rich, place, value))))
    }),
    { numRuns: 5000 },
  )
})

test('bytes of any kind are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void assert.throws(() => parse(bytes), HeadendError)),
  )
})
