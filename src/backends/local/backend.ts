import type { EncodedPrompt, LoadTask } from '../../../workers/messages.ts'
import type { Backend, Lane, Prepared } from '../../contract/backend.ts'
import { conversationKey, openingOf } from '../../contract/conversation.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { GenerateRequest } from '../../contract/request.ts'
import { type DecodePool, openDecodePool } from './pool.ts'
import { modelLoading, openTokenizer } from './prepare.ts'
import type { PoolReports } from './supervised-pool.ts'

export interface LocalBackendOptions {
  readonly name: string
  readonly createdAt: Date
  readonly workerCount: number
  /** Requests that run at once; `null`: as many as there are slots. */
  readonly concurrency: number | null
  readonly load: Omit<LoadTask, 'type' | 'port'>
  readonly reports: PoolReports
}

interface LocalPrepared extends Prepared {
  readonly prompt: EncodedPrompt
  readonly request: GenerateRequest
  readonly conversation: string
}

/** A GGUF model in decode workers, with a tokenizer thread beside them. */
export async function openLocalBackend(options: LocalBackendOptions): Promise<Backend> {
  const { name, load, reports } = options
  const [tokenizer, pool] = await openBoth(
    openTokenizer(load.modelPath, reports),
    openDecodePool({ workerCount: options.workerCount, load, reports }),
  )

  return {
    name,
    lane: laneOf(pool, options.concurrency),
    exists: true,
    get ready() {
      return pool.slotCount > 0 && tokenizer.ready
    },
    facts: () => ({
      contextTokens: load.contextTokens,
      createdAt: options.createdAt,
      // Calls and schemas are forced on any model by its grammar; what a model makes of them is its own.
      capabilities: { imageInput: false, thinking: tokenizer.thinks, structuredOutputs: true, tools: true },
    }),
    status: () => ({
      kind: 'local',
      contextTokens: load.contextTokens,
      slotsPerWorker: load.slotCount,
      workers: pool.status(),
    }),
    async prepare(request, call): Promise<LocalPrepared> {
      if (pool.slotCount === 0) throw modelLoading()
      const prompt = await tokenizer.encode(request)
      refuseOverflow(prompt.tokens.length, request, load.contextTokens)
      return {
        promptTokens: prompt.tokens.length,
        prompt,
        request,
        conversation: conversationKey(openingOf(request), call.session),
      }
    },
    countTokens: (request) => tokenizer.countTokens(request),
    async generate(prepared, sink, call) {
      const { prompt, conversation, request } = prepared as LocalPrepared
      const { maxTokens, sampling, stopSequences } = request
      await pool.run({ prompt, conversation, maxTokens, sampling, stopSequences }, sink, call.signal)
    },
    async close() {
      await Promise.all([pool.close(), tokenizer.close()])
    },
    async destroy() {
      await Promise.all([pool.destroy(), tokenizer.close()])
    },
  }
}

/** Clients compact their conversation, or lower `max_tokens`, on exactly these wordings (api-surface.md section 3). */
function refuseOverflow(promptTokens: number, request: GenerateRequest, contextTokens: number): void {
  if (promptTokens >= contextTokens) {
    throw new HeadendError('context-overflow', `prompt is too long: ${promptTokens} tokens > ${contextTokens} maximum`)
  }
  const { maxTokens, outputMustFit } = request
  if (!outputMustFit || maxTokens === null || promptTokens + maxTokens <= contextTokens) return
  const sum = `${promptTokens} + ${maxTokens} > ${contextTokens}`
  const remedy = 'decrease input length or `max_tokens` and try again'
  throw new HeadendError('context-overflow', `input length and \`max_tokens\` exceed context limit: ${sum}, ${remedy}`)
}

/** Side by side, as each takes its time; when one fails the other must not stay behind. */
async function openBoth<One extends Closable, Other extends Closable>(
  one: Promise<One>,
  other: Promise<Other>,
): Promise<[One, Other]> {
  const [first, second] = await Promise.allSettled([one, other])
  if (first.status === 'fulfilled' && second.status === 'fulfilled') return [first.value, second.value]
  for (const opened of [first, second]) if (opened.status === 'fulfilled') await opened.value.close()
  throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason
}

interface Closable {
  close(): Promise<void>
}

/** The slots of the workers that are up, of which `concurrency` may leave some idle. */
export function laneOf(pool: Pick<DecodePool, 'slotCount' | 'watch'>, concurrency: number | null): Lane {
  return {
    get capacity() {
      return Math.min(pool.slotCount, concurrency ?? pool.slotCount)
    },
    watchCapacity: (listener) => pool.watch(listener),
  }
}
