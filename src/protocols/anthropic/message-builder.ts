import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead, StreamEvent } from '../../contract/events.ts'
import type { Exchange } from '../../contract/exchange.ts'
import type { Reply, ReplyRelay } from '../../contract/reply.ts'
import { repairJsonObject } from '../../text/json-prefix.ts'
import type { MessageContent } from '../../wire/anthropic-reply.ts'
import { refuse } from './error-body.ts'
import { messageUsage, newMessage, type ReplyOptions, stopDetails, stopReason, unknownUsage } from './message-fields.ts'
import { encodeMessage } from './serializers.ts'
import { signThinking } from './signature.ts'
import { knowsContextFull } from './version.ts'

/**
 * The reply for `stream: false`: one JSON message at the end. It never commits early, so every failure keeps its own
 * status. What it holds is bounded by the token limit, so it never asks the producer to wait.
 */
export class MessageBuilder implements Reply {
  /** Everything is held until the end: there is no socket to wait for. */
  readonly congested = false
  /** Until the message is out another backend may begin again: its `start` drops what there was. */
  started = false
  onStarted = nothing
  readonly #exchange: Exchange
  readonly #options: ReplyOptions
  #content: MessageContent[] = []
  /** Of the open block; `null`: none is open, and what belongs to one is dropped. */
  #head: BlockHead | null = null
  #text = ''
  #usage = unknownUsage

  constructor(exchange: Exchange, options: ReplyOptions) {
    this.#exchange = exchange
    this.#options = options
  }

  get relay(): ReplyRelay {
    return { kind: 'whole', respond: (headers, body) => this.#respond(headers, body) }
  }

  write(event: StreamEvent): boolean {
    switch (event.type) {
      case 'start':
        this.#content = []
        this.#head = null
        this.#usage = event.usage ?? unknownUsage
        break
      case 'block-start':
        this.#endBlock()
        this.#head = event.block
        this.#text = ''
        break
      case 'block-delta':
        this.#text += event.text
        break
      case 'block-end':
        this.#endBlock()
        break
      case 'finish':
        this.#finish(event)
        break
      default:
        event satisfies never
    }
    return true
  }

  drained(): Promise<void> {
    const { signal } = this.#exchange
    return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve()
  }

  fail(error: HeadendError): void {
    if (!this.started) refuse(this.#exchange, error)
  }

  /** Empty blocks are left out: a client that sent one back would get a 400. */
  #endBlock(): void {
    const text = this.#text
    const head = this.#head
    this.#head = null
    if (head === null) return
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

  #finish(event: Extract<StreamEvent, { readonly type: 'finish' }>): void {
    this.#endBlock()
    const usage = event.usage ?? this.#usage
    const body = encodeMessage({
      ...newMessage(this.#options.model, messageUsage(usage, usage.outputTokens)),
      content: this.#content,
      stop_reason: stopReason(event.reason, knowsContextFull(this.#exchange)),
      stop_sequence: event.stopSequence,
      stop_details: stopDetails(event),
    })
    this.#respond({}, body)
  }

  #respond(headers: Readonly<Record<string, string>>, body: string | Uint8Array): void {
    this.started = true
    this.onStarted()
    this.#exchange.respond(200, { ...headers, 'content-type': 'application/json' }, body)
  }
}

function nothing(): void {}
