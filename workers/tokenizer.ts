import type { MessagePort } from 'node:worker_threads'
import { getLlama, LlamaLogLevel, type LlamaModel } from 'node-llama-cpp'
import type { GenerateRequest } from '../src/contract/request.ts'
import { disposeOnFailure } from './dispose-on-failure.ts'
import { type Encoded, encodeSegments } from './formats/encode.ts'
import type { Segment } from './formats/placeholders.ts'
import { type ChatFormat, chooseFormat } from './formats/registry.ts'
import { renderPrompt } from './formats/render.ts'
import { readVocabulary, type Vocabulary } from './formats/vocabulary.ts'
import type { EncodedPrompt, LoadProgress, TokenizerResult, TokenizerTask } from './messages.ts'

/** Piscina entry of the tokenizer pool: vocabulary only. Renders, tokenises, counts. */
export default async function run(task: TokenizerTask): Promise<TokenizerResult> {
  switch (task.type) {
    case 'load':
      await load(task.modelPath, task.port)
      return { type: 'loaded' }
    case 'encode':
      return refusable((tokenizer) => ({
        type: 'encoded',
        prompt: share(encode(tokenizer, task.request), tokenizer.format),
      }))
    case 'count':
      return refusable((tokenizer) => ({ type: 'counted', tokens: encode(tokenizer, task.request).tokens.length }))
    default:
      return task satisfies never
  }
}

interface Tokenizer {
  readonly format: ChatFormat
  readonly vocabulary: Vocabulary
}

let loaded: Tokenizer | null = null

async function load(modelPath: string, port: MessagePort): Promise<void> {
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.error })
  const model = await disposeOnFailure(llama, () => llama.loadModel({ modelPath, vocabOnly: true }))
  const format = chooseFormat({
    chatTemplate: readChatTemplate(model),
    tokens: { bos: model.tokens.bosString ?? '', eos: model.tokens.eosString ?? '' },
    hasControlToken: (text) => model.tokenize(text, true).length === 1,
  })
  loaded = { format, vocabulary: readVocabulary(model, format.source) }
  if (format.warning !== null)
    port.postMessage({ type: 'log', level: 'warn', message: format.warning } satisfies LoadProgress)
  port.close()
}

function readChatTemplate(model: LlamaModel): string | null {
  const template = model.fileInfo.metadata.tokenizer?.chat_template
  return typeof template === 'string' && template.trim() !== '' ? template : null
}

/** A template may refuse a conversation that the protocol allows, such as one that begins with the assistant. */
class TemplateRefusal extends Error {}

function refusable(act: (tokenizer: Tokenizer) => TokenizerResult): TokenizerResult {
  if (loaded === null) {
    return { type: 'refused', kind: 'unavailable', message: 'The model is still loading; try again in a moment' }
  }
  try {
    return act(loaded)
  } catch (cause) {
    if (!(cause instanceof TemplateRefusal)) throw cause
    return { type: 'refused', kind: 'invalid-request', message: cause.message }
  }
}

function encode({ format, vocabulary }: Tokenizer, request: GenerateRequest): Encoded {
  return encodeSegments(vocabulary, render(format, request))
}

function render(format: ChatFormat, request: GenerateRequest): Segment[] {
  try {
    return renderPrompt(format.template, request)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TemplateRefusal(`messages: the chat template of this model refuses this conversation: ${reason}`, {
      cause,
    })
  }
}

function share({ tokens, marks }: Encoded, format: ChatFormat): EncodedPrompt {
  const shared = new Uint32Array(new SharedArrayBuffer(tokens.length * Uint32Array.BYTES_PER_ELEMENT))
  shared.set(tokens)
  return { tokens: shared, marks, formatStops: format.stops }
}
