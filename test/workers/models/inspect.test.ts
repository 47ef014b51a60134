import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { getLlama, readGgufFileInfo } from 'node-llama-cpp'
import { writeRandomModel } from '../../../scripts/random-gguf.ts'
import { type MetadataValue, type Tensor, writeGguf } from '../../../scripts/write-gguf.ts'
import { readGguf } from '../../../workers/models/gguf.ts'
import { inspectModel } from '../../../workers/models/inspect.ts'
import { ModelError } from '../../../workers/models/model-error.ts'
import { resolveModel } from '../../../workers/models/resolve.ts'

let scratch: string

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'headend-inspect-'))
})
after(() => rm(scratch, { recursive: true }))

const weights: readonly Tensor[] = [{ name: 'token_embd.weight', dimensions: [32, 10], type: 'Q8_0' }]

async function inspect(metadata: Readonly<Record<string, MetadataValue>>, tensors = weights) {
  const path = join(scratch, 'crafted.gguf')
  const architecture: Record<string, MetadataValue> = { 'general.architecture': { type: 'string', value: 'llama' } }
  await writeGguf(path, { ...architecture, ...metadata }, tensors)
  return inspectModel(await resolveModel(path, { cacheDir: scratch }))
}

function u32(value: number): MetadataValue {
  return { type: 'u32', value }
}

function text(value: string): MetadataValue {
  return { type: 'string', value }
}

describe('inspectModel', () => {
  it('knows the embedded model', async () => {
    const { chatTemplate, ...facts } = await inspectModel(await resolveModel('embedded', { cacheDir: scratch }))
    assert.match(chatTemplate ?? '', /<\|im_start\|>/)
    assert.deepEqual(facts, {
      architecture: 'qwen3',
      displayName: 'headend-tiny',
      parameters: 4_329_472,
      trainContextTokens: 4096,
      layers: 6,
      kvBytesPerToken: 6 * 2 * (64 + 64) * 2,
      kvBytesPerSlot: 0,
      weightsBytes: 4_612_096,
      vocabularyTokens: 3072,
      vocabularyKind: 'gpt2',
      embeddingWidth: 256,
      feedForwardWidth: 512,
      namedChatTemplates: {},
      sampling: { temperature: null, topK: null, topP: null, minP: null },
    })
  })

  it('reads what the makers advise, and named templates', async () => {
    const facts = await inspect({
      'general.sampling.temp': { type: 'f32', value: 0.5 },
      'general.sampling.top_k': { type: 'i32', value: 20 },
      'general.sampling.top_p': { type: 'f32', value: 0.75 },
      'general.sampling.min_p': { type: 'f32', value: 0 },
      'tokenizer.chat_template': text('plain'),
      'tokenizer.chat_template.tool_use': text('with tools'),
      'tokenizer.chat_templates': { type: 'string[]', value: ['tool_use'] },
    })
    assert.deepEqual(facts.sampling, { temperature: 0.5, topK: 20, topP: 0.75, minP: 0 })
    assert.equal(facts.chatTemplate, 'plain')
    assert.deepEqual(facts.namedChatTemplates, { tool_use: 'with tools' })
  })

  it('says null where the file says nothing', async () => {
    const facts = await inspect({})
    assert.equal(facts.chatTemplate, null)
    assert.equal(facts.displayName, null)
    assert.equal(facts.trainContextTokens, null)
    assert.equal(facts.vocabularyKind, 'unknown')
  })
})

describe('KV cost', () => {
  const shape = {
    'gemma3.block_count': u32(12),
    'gemma3.embedding_length': u32(1024),
    'gemma3.attention.head_count': u32(8),
    'gemma3.attention.head_count_kv': u32(2),
    'gemma3.attention.key_length': u32(128),
    'gemma3.attention.value_length': u32(128),
  }
  const layerBytes = 2 * (128 + 128) * 2

  it('of sliding windows does not grow with the context', async () => {
    const { kvBytesPerToken, kvBytesPerSlot } = await inspect({
      ...shape,
      'general.architecture': text('gemma3'),
      'gemma3.attention.sliding_window': u32(512),
    })
    assert.equal(kvBytesPerToken, 2 * layerBytes) // layers 6 and 12
    assert.equal(kvBytesPerSlot, 10 * 512 * layerBytes)
  })

  it('follows heads per layer and the state of recurrent layers', async () => {
    const { kvBytesPerToken, kvBytesPerSlot } = await inspect({
      'general.architecture': text('lfm2'),
      'lfm2.block_count': u32(4),
      'lfm2.embedding_length': u32(1024),
      'lfm2.attention.head_count': u32(16),
      'lfm2.attention.head_count_kv': { type: 'i32[]', value: [0, 8, 0, 8] },
      'lfm2.shortconv.l_cache': u32(3),
    })
    assert.equal(kvBytesPerToken, 2 * 8 * (64 + 64) * 2)
    assert.equal(kvBytesPerSlot, 2 * (2 * 1024) * 4)
  })

  it('of hybrids counts one layer in so many', async () => {
    const { kvBytesPerToken } = await inspect({
      'general.architecture': text('qwen35'),
      'qwen35.block_count': u32(8),
      'qwen35.embedding_length': u32(256),
      'qwen35.attention.head_count': u32(4),
      'qwen35.attention.head_count_kv': u32(2),
      'qwen35.full_attention_interval': u32(4),
    })
    assert.equal(kvBytesPerToken, 2 * 2 * (64 + 64) * 2)
  })
})

describe('files that cannot answer messages', () => {
  const refused: ReadonlyArray<readonly [string, Record<string, MetadataValue>, RegExp]> = [
    ['BERT', { 'general.architecture': text('bert') }, /embedding or encoder model \(bert\) and cannot answer/],
    ['T5', { 'general.architecture': text('t5') }, /embedding or encoder model \(t5\)/],
    [
      'a pooling Qwen',
      { 'general.architecture': text('qwen3'), 'qwen3.pooling_type': u32(3) },
      /embedding or encoder model \(qwen3\)/,
    ],
    ['an adapter', { 'general.type': text('adapter') }, /is a LoRA adapter: merge it into its base model/],
    [
      'a projector',
      { 'general.type': text('mmproj') },
      /is the image part of a model: give --model the language model/,
    ],
    ['an older projector', { 'general.architecture': text('clip') }, /is the image part of a model/],
    ['a matrix of importance', { 'general.type': text('imatrix') }, /accompanies a model and is none itself/],
    ['no architecture', { 'general.architecture': text('') }, /does not name its architecture/],
  ]
  for (const [name, metadata, pattern] of refused) {
    it(`${name} is refused`, async () => {
      await assert.rejects(inspect(metadata), (cause) => {
        assert.ok(cause instanceof ModelError)
        assert.match(cause.message, pattern)
        return true
      })
    })
  }

  it('a vocabulary alone and a reranker are refused', async () => {
    await assert.rejects(inspect({}, []), /holds a vocabulary and no weights/)
    const ranker: Tensor = { name: 'cls.weight', dimensions: [32], type: 'F32' }
    await assert.rejects(inspect({}, [...weights, ranker]), /embedding or encoder model \(llama\)/)
  })

  it('a model that pools nothing is taken', async () => {
    assert.equal((await inspect({ 'llama.pooling_type': u32(0) })).architecture, 'llama')
  })
})

describe('our reader of GGUF', () => {
  it("agrees with the engine's on metadata and tensors", async () => {
    const { path } = await resolveModel('embedded', { cacheDir: scratch })
    const ours = await readGguf(path)
    const theirs = await readGgufFileInfo(path)
    assert.equal(ours.metadata.get('tokenizer.chat_template'), theirs.metadata.tokenizer.chat_template)
    assert.deepEqual(ours.metadata.get('tokenizer.ggml.tokens'), {
      length: theirs.metadata.tokenizer.ggml.tokens.length,
    })
    assert.equal(
      ours.metadata.get('qwen3.attention.layer_norm_rms_epsilon'),
      theirs.architectureMetadata.attention?.layer_norm_rms_epsilon,
    )
    assert.deepEqual(
      ours.tensors.map(({ name, dimensions, type, offset }) => [name, dimensions, type, offset]),
      theirs.fullTensorInfo?.map(({ name, dimensions, ggmlType, offset }) => [name, dimensions, ggmlType, offset]),
    )
  })
})

describe('a random model', () => {
  const sizes = { layers: 2, width: 128, heads: 4, kvHeads: 2, feedForward: 256, context: 32_768 }

  for (const [architecture, type] of [
    ['llama', 'F16'],
    ['qwen3', 'Q8_0'],
  ] as const) {
    it(`${architecture} in ${type} loads and decodes in the engine`, async () => {
      const path = join(scratch, `${architecture}.gguf`)
      await writeRandomModel(path, { architecture, type, ...sizes })
      const facts = await inspectModel(await resolveModel(path, { cacheDir: scratch }))
      assert.equal(facts.trainContextTokens, 32_768)
      assert.equal(facts.kvBytesPerToken, 2 * 2 * (32 + 32) * 2)
      const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1 })
      const model = await llama.loadModel({ modelPath: path })
      try {
        assert.equal(model.trainContextSize, 32_768)
        const context = await model.createContext({ contextSize: 256, threads: 1 })
        const tokens = []
        for await (const token of context.getSequence().evaluate(model.tokenize('Hello'), { yieldEogToken: true })) {
          if (tokens.push(token) === 8) break
        }
        assert.equal(tokens.length, 8)
      } finally {
        await llama.dispose()
      }
    })
  }

  it('is the same for the same seed, and takes a larger vocabulary', async () => {
    const paths = ['one', 'two', 'three'].map((name) => join(scratch, `${name}.gguf`))
    const [one = '', two = '', three = ''] = paths
    await writeRandomModel(one, { ...sizes, seed: 7 })
    await writeRandomModel(two, { ...sizes, seed: 7 })
    await writeRandomModel(three, { ...sizes, seed: 8, vocabulary: 5000 })
    assert.ok((await readFile(one)).equals(await readFile(two)))
    const facts = await inspectModel(await resolveModel(three, { cacheDir: scratch }))
    assert.equal(facts.vocabularyTokens, 5000)
  })
})
