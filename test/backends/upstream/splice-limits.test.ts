import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { spliceLimits } from '../../../src/backends/upstream/splice-limits.ts'

function spliced(body: string, system: string | null, outputTokensMax: number | null): string {
  return Buffer.from(spliceLimits(Buffer.from(body), system, outputTokensMax)).toString()
}

test('without limits nothing is copied', () => {
  const body = Buffer.from('{"max_tokens":100,"system":"s"}')
  assert.equal(spliceLimits(body, null, null), body)
  assert.equal(spliceLimits(body, null, 100), body)
})

describe('max_tokens', () => {
  const rows: readonly (readonly [string, string])[] = [
    ['{ "max_tokens" : 64000.0 , "x":1.50}', '{ "max_tokens" : 50 , "x":1.50}'],
    ['{"max_tokens":10,"model":"m"}', '{"max_tokens":10,"model":"m"}'],
    ['{"a":{"max_tokens":99},"max_tokens":51}', '{"a":{"max_tokens":99},"max_tokens":50}'],
    ['{"max_tokens":7,"max_tokens":70}', '{"max_tokens":7,"max_tokens":50}'],
    ['{"model":"m"}', '{"model":"m"}'],
  ]
  for (const [body, expected] of rows) test(body, () => assert.equal(spliced(body, null, 50), expected))
})

describe('system', () => {
  const attribution = { type: 'text', text: 'x-anthropic-billing-header: a=1;' }
  const own = { type: 'text', text: 'own', cache_control: { type: 'ephemeral' }, new_field: [1] }
  const preset = { type: 'text', text: 'é "preset"' }
  const rows: readonly (readonly [string, unknown, unknown])[] = [
    ['none', undefined, preset.text],
    ['null', null, preset.text],
    ['an empty text', '', preset.text],
    ['a text', 'own', `${preset.text}\n\nown`],
    ['blocks', [own], [preset, own]],
    ['blocks behind the attribution, which is known by its place', [attribution, own], [attribution, preset, own]],
  ]
  for (const [name, system, expected] of rows) {
    test(name, () => {
      const body = JSON.stringify({ model: 'm', system, messages: [{ role: 'user', content: 'x' }] })
      assert.deepEqual(JSON.parse(spliced(` ${body}`, preset.text, null)), {
        model: 'm',
        system: expected,
        messages: [{ role: 'user', content: 'x' }],
      })
    })
  }

  test('the rest stays as it was written', () => {
    const body = '\ufeff{ "model":"m", "system" : "s" ,"n":1.0 }'
    assert.equal(spliced(body, 'p', null), '\ufeff{ "model":"m", "system" : "p\\n\\ns" ,"n":1.0 }')
  })
})
