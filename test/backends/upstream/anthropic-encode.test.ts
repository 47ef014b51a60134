import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { encodeAnthropicRequest } from '../../../src/backends/upstream/encode-anthropic.ts'
import { defaultQuirks, type UpstreamQuirks } from '../../../src/backends/upstream/settings.ts'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { ContentBlock, GenerateRequest, Tool } from '../../../src/contract/request.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'

type Quirks = Partial<UpstreamQuirks>

function encode(overrides: Partial<GenerateRequest>, quirks: Quirks = {}): Record<string, unknown> {
  return JSON.parse(encodeAnthropicRequest(requestOf('hi', overrides), { ...defaultQuirks, ...quirks }).body)
}

/** The one user message of a request with this content. */
function encodeContent(content: readonly ContentBlock[], quirks: Quirks = {}): unknown {
  const { messages } = encode({ turns: [{ role: 'user', content }] }, quirks)
  return (messages as { readonly content: unknown }[])[0]?.content
}

function refusal(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HeadendError && error.kind === 'invalid-request' && message.test(error.message)
}

const tool: Tool = { name: 'f', description: null, inputSchema: { type: 'object' }, strict: true, cacheMark: null }
const image: ContentBlock = {
  kind: 'image',
  source: { kind: 'base64', mediaType: 'image/png', data: 'A'.repeat(36_000) },
  path: 'messages.0.content.1',
  cacheMark: null,
}

describe('encodeAnthropicRequest', () => {
  it('writes the smallest request', () => {
    const { model, max_tokens, stream, messages, ...more } = encode({ model: 'm', thinking: { kind: 'unset' } })
    assert.deepEqual([model, max_tokens, stream], ['m', 200, true])
    assert.deepEqual(messages, [{ role: 'user', content: 'hi' }])
    assert.deepEqual(more, { temperature: 0 })
  })

  it('has the model in front', () => {
    const { body } = encodeAnthropicRequest(requestOf('hi'), defaultQuirks)
    assert.match(body, /^\{"model":"headend-tiny",/)
  })

  it('keeps cache marks and their time', () => {
    const body = encode({
      system: [
        { text: 'a', cacheMark: 'long' },
        { text: 'b', cacheMark: null },
      ],
      tools: [{ ...tool, cacheMark: 'short' }],
    })
    const long = { cache_control: { type: 'ephemeral', ttl: '1h' } }
    assert.deepEqual(body.system, [
      { type: 'text', text: 'a', ...long },
      { type: 'text', text: 'b' },
    ])
    const [first] = body.tools as object[]
    assert.deepEqual(first, {
      ...{ name: 'f', input_schema: { type: 'object' }, strict: true },
      cache_control: { type: 'ephemeral' },
    })
  })

  it('gives a schema of another protocol its type', () => {
    const { tools } = encode({ tools: [{ ...tool, inputSchema: {} }] })
    assert.deepEqual(tools, [{ name: 'f', input_schema: { type: 'object' }, strict: true }])
  })

  it('asks for the most of its own accord when the client names no limit', () => {
    assert.equal(encode({ maxTokens: null }).max_tokens, 32_000)
    assert.equal(encode({ maxTokens: null }, { outputTokensMax: 8192 }).max_tokens, 8192)
    const thinking = { kind: 'budget', budgetTokens: 40_000, shown: true } as const
    assert.equal(encode({ maxTokens: null, thinking }).max_tokens, 72_000)
  })

  it('lowers what is over the limit, the budget of thoughts with it', () => {
    const budget = (outputTokensMax: number): unknown => {
      const thinking = { kind: 'budget', budgetTokens: 6000, shown: false } as const
      const body = encode({ maxTokens: 9000, thinking }, { outputTokensMax })
      assert.equal(body.max_tokens, Math.min(9000, outputTokensMax))
      return (body.thinking as { readonly budget_tokens?: number } | undefined)?.budget_tokens
    }
    assert.deepEqual([budget(8192), budget(6000), budget(4096), budget(2000)], [6000, 3000, 2048, undefined])
  })

  it('sends 0 tokens as 0', () => assert.equal(encode({ maxTokens: 0 }).max_tokens, 0))

  it('leaves out thinking beside a forced call', () => {
    const forced = { tools: [tool], toolChoice: { kind: 'any', parallel: true } } as const
    assert.equal(encode({ ...forced, thinking: { kind: 'adaptive', shown: true } }).thinking, undefined)
    assert.deepEqual(encode({ ...forced, thinking: { kind: 'off' } }).thinking, { type: 'disabled' })
  })

  it('sends no choice without tools', () => {
    assert.equal(encode({ toolChoice: { kind: 'auto', parallel: false } }).tool_choice, undefined)
  })

  it('cuts temperatures of other protocols', () => {
    const sampling = { temperature: 1.7, topP: 0.5, topK: 3, minP: 0.1, seed: 7, penalties: null, logitBias: null }
    const { temperature, top_p, top_k, min_p, seed } = encode({ sampling })
    assert.deepEqual([temperature, top_p, top_k, min_p, seed], [1, 0.5, 3, undefined, undefined])
  })

  it('leaves out empty texts and turns', () => {
    const turns = [user('a'), assistant(''), user('b', '', 'c')]
    assert.deepEqual(encode({ turns }).messages, [
      { role: 'user', content: 'a' },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'b' },
          { type: 'text', text: 'c' },
        ],
      },
    ])
  })

  it('cleans ids of other protocols at both ends', () => {
    const call = { kind: 'tool-call', id: 'functions.f:0', name: 'f', input: {}, cacheMark: null } as const
    const result = {
      kind: 'tool-result',
      callId: 'functions.f:0',
      content: [],
      isError: true,
      cacheMark: null,
    } as const
    const { messages } = encode({
      turns: [user('a'), { role: 'assistant', content: [call] }, { role: 'user', content: [result] }],
    })
    assert.deepEqual((messages as object[]).slice(1), [
      { role: 'assistant', content: [{ type: 'tool_use', id: 'functions_f_0', name: 'f', input: {} }] },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'functions_f_0', is_error: true }] },
    ])
  })

  it('sends thoughts that the upstream can have signed', () => {
    const thoughts = ['theirs', '', 'hd1.ours'].map(
      (signature) => ({ kind: 'thinking', text: 'hm', signature }) as const,
    )
    const turns = [user('a'), { role: 'assistant', content: thoughts }, user('b')] as const
    const count = (quirks: Quirks): number =>
      JSON.stringify(encode({ turns }, quirks).messages).split('"hm"').length - 1
    assert.deepEqual([count({}), count({ reasoningHistory: 'reasoning' })], [1, 3])
  })
})

describe('quirks of an Anthropic-compatible upstream', () => {
  it('say what it cannot take', () => {
    const content = [textBlock('look'), image]
    assert.throws(() => encodeContent(content, { images: false }), refusal(/^messages\.0\.content\.1: .*images$/))
    assert.throws(
      () => encode({ turns: [user('a'), assistant('b')] }, { prefill: 'refuse' }),
      refusal(/^messages: Prefilling/),
    )
    assert.equal((encode({ turns: [user('a'), assistant('b')] }).messages as unknown[]).length, 2)
  })

  it('leave fields out', () => {
    const body = encode(
      { tools: [tool], effort: 'low', thinking: { kind: 'off' }, stream: true },
      { sampling: false, thinking: 'none', strictTools: false, streaming: false },
    )
    assert.deepEqual(body.tools, [{ name: 'f', input_schema: { type: 'object' } }])
    assert.deepEqual(
      [body.temperature, body.thinking, body.output_config, body.stream],
      [undefined, undefined, undefined, false],
    )
  })

  it('fold system turns, behind the results of an open call', () => {
    const call = { kind: 'tool-call', id: 'a', name: 'f', input: {}, cacheMark: null } as const
    const result = { kind: 'tool-result', callId: 'a', content: [], isError: false, cacheMark: null } as const
    const turns = [
      user('q'),
      { role: 'assistant', content: [call] },
      system('note'),
      { role: 'user', content: [result] },
    ] as const
    const roles = (quirks: Quirks): string[] =>
      (encode({ turns }, quirks).messages as { readonly role: string }[]).map(({ role }) => role)
    assert.deepEqual(roles({}), ['user', 'assistant', 'system', 'user'])
    assert.deepEqual(roles({ inlineSystem: 'fold' }), ['user', 'assistant', 'user'])
    const { messages } = encode({ turns }, { inlineSystem: 'fold' })
    assert.match(JSON.stringify(messages), /"tool_result".*"note"/)
  })

  it('tell who the user is as a hash, where it is asked for', () => {
    assert.equal(encode({ userId: 'me' }).metadata, undefined)
    const { metadata } = encode({ userId: 'me' }, { sendsUser: true })
    assert.match((metadata as { readonly user_id: string }).user_id, /^[0-9a-f]{64}$/)
  })

  it('add to the body, but for what headend relies on', () => {
    const extraBody = {
      service_tier: 'auto',
      max_tokens: 7,
      model: 'x',
      stream: 1,
      messages: [],
      tools: [],
      system: 's',
    }
    const body = encode({ tools: [tool], system: [{ text: 'ours', cacheMark: null }] }, { extraBody })
    const { service_tier, max_tokens, model, stream, messages, tools, system: text } = body
    assert.deepEqual([service_tier, max_tokens, model, stream, tools, text], ['auto', 7, 'headend-tiny', true, [], 's'])
    assert.equal((messages as unknown[]).length, 1)
  })
})

describe('the estimate of the prompt', () => {
  it('goes by bytes, and by the number of images', () => {
    const tokens = (overrides: Partial<GenerateRequest>): number =>
      encodeAnthropicRequest(requestOf('x'.repeat(36_000), overrides), defaultQuirks).promptTokens
    const plain = tokens({})
    assert.ok(plain > 9_900 && plain < 10_100, `${plain}`)
    const withTools = tokens({ tools: [{ ...tool, description: 'y'.repeat(3600) }] })
    assert.ok(withTools > plain + 990 && withTools < plain + 1100, `${withTools}`)
    const withSystem = tokens({ system: [{ text: 'y'.repeat(3600), cacheMark: null }] })
    assert.ok(withSystem > plain + 990 && withSystem < plain + 1100, `${withSystem}`)
    const withImage = tokens({ turns: [{ role: 'user', content: [textBlock('x'.repeat(36_000)), image] }] })
    assert.ok(withImage > plain + 900 && withImage < plain + 1200, `${withImage}`)
  })
})
