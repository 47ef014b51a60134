import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeWhole, piece, see } from './answers.ts'

function answer(message: unknown, finish: unknown = 'stop', more: object = {}): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion',
    choices: [{ index: 0, message, finish_reason: finish }],
    ...more,
  }
}

const usage = { prompt_tokens: 12, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 2 } }

describe('a whole answer', () => {
  const cases: readonly (readonly [what: string, message: unknown, blocks: readonly string[]])[] = [
    ['text', { role: 'assistant', content: 'Hello' }, ['text: Hello']],
    ['null', { role: 'assistant', content: null }, []],
    ['empty', { content: '' }, []],
    [
      'parts',
      {
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      ['text: ab'],
    ],
    ['reasoning_content', { content: 'a', reasoning_content: 'hm' }, ['thinking: hm', 'text: a']],
    ['reasoning', { content: 'a', reasoning: 'hm', reasoning_details: [{ text: 'hm' }] }, ['thinking: hm', 'text: a']],
    [
      'reasoning_details',
      { content: 'a', reasoning_details: [{ text: 'h' }, { text: 'm' }] },
      ['thinking: hm', 'text: a'],
    ],
    ['think tags', { content: '<think>\nhm\n</think>\n\na' }, ['thinking: hm', 'text: a']],
    [
      'calls',
      { content: '', tool_calls: [piece(null, 'a', 'f', '{"x":1}'), piece(null, 'b', 'f', '{"x":1}')] },
      ['call f: {"x":1}', 'call f: {"x":1}'],
    ],
    [
      'calls with text',
      { content: 'a', tool_calls: [piece(0, 'a', 'f', { x: 1 }), piece(0, 'b', 'g', '')] },
      ['text: a', 'call f: {"x":1}', 'call g: {}'],
    ],
    [
      'calls without ids',
      { tool_calls: [piece(null, null, 'f', null), piece(null, null, 'f', 'none')] },
      ['call f: {}', 'call f: {}'],
    ],
    ['function_call', { content: null, function_call: { name: 'f', arguments: '{}' } }, ['call f: {}']],
    ['broken arguments', { tool_calls: [piece(0, 'a', 'f', '{"x": [1, 2')] }, ['call f: {"x": [1, 2]}']],
  ]
  for (const [what, message, blocks] of cases) {
    test(what, () => {
      const seen = see(decodeWhole(answer(message)))
      assert.deepEqual(seen.blocks, blocks)
      assert.equal(seen.reason, blocks.some((block) => block.startsWith('call')) ? 'tool-call' : 'end-turn')
    })
  }

  test('a refusal', () => {
    const { blocks, reason, explanation } = see(decodeWhole(answer({ content: null, refusal: 'I will not' })))
    assert.deepEqual([blocks, reason, explanation], [['text: I will not'], 'refusal', 'I will not'])
  })

  test('usage, from the start', () => {
    const seen = see(decodeWhole(answer({ content: 'a' }, 'stop', { usage })))
    assert.deepEqual([seen.startUsage?.inputTokens, seen.startUsage?.cachedTokens], [10, 2])
    assert.deepEqual([seen.usage?.inputTokens, seen.usage?.outputTokens], [10, 3])
    assert.equal(see(decodeWhole(answer({ content: 'a'.repeat(36) }))).usage?.outputTokens, 10)
  })

  test('a limit', () => {
    const cut = answer({ content: 'a', tool_calls: [piece(0, 'a', 'f', '{"x": "y')] }, 'length')
    const { blocks, reason } = see(decodeWhole(cut))
    assert.deepEqual([blocks, reason], [['text: a', 'call f: {"x": "y'], 'max-tokens'])
  })

  test('stop sequences', () => {
    const message = { reasoning: 'END', content: 'one END two', tool_calls: [piece(0, 'a', undefined, '{}')] }
    const { blocks, reason, stopSequence } = see(decodeWhole(answer(message), { stopSequences: ['END'] }))
    assert.deepEqual([blocks, reason, stopSequence], [['thinking: END', 'text: one '], 'stop-sequence', 'END'])
  })

  test('one call where one is wanted', () => {
    const message = { tool_calls: [piece(0, 'a', 'f', '{}'), piece(1, 'b', 'g', '{}')] }
    assert.deepEqual(see(decodeWhole(answer(message), { parallelCalls: false })).blocks, ['call f: {}'])
  })

  test('a byte order mark', () => {
    assert.deepEqual(see(decodeWhole(`\uFEFF${JSON.stringify(answer({ content: 'a' }))}`)).blocks, ['text: a'])
  })
})

describe('what is no answer', () => {
  const cases: readonly (readonly [what: string, body: unknown])[] = [
    ['a web page', '<!doctype html><title>Welcome</title>'],
    ['nothing', ''],
    ['half of one', '{"choices":[{"message":{"content":"a'],
    ['a list', []],
    ['no choices', { choices: [] }],
    ['no list of choices', { choices: null }],
    ['a choice that is none', { choices: [null] }],
    ['a choice without a message', { choices: [{ index: 0, finish_reason: 'stop' }] }],
  ]
  for (const [what, body] of cases) {
    test(what, () => assert.throws(() => decodeWhole(body), { kind: 'upstream-malformed' }))
  }

  test('an error with status 200', () => {
    assert.throws(() => decodeWhole({ error: { message: 'out of memory', type: 'server_error' } }), /out of memory/)
    assert.throws(() => decodeWhole({ object: 'error', message: 'out of memory', code: 500 }), /out of memory/)
  })
})
