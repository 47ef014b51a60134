import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { learnFrom } from '../../../src/backends/upstream/learned-quirks.ts'
import { defaultQuirks, type UpstreamQuirks } from '../../../src/backends/upstream/settings.ts'
import { HeadendError } from '../../../src/contract/errors.ts'

describe('a refusal teaches', () => {
  const rows: readonly (readonly [string, Partial<UpstreamQuirks>])[] = [
    [
      "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.",
      { maxTokensField: 'max_completion_tokens' },
    ],
    ['Unrecognized request argument supplied: top_k', { extraSampling: false }],
    ['Unrecognized request argument supplied: repeat_penalty', { extraSampling: false }],
    ["Unsupported parameter: 'logit_bias' is not supported with this model.", { sampling: false }],
    ['body.stream_options: Extra inputs are not permitted', { streamOptions: false }],
    ['Unrecognized request argument supplied: reasoning_effort', { thinking: 'none' }],
    ["Unsupported value: 'temperature' does not support 0.2 with this model.", { sampling: false }],
  ]
  for (const [message, lesson] of rows) {
    test(message, () => {
      const error = new HeadendError('invalid-request', message)
      assert.deepEqual(learnFrom(error, defaultQuirks), lesson)
      assert.equal(learnFrom(error, { ...defaultQuirks, ...lesson }), null, 'the same lesson is not taught twice')
    })
  }
})

test('what is wrong with the request itself teaches nothing', () => {
  const messages = ['temperature must be between 0 and 2', 'max_tokens is too large', 'unknown role: wizard']
  for (const message of messages)
    assert.equal(learnFrom(new HeadendError('invalid-request', message), defaultQuirks), null)
  const busy = new HeadendError('upstream-overloaded', 'Unrecognized request argument supplied: top_k')
  assert.equal(learnFrom(busy, defaultQuirks), null)
})
