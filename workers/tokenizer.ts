import type { MessagePort } from 'node:worker_threads'
import { getLlama, LlamaLogLevel, type LlamaModel } from 'node-llama-cpp'
import type { GenerateRequest } from '../src/contract/request.ts'
import { disposeOnFailure } from './dispose-on-failure.ts'
import { type Encoded, encodeSegments } from './formats/encode.ts'
import { type OutputFormat, readOutputFormat } from './formats/output-format.ts'
import { type PlanContext, planOutput, wantsThought } from './formats/output-plan.ts'
import { type ChatFormat, chooseFormat } from './formats/registry.ts'
import { type RenderedConversation, renderConversation } from './formats/render.ts'
import { readVocabulary } from './formats/vocabulary.ts'
import type { EncodedPrompt, LoadProgress, OutputPlan, TokenizerResult, TokenizerTask } from './messages.ts'

/** Piscina entry of the tokenizer pool: vocabulary only. Renders, tokenises, counts. */
export default async function run(task: TokenizerTask): Promise<TokenizerResult> {
  switch (task.type) {
    case 'load':
      return { type: 'loaded', thinking: await load(task.modelPath, task.port) }
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
  readonly context: PlanContext
}

let loaded: Tokenizer | null = null

async function load(modelPath: string, port: MessagePort): Promise<boolean> {
  const report = (progress: LoadProgress): void => port.postMessage(progress)
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.error })
  const model = await disposeOnFailure(llama, () => llama.loadModel({ modelPath, vocabOnly: true }))
  const format = chooseFormat({
    chatTemplate: readChatTemplate(model),
    tokens: { bos: model.tokens.bosString ?? '', eos: model.tokens.eosString ?? '' },
    hasControlToken: (text) => model.tokenize(text, true).length === 1,
  })
  const vocabulary = readVocabulary(model, format.source)
  const output = readOutputFormat(format, vocabulary)
  const onLoosened = (entries: readonly string[]): void => {
    report({
      type: 'log',
      level: 'debug',
      message: `Schemas that the grammar follows only in part: ${entries.join('; ')}`,
    })
  }
  loaded = { format, context: { format: output, vocabulary, onLoosened } }
  if (format.warning !== null) report({ type: 'log', level: 'warn', message: format.warning })
  return output.thinking !== null
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

interface Prompt extends Encoded {
  readonly output: OutputPlan
}

function encode({ format, context }: Tokenizer, request: GenerateRequest): Prompt {
  const { text, held, prefill } = render(format, context.format, request)
  const { thought, call, plan } = planOutput(context, request, text)
  return { ...encodeSegments(context.vocabulary, held.split(text + thought + prefill + call)), output: plan }
}

function render({ template }: ChatFormat, output: OutputFormat, request: GenerateRequest): RenderedConversation {
  try {
    return renderConversation(template, request, { ...output, thinking: wantsThought(request) })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const message = `messages: the chat template of this model refuses this conversation: ${reason}`
    throw new TemplateRefusal(message, { cause })
  }
}

function share({ tokens, marks, output }: Prompt, { stops }: ChatFormat): EncodedPrompt {
  const shared = new Uint32Array(new SharedArrayBuffer(tokens.length * Uint32Array.BYTES_PER_ELEMENT))
  shared.set(tokens)
  return { tokens: shared, marks, output, formatStops: stops }
}
