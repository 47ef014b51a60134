import type { FinishReason, Usage } from '../../contract/events.ts'
import type { Message, MessageDelta, MessageUsage, StopReason } from '../../wire/anthropic-reply.ts'
import type { Finish } from '../stream-reply.ts'
import { newMessageId } from './identifiers.ts'

/** What the answer shows of the request that it answers. */
export interface ReplyOptions {
  /** As the client named it. */
  readonly model: string
  /** `false`: thinking blocks are empty but for their signature. */
  readonly showsThinking: boolean
}

const stopReasons = {
  'end-turn': 'end_turn',
  'max-tokens': 'max_tokens',
  'stop-sequence': 'stop_sequence',
  'tool-call': 'tool_use',
  'context-full': 'model_context_window_exceeded',
  refusal: 'refusal',
} as const satisfies Record<FinishReason, StopReason>

/** @param knowsContextFull see `version.ts` */
export function stopReason(reason: FinishReason, knowsContextFull: boolean): StopReason {
  return reason === 'context-full' && !knowsContextFull ? 'max_tokens' : stopReasons[reason]
}

/** A message that has just begun: nothing in it yet, every field there. */
export function newMessage(model: string, usage: MessageUsage): Message {
  return {
    id: newMessageId(),
    type: 'message',
    role: 'assistant',
    model,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    stop_details: null,
    container: null,
    diagnostics: null,
    usage,
  }
}

export function stopDetails({ reason, explanation }: Finish): Message['stop_details'] {
  return reason === 'refusal' ? { type: 'refusal', category: null, explanation } : null
}

export function messageUsage(usage: Usage, outputTokens: number): MessageUsage {
  const { short, long } = usage.cacheWriteTokens
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: short + long,
    cache_read_input_tokens: usage.cachedTokens,
    cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: long },
    output_tokens: outputTokens,
    output_tokens_details: thinkingDetails(usage),
    server_tool_use: null,
    service_tier: 'standard',
    inference_geo: null,
    speed: null,
  }
}

/** Cumulative totals: clients overwrite what `message_start` told them. */
export function deltaUsage(usage: Usage): MessageDelta['usage'] {
  return {
    input_tokens: usage.inputTokens,
    cache_creation_input_tokens: usage.cacheWriteTokens.short + usage.cacheWriteTokens.long,
    cache_read_input_tokens: usage.cachedTokens,
    output_tokens: usage.outputTokens,
    output_tokens_details: thinkingDetails(usage),
    server_tool_use: null,
  }
}

function thinkingDetails({ thinkingTokens }: Usage): MessageUsage['output_tokens_details'] {
  return thinkingTokens === null ? null : { thinking_tokens: thinkingTokens }
}
