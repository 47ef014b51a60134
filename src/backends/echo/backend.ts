import type { Backend, Call, Prepared } from '../../contract/backend.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { EventSink, FinishReason, StreamEvent, Usage } from '../../contract/events.ts'
import { pause } from '../../contract/pause.ts'
import type { GenerateRequest } from '../../contract/request.ts'
import { createStopMatcher } from '../../text/stop-matcher.ts'
import { readScript } from './script.ts'

interface EchoPrepared extends Prepared {
  readonly request: GenerateRequest
}

const contextTokens = 200_000

/** Answers from a script instead of a model: for tests of clients, and to measure what everything but the model costs. */
export function createEchoBackend(capacity: number): Backend {
  return {
    name: 'echo',
    lane: { capacity, watchCapacity: () => {} },
    exists: true,
    ready: true,
    facts: () => ({ contextTokens, createdAt: new Date(0), capabilities: null }),
    status: () => ({ kind: 'echo' }),
    async prepare(request): Promise<EchoPrepared> {
      const promptTokens = estimateTokens(request)
      if (promptTokens >= contextTokens) {
        throw new HeadendError(
          'context-overflow',
          `prompt is too long: ${promptTokens} tokens > ${contextTokens} maximum`,
        )
      }
      return { promptTokens, request }
    },
    countTokens: async (request) => estimateTokens(request),
    generate: (prepared, sink, call) => echo(prepared as EchoPrepared, sink, call),
    close: async () => {},
    destroy: async () => {},
  }
}

async function echo({ request, promptTokens }: EchoPrepared, sink: EventSink, call: Call): Promise<void> {
  const script = readScript(request)
  const send = async (event: StreamEvent): Promise<void> => {
    if (!sink.write(event)) await sink.drained()
  }
  if (script.startDelayMs > 0) await pause(script.startDelayMs, call.signal)
  await send({ type: 'start', usage: usageOf(promptTokens, 0) })

  const matcher = createStopMatcher(request.stopSequences)
  const limit = request.maxTokens ?? Number.POSITIVE_INFINITY
  let outputTokens = 0
  let open = false
  const show = async (text: string): Promise<void> => {
    if (text === '') return
    if (!open) await send({ type: 'block-start', index: 0, block: { kind: 'text' } })
    open = true
    await send({ type: 'block-delta', index: 0, text })
  }
  for (const piece of script.pieces) {
    if (outputTokens >= limit || matcher.matched !== null) break
    if (script.delayMs > 0) await pause(script.delayMs, call.signal)
    call.signal.throwIfAborted()
    if (outputTokens === script.failAfter) throw new HeadendError('internal', 'The echo script asked for this failure')
    outputTokens++
    await show(matcher.push(piece))
  }
  await show(matcher.flush())
  if (open) await send({ type: 'block-end', index: 0 })

  const cut: FinishReason = outputTokens < script.pieces.length ? 'max-tokens' : script.finish
  const reason = matcher.matched === null ? cut : 'stop-sequence'
  const usage = usageOf(promptTokens, outputTokens)
  await send({ type: 'finish', reason, stopSequence: matcher.matched, explanation: null, usage })
}

/** Roughly four characters a token; what is counted is what would be rendered. */
function estimateTokens(request: GenerateRequest): number {
  return Math.ceil(JSON.stringify([request.system, request.turns, request.tools]).length / 4)
}

function usageOf(inputTokens: number, outputTokens: number): Usage {
  return { inputTokens, outputTokens, cachedTokens: 0, cacheWriteTokens: { short: 0, long: 0 }, thinkingTokens: null }
}
