import { basename } from 'node:path'
import { type GgufFile, readGguf } from './gguf.ts'
import type { GgufValue } from './gguf-header.ts'
import { kvCost } from './kv-cache.ts'
import { ModelError } from './model-error.ts'
import type { ModelFile } from './resolve.ts'

/** What a GGUF says about itself. */
export interface ModelFacts {
  readonly architecture: string
  /** `general.name`; `null`: the file does not say. */
  readonly displayName: string | null
  readonly parameters: number
  /** `null`: the file does not say. */
  readonly trainContextTokens: number | null
  readonly layers: number
  /** KV cache of one more token in one slot, f16. */
  readonly kvBytesPerToken: number
  /** What a slot holds whatever its context: sliding windows and states of recurrent layers. */
  readonly kvBytesPerSlot: number
  /** All tensors. */
  readonly weightsBytes: number
  readonly vocabularyTokens: number
  /** `tokenizer.ggml.model`: `gpt2` (byte-level BPE), `llama` (SentencePiece), ... */
  readonly vocabularyKind: string
  readonly embeddingWidth: number
  /** Of the experts that answer together, where there are some. */
  readonly feedForwardWidth: number
  readonly chatTemplate: string | null
  /** `tokenizer.chat_template.NAME`, such as `tool_use`. */
  readonly namedChatTemplates: Readonly<Record<string, string>>
  readonly sampling: SamplingDefaults
}

/** What the model's makers advise (`general.sampling.*`). `null`: the file does not say. */
export interface SamplingDefaults {
  readonly temperature: number | null
  readonly topK: number | null
  readonly topP: number | null
  readonly minP: number | null
}

/**
 * Reads the header only: milliseconds, whatever the size of the model, and no native library.
 * @throws ModelError when the file is damaged or cannot answer messages
 */
export async function inspectModel(file: ModelFile): Promise<ModelFacts> {
  const gguf = await readGguf(file.path)
  refuseOthers(gguf, basename(file.path))
  const { metadata, tensors } = gguf
  const architecture = text(metadata.get('general.architecture')) ?? ''
  const ofModel = (key: string): number | null => number(metadata.get(`${architecture}.${key}`))
  const kv = kvCost(gguf)
  return {
    architecture,
    displayName: text(metadata.get('general.name')),
    parameters: tensors.reduce(
      (sum, { dimensions }) => sum + dimensions.reduce((product, size) => product * size, 1),
      0,
    ),
    trainContextTokens: ofModel('context_length'),
    layers: ofModel('block_count') ?? 0,
    kvBytesPerToken: kv.perToken,
    kvBytesPerSlot: kv.perSlot,
    weightsBytes: gguf.tensorBytes,
    vocabularyTokens: vocabularyTokens(metadata.get('tokenizer.ggml.tokens')) ?? ofModel('vocab_size') ?? 0,
    vocabularyKind: text(metadata.get('tokenizer.ggml.model')) ?? 'unknown',
    embeddingWidth: ofModel('embedding_length') ?? 0,
    feedForwardWidth: Math.max(
      ofModel('feed_forward_length') ?? 0,
      (ofModel('expert_feed_forward_length') ?? ofModel('feed_forward_length') ?? 0) *
        (ofModel('expert_used_count') ?? 0),
    ),
    chatTemplate: text(metadata.get('tokenizer.chat_template')),
    namedChatTemplates: namedTemplates(metadata),
    sampling: {
      temperature: number(metadata.get('general.sampling.temp')),
      topK: number(metadata.get('general.sampling.top_k')),
      topP: number(metadata.get('general.sampling.top_p')),
      minP: number(metadata.get('general.sampling.min_p')),
    },
  }
}

/** Architectures that only encode; an architecture that is new to us is left to the engine. */
const encoders = new Set([
  'bert',
  'modern-bert',
  'nomic-bert',
  'nomic-bert-moe',
  'neo-bert',
  'jina-bert-v2',
  'jina-bert-v3',
  'eurobert',
  'gemma-embedding',
  'llama-embed',
  't5',
  't5encoder',
])

const poolingNone = 0

function refuseOthers({ metadata, tensors }: GgufFile, name: string): void {
  const architecture = text(metadata.get('general.architecture'))
  if (architecture === null) throw new ModelError(`${name} does not name its architecture: download another conversion`)
  const kind = text(metadata.get('general.type'))
  if (kind === 'adapter')
    throw new ModelError(`${name} is a LoRA adapter: merge it into its base model, or give --model that model`)
  if (kind === 'mmproj' || architecture === 'clip') {
    throw new ModelError(`${name} is the image part of a model: give --model the language model beside it`)
  }
  if (kind === 'imatrix' || kind === 'controlvector' || architecture === 'controlvector') {
    throw new ModelError(`${name} accompanies a model and is none itself: give --model the model's own .gguf file`)
  }
  if (tensors.length === 0) throw new ModelError(`${name} holds a vocabulary and no weights: choose a whole model`)
  const pooling = number(metadata.get(`${architecture}.pooling_type`)) ?? poolingNone
  const ranks = tensors.some((tensor) => tensor.name === 'cls.weight' || tensor.name === 'cls.output.weight')
  if (encoders.has(architecture) || pooling > poolingNone || ranks) {
    throw new ModelError(
      `${name} is an embedding or encoder model (${architecture}) and cannot answer messages: choose a chat model`,
    )
  }
}

/** llama.cpp writes -1 for "unspecified" into an unsigned field, and some files hold 64-bit values: all become plain numbers. */
function number(value: GgufValue | undefined): number | null {
  if (Array.isArray(value)) return Math.max(...value)
  return typeof value === 'number' || typeof value === 'bigint' ? Number(value) : null
}

function text(value: GgufValue | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function vocabularyTokens(value: GgufValue | undefined): number | null {
  return typeof value === 'object' ? value.length : null
}

function namedTemplates(metadata: GgufFile['metadata']): Readonly<Record<string, string>> {
  const prefix = 'tokenizer.chat_template.'
  const templates: Record<string, string> = {}
  for (const [key, value] of metadata) {
    if (key.startsWith(prefix) && typeof value === 'string') templates[key.slice(prefix.length)] = value
  }
  return templates
}
