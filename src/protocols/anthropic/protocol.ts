import type { CountingProtocol } from '../../contract/protocol.ts'
import type { StreamSettings } from '../stream-reply.ts'
import { encodeError, refuse } from './error-body.ts'
import { MessageBuilder } from './message-builder.ts'
import { createParser } from './parse.ts'
import { encodeCount } from './serializers.ts'
import { StreamEncoder } from './stream-encoder.ts'
import { lenientRules, strictRules } from './strict.ts'

export interface AnthropicSettings extends StreamSettings {
  /** Refuse what the hosted API refuses, also where real clients send it. */
  readonly strict: boolean
}

/** The Messages API: https://docs.anthropic.com/en/api/messages */
export function createAnthropicProtocol(settings: AnthropicSettings): CountingProtocol {
  return {
    name: 'anthropic',
    ...createParser(settings.strict ? strictRules : lenientRules),
    openReply(exchange, { model, stream, showsThinking }) {
      const options = { model, showsThinking }
      return stream ? new StreamEncoder(exchange, options, settings) : new MessageBuilder(exchange, options)
    },
    replyCount: (exchange, inputTokens) => {
      const body = encodeCount({ input_tokens: inputTokens, context_management: null })
      exchange.respond(200, { 'content-type': 'application/json' }, body)
    },
    refuse,
    errorBody: encodeError,
  }
}
