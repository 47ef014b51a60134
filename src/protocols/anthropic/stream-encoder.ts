import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead, StreamEvent, Usage } from '../../contract/events.ts'
import type { Exchange, FrameWriter } from '../../contract/exchange.ts'
import type { Reply, ReplyRelay } from '../../contract/reply.ts'
import type { BlockStart, DeltaType } from '../../wire/anthropic-reply.ts'
import { encodeError, hasReader, refuse } from './error-body.ts'
import {
  deltaUsage,
  messageUsage,
  newMessage,
  type ReplyOptions,
  stopDetails,
  stopReason,
  unknownUsage,
} from './message-fields.ts'
import {
  blockStartFrame,
  blockStopFrame,
  deltaFrame,
  deltaHead,
  errorFrame,
  messageDeltaFrame,
  messageStartFrame,
  messageStopFrame,
  pingFrame,
} from './serializers.ts'
import { signThinking } from './signature.ts'
import { knowsContextFull } from './version.ts'

export interface StreamSettings {
  /** A reply that has waited this long sends its status and a ping; later refusals are error events. Milliseconds. */
  readonly commitAfterMs: number
  /** What one stream may hold for a reader that takes nothing. Bytes. */
  readonly streamBufferBytes: number
}

const streamHeaders = {
  'content-type': 'text/event-stream; charset=utf-8',
  'cache-control': 'no-cache',
  'x-accel-buffering': 'no', // nginx would collect the events otherwise
} as const

const deltaTypes = {
  text: 'text_delta',
  thinking: 'thinking_delta',
  'tool-call': 'input_json_delta',
} as const satisfies Record<BlockHead['kind'], DeltaType>

/**
 * The reply for `stream: true`: events to SSE frames. While the reader is slow the deltas of the open block are
 * collected into one, and only when `streamBufferBytes` are held is the producer asked to wait: a short stall does not
 * pause the model.
 */
export class StreamEncoder implements Reply {
  started = false
  onStarted = nothing
  readonly #exchange: Exchange
  readonly #options: ReplyOptions
  readonly #bufferBytesMax: number
  readonly #commitTimer: NodeJS.Timeout
  #writer: FrameWriter | null = null
  /** Finished or failed: nothing more is written. */
  #done = false
  #usage = unknownUsage

  #head: BlockHead = { kind: 'text' }
  /** Of the open or the next block. Blocks that stay empty are never opened: the backend's index may run ahead. */
  #index = 0
  #blockOpen = false
  /** Between `block-start` and `block-end`. */
  #inBlock = false
  #deltaHead = ''
  #hasDeltas = false
  /** What the signature of a thinking block is made from. */
  #thought = ''

  #stall: Promise<void> | null = null
  #pending = ''
  #pendingBytes = 0
  /** Handed to the writer since it became full: those bytes are still in memory, too. */
  #stalledBytes = 0

  constructor(exchange: Exchange, options: ReplyOptions, settings: StreamSettings) {
    this.#exchange = exchange
    this.#options = options
    this.#bufferBytesMax = settings.streamBufferBytes
    this.#commitTimer = setTimeout(() => this.#commitLate(), settings.commitAfterMs)
  }

  get congested(): boolean {
    return this.#stall !== null
  }

  get relay(): ReplyRelay {
    return { kind: 'stream', begin: (headers) => this.#beginRelay(headers) }
  }

  write(event: StreamEvent): boolean {
    if (this.#done) return !this.#exchange.signal.aborted
    // Whatever a backend emits, what goes out is legal: what is missing is added, what is out of place is dropped.
    if (!this.started && event.type !== 'start') this.#start(null)
    switch (event.type) {
      case 'block-delta':
        if (this.#inBlock && event.text !== '') this.#writeDelta(event.text)
        break
      case 'start':
        if (!this.started) this.#start(event.usage)
        break
      case 'block-start':
        this.#startBlock(event.block)
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
    return this.#pendingBytes + this.#stalledBytes < this.#bufferBytesMax
  }

  drained(): Promise<void> {
    const { signal } = this.#exchange
    return signal.aborted ? Promise.reject(signal.reason) : (this.#stall ?? Promise.resolve())
  }

  fail(error: HeadendError): void {
    if (this.#done) return
    if (this.#writer === null) refuse(this.#exchange, error)
    else this.#failStream(this.#writer, error)
    this.#close()
  }

  /** Open blocks are not closed, and no ending is made up: the error event is the last one. */
  #failStream(writer: FrameWriter, error: HeadendError): void {
    if (!hasReader(error)) return
    this.#flushPending()
    writer.write(errorFrame(encodeError(error, this.#exchange.id)))
    writer.end()
  }

  #close(): void {
    this.#done = true
    this.#pending = ''
    clearTimeout(this.#commitTimer)
  }

  #open(headers: Readonly<Record<string, string>> = streamHeaders): FrameWriter {
    this.#writer ??= this.#exchange.openStream(200, headers, { pingFrame })
    return this.#writer
  }

  #beginRelay(headers: Readonly<Record<string, string>>): FrameWriter {
    clearTimeout(this.#commitTimer)
    this.#noteStart()
    return this.#open({ ...headers, ...streamHeaders })
  }

  #commitLate(): void {
    if (this.#done || this.#exchange.signal.aborted) return
    this.#open().write(pingFrame)
  }

  #start(usage: Usage | null): void {
    clearTimeout(this.#commitTimer)
    this.#usage = usage ?? unknownUsage
    this.#open()
    this.#noteStart()
    // One output token, as the hosted API says here: the final count comes with message_delta.
    const message = newMessage(this.#options.model, messageUsage(this.#usage, 1))
    this.#send(messageStartFrame({ type: 'message_start', message }))
  }

  #noteStart(): void {
    this.started = true
    this.onStarted()
  }

  #startBlock(head: BlockHead): void {
    this.#endBlock()
    this.#inBlock = true
    this.#head = head
    this.#hasDeltas = false
    this.#thought = ''
    this.#deltaHead = deltaHead(this.#index, deltaTypes[head.kind])
    // A call counts without arguments, while clients that send an empty text or thinking block back get a 400.
    if (head.kind === 'tool-call') this.#openBlock()
  }

  #openBlock(): void {
    this.#blockOpen = true
    this.#send(
      blockStartFrame({ type: 'content_block_start', index: this.#index, content_block: emptyBlock(this.#head) }),
    )
  }

  #writeDelta(text: string): void {
    if (!this.#blockOpen) this.#openBlock()
    if (this.#head.kind === 'thinking') {
      this.#thought += text
      if (!this.#options.showsThinking) return
    }
    this.#hasDeltas = true
    if (this.#stall === null) {
      this.#send(deltaFrame(this.#deltaHead, text))
    } else {
      this.#pending += text
      this.#pendingBytes += Buffer.byteLength(text)
    }
  }

  #endBlock(): void {
    this.#inBlock = false
    this.#flushPending()
    if (!this.#blockOpen) return
    if (this.#head.kind === 'thinking') {
      this.#send(deltaFrame(deltaHead(this.#index, 'signature_delta'), signThinking(this.#thought)))
    }
    // SDKs parse what the deltas add up to: a call without arguments needs one that is an object.
    if (this.#head.kind === 'tool-call' && !this.#hasDeltas) this.#send(deltaFrame(this.#deltaHead, '{}'))
    this.#send(blockStopFrame({ type: 'content_block_stop', index: this.#index }))
    this.#blockOpen = false
    this.#index += 1
  }

  #finish(event: Extract<StreamEvent, { readonly type: 'finish' }>): void {
    this.#endBlock()
    const delta = {
      stop_reason: stopReason(event.reason, knowsContextFull(this.#exchange)),
      stop_sequence: event.stopSequence,
      stop_details: stopDetails(event),
      container: null,
    }
    this.#send(messageDeltaFrame({ type: 'message_delta', delta, usage: deltaUsage(event.usage ?? this.#usage) }))
    this.#send(messageStopFrame)
    this.#writer?.end()
    this.#close()
  }

  #flushPending(): void {
    if (this.#pending === '') return
    const frame = deltaFrame(this.#deltaHead, this.#pending)
    this.#pending = ''
    this.#pendingBytes = 0
    this.#send(frame)
  }

  #send(frame: string): void {
    const writer = this.#writer as FrameWriter // open since `start`
    if (writer.write(frame)) return
    this.#stalledBytes += Buffer.byteLength(frame)
    if (this.#stall === null) this.#waitFor(writer)
  }

  /** One promise per stall, not per token. */
  #waitFor(writer: FrameWriter): void {
    this.#stall = writer.drained().then(() => this.#resume())
    this.#stall.catch(nothing) // the client has gone: whoever awaits `drained()` learns why
  }

  #resume(): void {
    this.#stall = null
    this.#stalledBytes = 0
    if (!this.#done) this.#flushPending()
  }
}

function nothing(): void {}

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
