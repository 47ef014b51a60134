import type { Exchange } from '../../contract/exchange.ts'
import type { Protocol } from '../../contract/protocol.ts'
import type { Reply } from '../../contract/reply.ts'
import type { StreamSettings } from '../stream-reply.ts'
import { CompletionBuilder } from './completion-builder.ts'
import { encodeError, refuse } from './error-body.ts'
import { type ChatDraft, parse } from './parse.ts'
import { StreamEncoder } from './stream-encoder.ts'

/** The chat completions API: https://platform.openai.com/docs/api-reference/chat */
export function createOpenaiProtocol(settings: StreamSettings): Protocol {
  return {
    name: 'openai',
    parse,
    openReply(exchange: Exchange, { model, stream, includesUsage }: ChatDraft): Reply {
      exchange.addHeader('x-request-id', exchange.id) // where this API's clients look for it
      if (!stream) return new CompletionBuilder(exchange, model)
      return new StreamEncoder(exchange, { model, includesUsage }, settings)
    },
    refuse(exchange, error) {
      exchange.addHeader('x-request-id', exchange.id)
      refuse(exchange, error)
    },
    errorBody: encodeError,
  }
}
