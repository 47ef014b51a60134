import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createJsonTexts } from '../../../src/backends/upstream/json-texts.ts'
import { RequestWriter } from '../../../src/backends/upstream/request-writer.ts'
import type { ChatMessage, ChatTool } from '../../../src/wire/openai.ts'

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('"\\\n\u2028', 'é語😀', '\ud800', 'x"\n'.repeat(120)),
)
const cacheControl = fc.constantFrom({ type: 'ephemeral' as const }, { type: 'ephemeral' as const, ttl: '1h' as const })
const part = fc.oneof(
  fc.record(
    { type: fc.constant('text' as const), text, cache_control: cacheControl },
    { requiredKeys: ['type', 'text'] },
  ),
  fc.record(
    { type: fc.constant('image_url' as const), image_url: fc.record({ url: text }), cache_control: cacheControl },
    { requiredKeys: ['type', 'image_url'] },
  ),
)
const content = fc.oneof(text, fc.array(part, { maxLength: 3 }))
const call = fc.record({
  id: text,
  type: fc.constant('function' as const),
  function: fc.record({ name: text, arguments: text }),
})
const message: fc.Arbitrary<ChatMessage> = fc.oneof(
  fc.record({ role: fc.constantFrom('system' as const, 'developer' as const), content }),
  fc.record({ role: fc.constant('user' as const), content }),
  fc.record({ role: fc.constant('tool' as const), tool_call_id: text, content }),
  fc.record(
    {
      role: fc.constant('assistant' as const),
      content: fc.option(content),
      reasoning: text,
      reasoning_content: text,
      tool_calls: fc.array(call, { maxLength: 3 }),
    },
    { requiredKeys: ['role', 'content'] },
  ),
)
const tool: fc.Arbitrary<ChatTool> = fc.record({
  type: fc.constant('function' as const),
  function: fc.record(
    {
      name: text,
      description: text,
      parameters: fc.dictionary(text, fc.jsonValue()),
      strict: fc.constant(true as const),
    },
    { requiredKeys: ['name', 'parameters'] },
  ),
})

test('what is written by hand is what JSON.stringify writes', () => {
  const texts = createJsonTexts(4000)
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), fc.array(tool, { maxLength: 4 }), (messages, tools) => {
      const writer = new RequestWriter(texts)
      assert.equal(writer.messages(messages), JSON.stringify(messages))
      assert.equal(writer.tools(tools), JSON.stringify(tools))
    }),
  )
})

test('only what a model reads is weighed', () => {
  const writer = new RequestWriter(createJsonTexts(0))
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,AAAA' } } as const
  writer.messages([{ role: 'user', content: [{ type: 'text', text: 'é\n' }, image] }])
  assert.equal(writer.textBytes, 3)
})

describe('remembered texts', () => {
  const long = (letter: string, length = 1000) => letter.repeat(length)

  test('are made once', () => {
    const texts = createJsonTexts(100_000)
    assert.equal(texts.of(long('a')), texts.of(long('a')))
    assert.deepEqual(texts.of(long('a')), { text: long('a'), json: `"${long('a')}"`, bytes: 1000 })
  })

  test('are told from others of the same key', () => {
    const texts = createJsonTexts(100_000)
    const [one, other] = [`${long('a', 520)}b${long('a', 479)}`, `${long('a', 521)}b${long('a', 478)}`]
    for (const each of [one, other, one]) assert.equal(texts.of(each).json, `"${each}"`)
    const few = createJsonTexts(6000) // one to a generation
    for (const each of [one, long('c'), other]) assert.equal(few.of(each).json, `"${each}"`)
  })

  test('are forgotten when there are too many, the least used first', () => {
    const texts = createJsonTexts(12_000) // two generations of two texts with their JSON
    const first = texts.of(long('a'))
    for (const letter of 'bcd') {
      texts.of(long(letter))
      assert.equal(texts.of(long('a')), first)
    }
    for (const letter of 'efgh') texts.of(long(letter))
    assert.notEqual(texts.of(long('a')), first)
  })

  test('are not the very long ones', () => {
    const texts = createJsonTexts(3000)
    assert.notEqual(texts.of(long('a')), texts.of(long('a')))
  })
})
