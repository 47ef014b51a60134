import type { FinishReason, Usage } from '../../contract/events.ts'
import { createIdMaker } from '../../text/random-id.ts'
import type { ChatFinishReason, ChatUsage, CompletionHead } from '../../wire/openai-reply.ts'
import type { Finish } from '../stream-reply.ts'

const newCompletionId = createIdMaker('chatcmpl-')

/** @param model as the client named it */
export function newHead(model: string): CompletionHead {
  return { id: newCompletionId(), created: Math.floor(Date.now() / 1000), model }
}

const finishReasons = {
  'end-turn': 'stop',
  'max-tokens': 'length',
  'stop-sequence': 'stop',
  'tool-call': 'tool_calls',
  'context-full': 'length',
  refusal: 'content_filter',
} as const satisfies Record<FinishReason, ChatFinishReason>

interface Ending {
  readonly finish_reason: ChatFinishReason
  readonly stop_reason?: string
}

export function endingOf({ reason, stopSequence }: Finish): Ending {
  const finish_reason = finishReasons[reason]
  return stopSequence === null ? { finish_reason } : { finish_reason, stop_reason: stopSequence }
}

/** Prompt tokens include those that were in a cache. */
export function chatUsage({
  inputTokens,
  cachedTokens,
  cacheWriteTokens,
  outputTokens,
  thinkingTokens,
}: Usage): ChatUsage {
  const promptTokens = inputTokens + cachedTokens + cacheWriteTokens.short + cacheWriteTokens.long
  return {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
    prompt_tokens_details: { cached_tokens: cachedTokens },
    ...(thinkingTokens !== null && { completion_tokens_details: { reasoning_tokens: thinkingTokens } }),
  }
}
