import type { Protocol } from '../../contract/protocol.ts'
import { encodeError, refuse } from './error-body.ts'
import { MessageBuilder } from './message-builder.ts'
import { parseCount, parseMessages } from './parse.ts'
import { encodeCount } from './serializers.ts'
import { StreamEncoder, type StreamSettings } from './stream-encoder.ts'

/** The Messages API: https://docs.anthropic.com/en/api/messages */
export function createAnthropicProtocol(settings: StreamSettings): Protocol {
  return {
    name: 'anthropic',
    parse: parseMessages,
    parseCount,
    openReply: (exchange, request) =>
      request.stream
        ? new StreamEncoder(exchange, request.model, settings)
        : new MessageBuilder(exchange, request.model),
    replyCount: (exchange, inputTokens) => {
      const body = encodeCount({ input_tokens: inputTokens, context_management: null })
      exchange.respond(200, { 'content-type': 'application/json' }, body)
    },
    refuse,
    errorBody: encodeError,
  }
}
