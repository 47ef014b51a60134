import type { Draft } from '../../contract/protocol.ts'
import type { GenerateRequest } from '../../contract/request.ts'
import type { ChatRequestParam } from '../../wire/openai-inbound.ts'
import { decodeBody } from '../decode-body.ts'
import { sessionName } from '../session-name.ts'
import { toConversation } from './conversation.ts'
import { openingOf } from './opening.ts'
import { toOutputSchema } from './output-format.ts'
import { toSampling, toStopSequences } from './sampling.ts'
import { toThinking } from './thinking.ts'
import { toToolChoice, toTools } from './tools.ts'
import { refuseUnsupported } from './unsupported.ts'
import { checkChatRequest } from './validate.ts'

export interface ChatDraft extends Draft {
  /** A last chunk tells the usage. */
  readonly includesUsage: boolean
}

/**
 * Bytes to request, in the order in which mistakes are reported: UTF-8, JSON and shape at once, the meaning when the draft is
 * completed.
 */
export function parse(body: Uint8Array): ChatDraft {
  const wire: object = decodeBody(body)
  checkChatRequest(wire)
  return {
    model: wire.model,
    stream: wire.stream ?? false,
    maxTokens: maxTokensOf(wire),
    showsThinking: true,
    sessionHint: sessionName(wire.prompt_cache_key),
    fault: null, // what only the hosted service has is a matter of meaning here: no shape says it
    includesUsage: wire.stream_options?.include_usage ?? false,
    opening: () => openingOf(wire),
    complete: () => toRequest(wire),
  }
}

function toRequest(wire: ChatRequestParam): GenerateRequest {
  refuseUnsupported(wire)
  const { system, turns } = toConversation(wire.messages)
  const tools = toTools(wire)
  const toolChoice = toToolChoice(wire, tools)
  const maxTokens = maxTokensOf(wire)
  const { thinking, effort } = toThinking(wire.reasoning_effort ?? null, maxTokens, toolChoice)
  return {
    model: wire.model,
    system,
    turns,
    tools,
    toolChoice,
    thinking,
    effort,
    outputSchema: toOutputSchema(wire.response_format, turns),
    maxTokens,
    outputMustFit: false,
    sampling: toSampling(wire),
    stopSequences: toStopSequences(wire.stop),
    stream: wire.stream ?? false,
    userId: wire.safety_identifier ?? wire.user ?? null, // the former takes the place of the latter
  }
}

/** -1 and nothing at all both say: as many as the context holds. */
function maxTokensOf({ max_completion_tokens, max_tokens }: ChatRequestParam): number | null {
  const limit = max_completion_tokens ?? max_tokens ?? -1
  return limit === -1 ? null : limit
}
