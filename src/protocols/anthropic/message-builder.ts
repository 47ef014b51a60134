import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead, Usage } from '../../contract/events.ts'
import type { Exchange } from '../../contract/exchange.ts'
import { repairJsonObject } from '../../text/json-prefix.ts'
import type { MessageContent } from '../../wire/anthropic-reply.ts'
import type { Finish } from '../stream-reply.ts'
import { WholeReply } from '../whole-reply.ts'
import { refuse } from './error-body.ts'
import { messageUsage, newMessage, type ReplyOptions, stopDetails, stopReason } from './message-fields.ts'
import { encodeMessage } from './serializers.ts'
import { signThinking } from './signature.ts'
import { knowsContextFull } from './version.ts'

/** The reply for `stream: false`: one message. */
export class MessageBuilder extends WholeReply {
  readonly #options: ReplyOptions
  #content: MessageContent[] = []

  constructor(exchange: Exchange, options: ReplyOptions) {
    super(exchange)
    this.#options = options
  }

  protected override clear(): void {
    this.#content = []
  }

  /** Empty blocks are left out: a client that sent one back would get a 400. */
  protected override addBlock(head: BlockHead, text: string): void {
    switch (head.kind) {
      case 'text':
        if (text !== '') this.#content.push({ type: 'text', text, citations: null })
        break
      case 'thinking':
        if (text !== '') this.#content.push(this.#thinking(text))
        break
      case 'tool-call': {
        const { id, name } = head
        this.#content.push({ type: 'tool_use', id, name, input: repairJsonObject(text), caller: { type: 'direct' } })
        break
      }
      default:
        head satisfies never
    }
  }

  #thinking(text: string): MessageContent {
    return { type: 'thinking', thinking: this.#options.showsThinking ? text : '', signature: signThinking(text) }
  }

  protected override encode(event: Finish, usage: Usage): string {
    return encodeMessage({
      ...newMessage(this.#options.model, messageUsage(usage, usage.outputTokens)),
      content: this.#content,
      stop_reason: stopReason(event.reason, knowsContextFull(this.exchange)),
      stop_sequence: event.stopSequence,
      stop_details: stopDetails(event),
    })
  }

  protected override refuse(error: HeadendError): void {
    refuse(this.exchange, error)
  }
}
