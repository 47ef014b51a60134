import type { GgufFile } from './gguf.ts'

/** What the KV cache of one slot costs, f16: `perToken` x context + `perSlot`. Both in bytes. */
export interface KvCost {
  readonly perToken: number
  /** Sliding windows and recurrent states: the same whatever the context. */
  readonly perSlot: number
}

const keyValueBytes = 2 // f16
const stateBytes = 4 // recurrent states are f32

/** Counts layer by layer, as `llama_kv_cache` and `llama_memory_recurrent` of llama.cpp allocate them. */
export function kvCost({ metadata }: GgufFile): KvCost {
  const architecture = String(metadata.get('general.architecture'))
  const number = (key: string): number => Number(metadata.get(`${architecture}.${key}`) ?? 0)
  const layers = number('block_count') - number('attention.shared_kv_layers')
  const heads = perLayer(metadata.get(`${architecture}.attention.head_count`))
  const kvHeads = perLayer(metadata.get(`${architecture}.attention.head_count_kv`))
  const window = number('attention.sliding_window')
  const state = recurrentState(number) * stateBytes
  const interval = number('full_attention_interval') // of hybrids such as qwen35: every nth layer is attention
  const cost = { perToken: 0, perSlot: 0 }
  for (let layer = 0; layer < layers; layer += 1) {
    const attention = interval === 0 || (layer + 1) % interval === 0
    const pairs = attention ? (kvHeads(layer) ?? heads(layer) ?? 0) : 0
    const headWidth = number('embedding_length') / (heads(layer) ?? 1)
    const width = (number('attention.key_length') || headWidth) + (number('attention.value_length') || headWidth)
    const bytes = pairs * width * keyValueBytes
    if (window > 0 && slides(architecture, metadata.get(`${architecture}.attention.sliding_window_pattern`), layer)) {
      cost.perSlot += bytes * window
    } else {
      cost.perToken += bytes
    }
    if (pairs === 0 || architecture === 'falcon-h1') cost.perSlot += state
  }
  return cost
}

function perLayer(value: unknown): (layer: number) => number | undefined {
  if (Array.isArray(value)) return (layer) => value[layer]
  return () => (value === undefined ? undefined : Number(value))
}

/** Elements per layer: Mamba's convolution and state, or RWKV's, or LFM2's short convolution. 0: there are none. */
function recurrentState(number: (key: string) => number): number {
  const inner = number('ssm.inner_size')
  const mamba =
    Math.max(0, number('ssm.conv_kernel') - 1) * (inner + 2 * number('ssm.group_count') * number('ssm.state_size')) +
    number('ssm.state_size') * inner
  const rwkv = number('wkv.head_size') === 0 ? 0 : number('embedding_length') * (number('wkv.head_size') + 2)
  const shortConvolution = Math.max(0, number('shortconv.l_cache') - 1) * number('embedding_length')
  return mamba + rwkv + shortConvolution
}

/**
 * Every nth layer attends to everything where the architecture fixes that in code (`set_swa_pattern` of llama.cpp). A layer
 * of any other architecture counts as full, which errs on the safe side.
 */
const fullLayerEvery: ReadonlyMap<string, number> = new Map([
  ['gemma2', 2],
  ['gemma3', 6],
  ['gemma3n', 5],
  ['gpt-oss', 2],
  ['cohere2', 4],
  ['llama4', 4],
  ['olmo2', 4],
  ['exaone4', 4],
])

function slides(architecture: string, pattern: unknown, layer: number): boolean {
  if (Array.isArray(pattern)) return Boolean(pattern[layer])
  const every = typeof pattern === 'number' ? pattern : fullLayerEvery.get(architecture)
  return every !== undefined && every > 0 && (layer + 1) % every !== 0
}
