/**
 * Writes a GGUF file with random weights and the tokenizer of an existing one: it loads and decodes like a model of its
 * size and says nothing sensible. For tests and benches that need another size or a longer context than the embedded model.
 *
 *     node --import tsx scripts/random-gguf.ts FILE [--architecture llama|qwen3] [--type F16|Q8_0] [--layers 4] [--width 256]
 *       [--heads 4] [--kv-heads 2] [--feed-forward 512] [--vocabulary 3072] [--context 32768] [--seed 1] [--tokenizer FILE]
 */
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { readGgufFileInfo } from 'node-llama-cpp'
import { type MetadataValue, type Tensor, writeGguf } from './write-gguf.ts'

export interface RandomModelOptions {
  readonly architecture?: 'llama' | 'qwen3'
  /** Of the matrices; norms are F32. */
  readonly type?: 'F16' | 'Q8_0'
  readonly layers?: number
  /** Embedding length, a multiple of 32 x heads. */
  readonly width?: number
  readonly heads?: number
  readonly kvHeads?: number
  /** A multiple of 32. */
  readonly feedForward?: number
  /** Tokens; those beyond the tokenizer's own are unused ones. `null`: as many as the tokenizer has. */
  readonly vocabulary?: number | null
  /** Tokens. */
  readonly context?: number
  readonly seed?: number
  /** The GGUF whose tokenizer and chat template are copied. */
  readonly tokenizerPath?: string
  /** Added as they are, or in place of what would be written. */
  readonly metadata?: Readonly<Record<string, MetadataValue>>
}

const embeddedModel = fileURLToPath(new URL('../models/headend-tiny.gguf', import.meta.url))

export async function writeRandomModel(path: string, options: RandomModelOptions = {}): Promise<void> {
  const { architecture = 'llama', type = 'F16', layers = 4, width = 256, heads = 4, kvHeads = 2 } = options
  const { feedForward = 512, vocabulary = null, context = 32_768, seed = 1, tokenizerPath = embeddedModel } = options
  const tokenizer = await readTokenizer(tokenizerPath, vocabulary)
  const headWidth = width / heads
  const u32 = (value: number): MetadataValue => ({ type: 'u32', value })
  const metadata: Record<string, MetadataValue> = {
    'general.architecture': { type: 'string', value: architecture },
    'general.type': { type: 'string', value: 'model' },
    'general.name': { type: 'string', value: 'random weights' },
    [`${architecture}.context_length`]: u32(context),
    [`${architecture}.embedding_length`]: u32(width),
    [`${architecture}.block_count`]: u32(layers),
    [`${architecture}.feed_forward_length`]: u32(feedForward),
    [`${architecture}.attention.head_count`]: u32(heads),
    [`${architecture}.attention.head_count_kv`]: u32(kvHeads),
    [`${architecture}.attention.key_length`]: u32(headWidth),
    [`${architecture}.attention.value_length`]: u32(headWidth),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { type: 'f32', value: 1e-6 },
    [`${architecture}.rope.dimension_count`]: u32(headWidth),
    [`${architecture}.rope.freq_base`]: { type: 'f32', value: 1e6 },
    [`${architecture}.vocab_size`]: u32(tokenizer.size),
    ...tokenizer.metadata,
    ...options.metadata,
  }
  const matrix = (name: string, rows: number, columns: number): Tensor => ({ name, dimensions: [rows, columns], type })
  const norm = (name: string, length: number): Tensor => ({ name, dimensions: [length], type: 'F32' })
  const tensors = [matrix('token_embd.weight', width, tokenizer.size), norm('output_norm.weight', width)]
  for (let layer = 0; layer < layers; layer += 1) {
    tensors.push(
      norm(`blk.${layer}.attn_norm.weight`, width),
      norm(`blk.${layer}.ffn_norm.weight`, width),
      matrix(`blk.${layer}.attn_q.weight`, width, width),
      matrix(`blk.${layer}.attn_k.weight`, width, kvHeads * headWidth),
      matrix(`blk.${layer}.attn_v.weight`, width, kvHeads * headWidth),
      matrix(`blk.${layer}.attn_output.weight`, width, width),
      matrix(`blk.${layer}.ffn_gate.weight`, width, feedForward),
      matrix(`blk.${layer}.ffn_up.weight`, width, feedForward),
      matrix(`blk.${layer}.ffn_down.weight`, feedForward, width),
    )
    if (architecture === 'qwen3') {
      tensors.push(
        norm(`blk.${layer}.attn_q_norm.weight`, headWidth),
        norm(`blk.${layer}.attn_k_norm.weight`, headWidth),
      )
    }
  }
  const random = randomBits(seed)
  await writeGguf(path, metadata, tensors, (tensor, bytes) => fillRandomly(tensor, bytes, random))
}

function fillRandomly({ type }: Tensor, bytes: Buffer, random: () => number): void {
  const { buffer, byteOffset, length } = bytes
  if (type === 'F32') {
    new Float32Array(buffer, byteOffset, length / 4).fill(1) // norms
    return
  }
  // F16: random sign and mantissa, exponent -6: 0.016 to 0.031, so that nothing overflows however many layers follow.
  const [mask, bits] = type === 'F16' ? [0x83ff83ff, 0x24002400] : [0xffffffff, 0]
  const words = new Uint32Array(buffer, byteOffset, length / 4)
  for (let index = 0; index < words.length; index += 1) words[index] = (random() & mask) | bits
  if (type === 'F16') return
  for (let block = 0; block + 34 <= length; block += 34) bytes.writeUInt16LE(0x0c00, block) // Q8_0: scale 2 ** -12
}

/** xorshift32: the same seed writes the same file. */
function randomBits(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state
  }
}

async function readTokenizer(path: string, vocabulary: number | null) {
  const { tokenizer } = (await readGgufFileInfo(path, { readTensorInfo: false })).metadata
  const { tokens, token_type: types, merges = [], scores, model, pre } = tokenizer.ggml
  const unused = Array.from(
    { length: Math.max(0, (vocabulary ?? 0) - tokens.length) },
    (_, index) => `<unused${index}>`,
  )
  const metadata: Record<string, MetadataValue> = {
    'tokenizer.ggml.model': { type: 'string', value: model },
    'tokenizer.ggml.tokens': { type: 'string[]', value: [...tokens, ...unused] },
    'tokenizer.ggml.token_type': { type: 'i32[]', value: [...types.map(Number), ...unused.map(() => 5)] },
    'tokenizer.ggml.merges': { type: 'string[]', value: merges },
  }
  if (pre !== undefined) metadata['tokenizer.ggml.pre'] = { type: 'string', value: pre }
  if (scores !== undefined) {
    metadata['tokenizer.ggml.scores'] = { type: 'f32[]', value: [...scores, ...unused.map(() => 0)] }
  }
  if (tokenizer.chat_template !== undefined) {
    metadata['tokenizer.chat_template'] = { type: 'string', value: tokenizer.chat_template }
  }
  for (const key of ['bos_token_id', 'eos_token_id', 'padding_token_id'] as const) {
    const id = tokenizer.ggml[key]
    if (id !== undefined) metadata[`tokenizer.ggml.${key}`] = { type: 'u32', value: Number(id) }
  }
  metadata['tokenizer.ggml.add_bos_token'] = { type: 'bool', value: tokenizer.ggml.add_bos_token === true }
  return { metadata, size: tokens.length + unused.length }
}

async function main(): Promise<void> {
  const number = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      architecture: { type: 'string', default: 'llama' },
      type: { type: 'string', default: 'F16' },
      layers: number,
      width: number,
      heads: number,
      'kv-heads': number,
      'feed-forward': number,
      vocabulary: number,
      context: number,
      seed: number,
      tokenizer: { type: 'string', default: embeddedModel },
    },
  })
  const { architecture, type } = values
  const [path] = positionals
  if (path === undefined) throw new Error('Name the file to write')
  if (architecture !== 'llama' && architecture !== 'qwen3') throw new Error('--architecture: llama or qwen3')
  if (type !== 'F16' && type !== 'Q8_0') throw new Error('--type: F16 or Q8_0')
  const sizes = {
    layers: values.layers,
    width: values.width,
    heads: values.heads,
    kvHeads: values['kv-heads'],
    feedForward: values['feed-forward'],
    vocabulary: values.vocabulary,
    context: values.context,
    seed: values.seed,
  }
  const given = Object.entries(sizes).flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)]]))
  await writeRandomModel(path, { architecture, type, tokenizerPath: values.tokenizer, ...Object.fromEntries(given) })
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main()
