import type { HeadendError } from '../contract/errors.ts'
import type { BlockHead, StreamEvent, Usage } from '../contract/events.ts'
import type { Exchange, FrameWriter } from '../contract/exchange.ts'
import type { Reply, ReplyRelay } from '../contract/reply.ts'
import { hasReader } from './refusal.ts'
import { unknownUsage } from './unknown-usage.ts'

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

export type Finish = Extract<StreamEvent, { readonly type: 'finish' }>

/**
 * The reply for `stream: true`, whatever its protocol: events to SSE frames. While the reader is slow the deltas of the open block
 * are collected into one, and only when `streamBufferBytes` are held is the producer asked to wait: a short stall does not
 * pause the model. A protocol says what its frames are.
 */
export abstract class StreamReply implements Reply {
  started = false
  onStarted = nothing
  protected readonly exchange: Exchange
  /** Of the request, as far as the backend has said. */
  protected usage = unknownUsage
  protected head: BlockHead = { kind: 'text' }
  /** Of the open or the next block. Blocks that stay empty are never opened: the backend's index may run ahead. */
  protected index = 0
  protected hasDeltas = false
  /** Around the quoted text of a delta's frame: the same for all deltas of one block. */
  protected deltaHead = ''
  protected deltaTail = ''
  readonly #bufferBytesMax: number
  readonly #pingFrame: string
  readonly #commitTimer: NodeJS.Timeout
  #writer: FrameWriter | null = null
  /** Finished or failed: nothing more is written. */
  #done = false

  #blockOpen = false
  /** Between `block-start` and `block-end`. */
  #inBlock = false

  #stall: Promise<void> | null = null
  #pending = ''
  #pendingBytes = 0
  /** Handed to the writer since it became full: those bytes are still in memory, too. */
  #stalledBytes = 0

  constructor(exchange: Exchange, settings: StreamSettings, pingFrame: string) {
    this.exchange = exchange
    this.#bufferBytesMax = settings.streamBufferBytes
    this.#pingFrame = pingFrame
    this.#commitTimer = setTimeout(() => this.#commitLate(), settings.commitAfterMs)
  }

  /** Sends the first frame. */
  protected abstract begin(): void
  /** Sets `deltaHead` and `deltaTail` for a block that may yet stay empty. */
  protected abstract prepareBlock(head: BlockHead): void
  /** Sends the frame that opens a block, if the protocol has one. */
  protected abstract openBlock(head: BlockHead): void
  /** `false`: this delta is not shown. */
  protected abstract shows(text: string): boolean
  /** Sends the frame that closes a block, if the protocol has one. */
  protected abstract closeBlock(head: BlockHead): void
  /** Sends the last frames of an answer that ended well. */
  protected abstract finish(event: Finish): void
  protected abstract failureFrame(error: HeadendError): string
  /** Answers with the error's own status: nothing is committed yet. */
  protected abstract refuse(error: HeadendError): void

  get congested(): boolean {
    return this.#stall !== null
  }

  get relay(): ReplyRelay {
    return { kind: 'stream', begin: (headers) => this.#beginRelay(headers) }
  }

  write(event: StreamEvent): boolean {
    if (this.#done) return !this.exchange.signal.aborted
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
    const { signal } = this.exchange
    return signal.aborted ? Promise.reject(signal.reason) : (this.#stall ?? Promise.resolve())
  }

  fail(error: HeadendError): void {
    if (this.#done) return
    if (this.#writer === null) this.refuse(error)
    else this.#failStream(this.#writer, error)
    this.#close()
  }

  protected send(frame: string): void {
    const writer = this.#writer as FrameWriter // open since `start`
    if (writer.write(frame)) return
    this.#stalledBytes += Buffer.byteLength(frame)
    if (this.#stall === null) this.#waitFor(writer)
  }

  protected sendDelta(text: string): void {
    this.send(this.deltaHead + JSON.stringify(text) + this.deltaTail)
  }

  /** Open blocks are not closed, and no ending is made up: the error event is the last one. */
  #failStream(writer: FrameWriter, error: HeadendError): void {
    if (!hasReader(error)) return
    this.#flushPending()
    writer.write(this.failureFrame(error))
    writer.end()
  }

  #close(): void {
    this.#done = true
    this.#pending = ''
    clearTimeout(this.#commitTimer)
  }

  #open(headers: Readonly<Record<string, string>> = streamHeaders): FrameWriter {
    this.#writer ??= this.exchange.openStream(200, headers, { pingFrame: this.#pingFrame })
    return this.#writer
  }

  #beginRelay(headers: Readonly<Record<string, string>>): FrameWriter {
    clearTimeout(this.#commitTimer)
    this.#noteStart()
    return this.#open({ ...headers, ...streamHeaders })
  }

  #commitLate(): void {
    if (this.#done || this.exchange.signal.aborted) return
    this.#open().write(this.#pingFrame)
  }

  #start(usage: Usage | null): void {
    clearTimeout(this.#commitTimer)
    this.usage = usage ?? unknownUsage
    this.#open()
    this.#noteStart()
    this.begin()
  }

  #noteStart(): void {
    this.started = true
    this.onStarted()
  }

  #startBlock(head: BlockHead): void {
    this.#endBlock()
    this.#inBlock = true
    this.head = head
    this.hasDeltas = false
    this.prepareBlock(head)
    // A call counts without arguments, while clients that send an empty text or thinking block back get a 400.
    if (head.kind === 'tool-call') this.#openBlock()
  }

  #openBlock(): void {
    this.#blockOpen = true
    this.openBlock(this.head)
  }

  #writeDelta(text: string): void {
    if (!this.#blockOpen) this.#openBlock()
    if (!this.shows(text)) return
    this.hasDeltas = true
    if (this.#stall === null) {
      this.sendDelta(text)
    } else {
      this.#pending += text
      this.#pendingBytes += Buffer.byteLength(text)
    }
  }

  #endBlock(): void {
    this.#inBlock = false
    this.#flushPending()
    if (!this.#blockOpen) return
    // SDKs parse what the deltas add up to: a call without arguments needs one that is an object.
    if (this.head.kind === 'tool-call' && !this.hasDeltas) this.sendDelta('{}')
    this.closeBlock(this.head)
    this.#blockOpen = false
    this.index += 1
  }

  #finish(event: Finish): void {
    this.#endBlock()
    this.finish(event)
    this.#writer?.end()
    this.#close()
  }

  #flushPending(): void {
    if (this.#pending === '') return
    const text = this.#pending
    this.#pending = ''
    this.#pendingBytes = 0
    this.sendDelta(text)
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
