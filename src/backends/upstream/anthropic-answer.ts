import { HeadendError } from '../../contract/errors.ts'
import type { StreamEvent } from '../../contract/events.ts'
import { type AnthropicAnswerOptions, AnthropicDecoder, parseWire } from './anthropic-decoder.ts'
import { explainStreamError } from './upstream-error.ts'

/**
 * A whole message of the Messages API to the same events as a stream of it: https://docs.anthropic.com/en/api/messages
 * @throws HeadendError upstream-malformed: it is none; or what an error in its place says
 */
export function decodeAnthropicAnswer(
  body: Uint8Array,
  emit: (event: StreamEvent) => void,
  options: AnthropicAnswerOptions,
): void {
  const message = parseWire(utf8.decode(body))
  if (message?.type === 'error' || message?.error !== undefined) throw explainStreamError(message.error ?? message)
  if (!Array.isArray(message?.content)) {
    throw new HeadendError('upstream-malformed', 'the upstream answered with something that is not a message')
  }
  const decoder = new AnthropicDecoder(emit, options)
  decoder.read({ type: 'message_start', message })
  for (const [index, block] of (message.content as readonly unknown[]).entries()) {
    decoder.read({ type: 'content_block_start', index, content_block: block })
    decoder.read({ type: 'content_block_stop', index })
  }
  decoder.read({ type: 'message_delta', delta: message, usage: message.usage })
  decoder.read({ type: 'message_stop' })
}

// Reused: it keeps no state between whole bodies. It also takes a leading byte order mark away.
const utf8 = new TextDecoder()
