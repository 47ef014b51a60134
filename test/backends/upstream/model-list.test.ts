import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseModelPage } from '../../../src/backends/upstream/model-list.ts'
import type { ListedModel } from '../../../src/contract/backend.ts'

const parse = (body: unknown) => parseModelPage(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)))

/** The facts that a server tells; what it does not tell is not in the expectation. */
function factsOf(item: unknown) {
  const [model] = parse({ object: 'list', data: [item] })?.models ?? []
  assert.ok(model)
  const { id, displayName, outputTokensMax, facts } = model
  return { id, displayName, outputTokensMax, ...facts, createdAt: facts.createdAt.toISOString() }
}

const untold = {
  displayName: null,
  outputTokensMax: null,
  contextTokens: null,
  capabilities: null,
  createdAt: '1970-01-01T00:00:00.000Z',
}

describe('a list of models', () => {
  const servers: readonly [string, object, object][] = [
    [
      'OpenAI',
      { id: 'gpt-4o', object: 'model', created: 1715367049, owned_by: 'system' },
      { id: 'gpt-4o', createdAt: '2024-05-10T18:50:49.000Z' },
    ],
    [
      'vLLM',
      {
        id: 'Qwen/Qwen3-8B',
        object: 'model',
        created: 1755000000,
        owned_by: 'vllm',
        root: 'Qwen/Qwen3-8B',
        parent: null,
        max_model_len: 40960,
        permission: [{ id: 'modelperm-1' }],
      },
      { id: 'Qwen/Qwen3-8B', createdAt: '2025-08-12T12:00:00.000Z', contextTokens: 40960 },
    ],
    [
      'llama-server, older',
      {
        id: 'model.gguf',
        object: 'model',
        created: 1755000000,
        owned_by: 'llamacpp',
        meta: { vocab_type: 2, n_vocab: 151936, n_ctx_train: 40960, n_params: 1 },
      },
      { id: 'model.gguf', createdAt: '2025-08-12T12:00:00.000Z', contextTokens: 40960 },
    ],
    [
      'llama-server',
      { id: 'model.gguf', meta: { n_ctx_train: 40960, n_ctx: 8192 } },
      { id: 'model.gguf', contextTokens: 8192 },
    ],
    [
      'LM Studio',
      {
        id: 'qwen3-8b',
        object: 'model',
        type: 'llm',
        state: 'loaded',
        max_context_length: 40960,
        loaded_context_length: 4096,
      },
      { id: 'qwen3-8b', contextTokens: 4096 },
    ],
    [
      'OpenRouter',
      {
        id: 'openai/gpt-4o',
        name: 'OpenAI: GPT-4o',
        created: 1755000000,
        context_length: 128000,
        architecture: { input_modalities: ['text', 'image'] },
        top_provider: { context_length: 120000, max_completion_tokens: 16384, is_moderated: true },
        supported_parameters: ['tools', 'structured_outputs', 'max_tokens'],
      },
      {
        id: 'openai/gpt-4o',
        createdAt: '2025-08-12T12:00:00.000Z',
        contextTokens: 120000,
        outputTokensMax: 16384,
        capabilities: { imageInput: true, thinking: false, structuredOutputs: true, tools: true },
      },
    ],
    [
      'Groq',
      { id: 'llama', created: 1755000000, active: true, context_window: 131072, max_completion_tokens: 32768 },
      { id: 'llama', createdAt: '2025-08-12T12:00:00.000Z', contextTokens: 131072, outputTokensMax: 32768 },
    ],
    [
      'Anthropic',
      {
        type: 'model',
        id: 'claude-a',
        display_name: 'Claude A',
        created_at: '2025-02-19T00:00:00Z',
        max_input_tokens: 200000,
        max_tokens: 64000,
        capabilities: null,
      },
      {
        id: 'claude-a',
        displayName: 'Claude A',
        createdAt: '2025-02-19T00:00:00.000Z',
        contextTokens: 200000,
        outputTokensMax: 64000,
      },
    ],
    [
      'another headend',
      {
        id: 'local',
        display_name: 'Local',
        created_at: '2026-01-01T00:00:00Z',
        created: 1767225600,
        max_input_tokens: 8192,
        max_tokens: 4096,
        capabilities: {
          image_input: { supported: false },
          thinking: { supported: true },
          structured_outputs: { supported: true },
          tool_use: { supported: false },
        },
      },
      {
        id: 'local',
        displayName: 'Local',
        createdAt: '2026-01-01T00:00:00.000Z',
        contextTokens: 8192,
        outputTokensMax: 4096,
        capabilities: { imageInput: false, thinking: true, structuredOutputs: true, tools: false },
      },
    ],
    [
      'a server that writes nonsense',
      {
        id: 'a',
        created: 1e300,
        created_at: 7,
        context_length: '4096',
        max_model_len: -1,
        max_tokens: 1.5,
        display_name: 3,
        meta: [],
        top_provider: 'x',
        capabilities: ['vision'],
        supported_parameters: 'tools',
      },
      { id: 'a' },
    ],
  ]
  for (const [name, item, expected] of servers) {
    it(`of ${name}`, () => assert.deepEqual(factsOf(item), { ...untold, ...expected }))
  }

  it('of Ollama itself', () => {
    const page = parse({
      models: [{ name: 'qwen3:8b', model: 'qwen3:8b', modified_at: '2025-08-12T12:00:00Z', size: 1 }],
    })
    assert.deepEqual(
      page?.models.map(({ id, facts }) => [id, facts.createdAt.getFullYear()]),
      [['qwen3:8b', 2025]],
    )
  })

  it('without a wrapper', () => assert.deepEqual(idsIn([{ id: 'a' }, { id: 'b' }]), ['a', 'b']))
  it('may be empty', () => assert.deepEqual(idsIn({ data: [] }), []))
  it('leaves out what has no name', () => {
    assert.deepEqual(idsIn({ data: [{ id: 'a' }, { id: '' }, { id: 7 }, null, { id: 'x'.repeat(501) }] }), ['a'])
  })
  it('is bounded', () => {
    assert.equal(idsIn({ data: Array.from({ length: 10_001 }, (_, index) => ({ id: `m${index}` })) })?.length, 10_000)
  })
  it('goes on where it says so', () => {
    assert.equal(parse({ data: [{ id: 'a' }], has_more: true, last_id: 'a' })?.nextAfter, 'a')
    assert.equal(parse({ data: [{ id: 'a' }], has_more: false, last_id: 'a' })?.nextAfter, null)
    assert.equal(parse({ data: [{ id: 'a' }], has_more: true })?.nextAfter, null)
  })
  for (const body of [
    '',
    '<html>',
    'null',
    '3',
    '"data"',
    '{}',
    '{"data":{}}',
    '{"data":[1]}',
    '{"error":{"message":"no"}}',
  ]) {
    it(`is not ${JSON.stringify(body)}`, () => assert.equal(parse(body), null))
  }
})

function idsIn(body: unknown): readonly ListedModel['id'][] | undefined {
  return parse(body)?.models.map(({ id }) => id)
}
