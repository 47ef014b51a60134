import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead } from '../../contract/events.ts'
import type { Exchange } from '../../contract/exchange.ts'
import type { BlockStart, DeltaType } from '../../wire/anthropic-reply.ts'
import { type Finish, StreamReply, type StreamSettings } from '../stream-reply.ts'
import { encodeError, refuse } from './error-body.ts'
import { deltaUsage, messageUsage, newMessage, type ReplyOptions, stopDetails, stopReason } from './message-fields.ts'
import {
  blockStartFrame,
  blockStopFrame,
  deltaFrame,
  deltaHead,
  deltaTail,
  errorFrame,
  messageDeltaFrame,
  messageStartFrame,
  messageStopFrame,
  pingFrame,
} from './serializers.ts'
import { signThinking } from './signature.ts'
import { knowsContextFull } from './version.ts'

const deltaTypes = {
  text: 'text_delta',
  thinking: 'thinking_delta',
  'tool-call': 'input_json_delta',
} as const satisfies Record<BlockHead['kind'], DeltaType>

/** The reply for `stream: true`: https://docs.anthropic.com/en/docs/build-with-claude/streaming */
export class StreamEncoder extends StreamReply {
  readonly #options: ReplyOptions
  /** What the signature of a thinking block is made from. */
  #thought = ''

  constructor(exchange: Exchange, options: ReplyOptions, settings: StreamSettings) {
    super(exchange, settings, pingFrame)
    this.#options = options
    this.deltaTail = deltaTail
  }

  protected override begin(): void {
    // One output token, as the hosted API says here: the final count comes with message_delta.
    const message = newMessage(this.#options.model, messageUsage(this.usage, 1))
    this.send(messageStartFrame({ type: 'message_start', message }))
  }

  protected override prepareBlock(head: BlockHead): void {
    this.#thought = ''
    this.deltaHead = deltaHead(this.index, deltaTypes[head.kind])
  }

  protected override openBlock(head: BlockHead): void {
    this.send(blockStartFrame({ type: 'content_block_start', index: this.index, content_block: emptyBlock(head) }))
  }

  protected override shows(text: string): boolean {
    if (this.head.kind !== 'thinking') return true
    this.#thought += text
    return this.#options.showsThinking
  }

  protected override closeBlock(head: BlockHead): void {
    if (head.kind === 'thinking') {
      this.send(deltaFrame(deltaHead(this.index, 'signature_delta'), signThinking(this.#thought)))
    }
    this.send(blockStopFrame({ type: 'content_block_stop', index: this.index }))
  }

  protected override finish(event: Finish): void {
    const delta = {
      stop_reason: stopReason(event.reason, knowsContextFull(this.exchange)),
      stop_sequence: event.stopSequence,
      stop_details: stopDetails(event),
      container: null,
    }
    this.send(messageDeltaFrame({ type: 'message_delta', delta, usage: deltaUsage(event.usage ?? this.usage) }))
    this.send(messageStopFrame)
  }

  protected override failureFrame(error: HeadendError): string {
    return errorFrame(encodeError(error, this.exchange.id))
  }

  protected override refuse(error: HeadendError): void {
    refuse(this.exchange, error)
  }
}

function emptyBlock(head: BlockHead): BlockStart['content_block'] {
  switch (head.kind) {
    case 'text':
      return { type: 'text', text: '', citations: null }
    case 'thinking':
      return { type: 'thinking', thinking: '', signature: '' }
    case 'tool-call':
      return { type: 'tool_use', id: head.id, name: head.name, input: {}, caller: { type: 'direct' } }
    default:
      return head satisfies never
  }
}
