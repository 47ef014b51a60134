import { STATUS_CODES } from 'node:http'
import { errorKinds, HeadendError } from '../contract/errors.ts'
import type { FrameWriter, StreamOptions } from '../contract/exchange.ts'
import { BodyCollector } from './body.ts'
import { createRequestId } from './request-id.ts'
import { RequestSignal } from './request-signal.ts'
import { type FrameSink, SseWriter } from './sse-writer.ts'
import type { IncomingExchange } from './transport.ts'
import type { TransportState } from './transport-state.ts'

export interface ResponseHead {
  readonly status: number
  /** Names and values in turn. */
  readonly headers: readonly string[]
  /** Say `connection: close`. */
  readonly close: boolean
  /** The client may still be sending a body that nobody wants: it gets time to read the answer before its connection is cut. */
  readonly linger: boolean
}

/**
 * What both transports share: the body collected within its limits, the response begun once, the end told once. A transport adds
 * sockets: it calls `bodyPiece`, `bodyEnd`, `wake`, `responseSent` and `clientGone`, and implements what is abstract.
 */
export abstract class HttpExchange implements IncomingExchange, FrameSink {
  readonly id = createRequestId()
  readonly method: string
  path: string
  extraHeaders: Readonly<Record<string, string>> | null = null
  protected readonly state: TransportState
  readonly #queryText: string
  /** Among the open ones. */
  readonly #place: number
  readonly #startedAt = performance.now()
  #query: URLSearchParams | null = null
  #signal: RequestSignal | null = null
  #abortReason: HeadendError | null = null
  #body: BodyCollector | null = null
  #bodyPromise: Promise<Uint8Array> | null = null
  #bodyReceived = false
  #bodyClock: NodeJS.Timeout | null = null
  #status: number | null = null
  readonly #addedHeaders: string[] = []
  #writer: SseWriter | null = null
  #bytesSent = 0
  #over = false

  constructor(state: TransportState, method: string, path: string, queryText: string) {
    this.state = state
    this.method = method
    this.path = path
    this.#queryText = queryText
    this.#place = state.opened(this)
  }

  abstract get remoteAddress(): string
  abstract header(name: string): string | null
  abstract headerNames(): Iterable<string>
  abstract send(text: string): boolean
  abstract sendBytes(bytes: Uint8Array): boolean
  abstract finish(text: string): void
  abstract stalled(isStalled: boolean): void
  /** The body is wanted: its pieces may come, and the clock of the body is to run while they are waited for. */
  protected abstract startBody(): void
  protected abstract sendWhole(head: ResponseHead, body: string | Uint8Array, bodyBytes: number): void
  protected abstract startStream(head: ResponseHead): void
  protected abstract cutConnection(): void

  get query(): URLSearchParams {
    this.#query ??= new URLSearchParams(this.#queryText)
    return this.#query
  }

  /** Made when first asked for: most exchanges end without anybody listening. */
  get signal(): RequestSignal {
    if (this.#signal === null) {
      this.#signal = new RequestSignal()
      if (this.#abortReason !== null) this.#signal.abort(this.#abortReason)
    }
    return this.#signal
  }

  get committed(): boolean {
    return this.#status !== null
  }

  addHeader(name: string, value: string): void {
    setHeader(this.#addedHeaders, name, harmless(value))
  }

  body(): Promise<Uint8Array> {
    this.#bodyPromise ??= this.#readBody()
    return this.#bodyPromise
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array): void {
    if (this.#over || this.committed) return
    const bodyBytes = typeof body === 'string' ? Buffer.byteLength(body) : body.length
    const head = this.#commit(status, headers)
    if (this.method !== 'HEAD') this.#bytesSent = bodyBytes
    this.sendWhole(head, body, bodyBytes)
  }

  openStream(status: number, headers: Readonly<Record<string, string>>, options: StreamOptions): FrameWriter {
    if (this.committed) throw new Error('openStream: this exchange has its response already')
    const writer = new SseWriter(this, options.pingFrame)
    if (this.#over) {
      writer.abort(this.#abortReason as HeadendError)
      return writer
    }
    this.startStream(this.#commit(status, headers))
    this.#writer = writer
    this.state.pings.add(writer)
    return writer
  }

  cancel(cause: HeadendError): void {
    if (this.#over || this.#abortReason !== null) return
    this.#tellWorkers(cause)
  }

  /** Ends the exchange for a reason of ours and cuts its connection. */
  cutOff(reason: HeadendError): void {
    if (this.#over) return
    this.#abort(reason)
    this.cutConnection()
  }

  protected get over(): boolean {
    return this.#over
  }

  protected get bodyWanted(): boolean {
    return this.#bodyPromise !== null
  }

  protected get hasBody(): boolean {
    return this.header('transfer-encoding') !== null || this.#declaredBytes() !== 0
  }

  /** `isOurs`: the piece stays valid after the call. */
  protected bodyPiece(piece: Uint8Array, isOurs: boolean): void {
    if (this.#over || this.committed) return // whoever answered does not want the rest
    this.#bodyClock?.refresh()
    this.#collector().push(piece, isOurs)
  }

  protected bodyEnd(): void {
    this.#bodyReceived = true
    this.stopBodyClock()
    if (!this.#over && !this.committed) this.#collector().end()
  }

  /** The body cannot be read to its end. */
  protected bodyBroken(error: HeadendError): void {
    if (!this.#over && !this.#bodyReceived) this.#collector().fail(error)
  }

  protected startBodyClock(): void {
    this.#bodyClock = setTimeout(() => this.#bodyTimedOut(), this.state.options.bodyTimeoutMs)
  }

  protected stopBodyClock(): void {
    if (this.#bodyClock !== null) clearTimeout(this.#bodyClock)
    this.#bodyClock = null
  }

  /** The exchange is over: nothing that would call it may be left. */
  protected stopClocks(): void {
    this.stopBodyClock()
  }

  protected wake(): void {
    this.#writer?.wake()
  }

  protected countBytes(body: string | Uint8Array): void {
    this.#bytesSent += Buffer.byteLength(body)
  }

  protected readerStalled(): void {
    const seconds = Math.round(this.state.options.stallTimeoutMs / 1000)
    this.cutOff(new HeadendError('reader-stalled', `The client read nothing for ${seconds} s: its connection was cut`))
  }

  protected clientGone(): void {
    if (!this.#over) this.#abort(new HeadendError('client-gone', 'The client closed its connection'))
  }

  /** The whole response has been handed over. */
  protected responseSent(): void {
    if (!this.#over) this.#close(false)
  }

  #readBody(): Promise<Uint8Array> {
    if (this.#abortReason !== null) return Promise.reject(this.#abortReason)
    const collector = this.#collector()
    if (!this.hasBody) this.bodyEnd()
    else if (!collector.failed && !this.#bodyReceived) this.startBody()
    return collector.read()
  }

  #declaredBytes(): number {
    return Number(this.header('content-length') ?? 0)
  }

  #collector(): BodyCollector {
    this.#body ??= new BodyCollector({
      bytesMax: this.state.options.bodyBytesMax,
      budget: this.state.bodies,
      declaredBytes: this.header('transfer-encoding') === null ? this.#declaredBytes() : null,
      contentEncoding: (this.header('content-encoding') ?? '').trim().toLowerCase(),
    })
    return this.#body
  }

  #bodyTimedOut(): void {
    const seconds = Math.round(this.state.options.bodyTimeoutMs / 1000)
    const message = `No further part of the request body arrived for ${seconds} s: send it again`
    this.#body?.fail(new HeadendError('body-timeout', message))
  }

  #commit(status: number, ownHeaders: Readonly<Record<string, string>>): ResponseHead {
    // A list, because to put objects together and to take them apart again costs 5 us.
    const headers: string[] = []
    for (const name in ownHeaders) headers.push(name, ownHeaders[name] as string)
    const { extraHeaders } = this
    for (const name in extraHeaders) setHeader(headers, name, extraHeaders[name] as string)
    const added = this.#addedHeaders
    for (let index = 0; index < added.length; index += 2) {
      if (added[index + 1] !== '') setHeader(headers, added[index] as string, added[index + 1] as string)
    }
    this.#status = status
    this.stopBodyClock()
    const linger = this.#body?.failed === true && !this.#bodyReceived
    return { status, headers, close: linger || this.state.draining, linger }
  }

  #abort(reason: HeadendError): void {
    this.#close(true)
    this.#writer?.abort(reason)
    this.#tellWorkers(reason)
  }

  #tellWorkers(reason: HeadendError): void {
    this.#abortReason ??= reason
    this.#body?.fail(reason)
    this.#writer?.cancel(reason)
    this.#signal?.abort(reason)
  }

  #close(aborted: boolean): void {
    this.#over = true
    this.stopClocks()
    this.#body?.release()
    if (this.#writer !== null) this.state.pings.remove(this.#writer)
    this.state.ended(this.#place, {
      exchange: this,
      status: this.#status ?? errorKinds['client-gone'].status,
      bytesSent: this.#bytesSent,
      durationMs: performance.now() - this.#startedAt,
      aborted,
    })
  }
}

/** Of two with one name the later holds. */
function setHeader(list: string[], name: string, value: string): void {
  for (let index = 0; index < list.length; index += 2) {
    if (list[index] !== name) continue
    list[index + 1] = value
    return
  }
  list.push(name, value)
}

/**
 * Names of models and ids of upstreams are other people's words: as a line's end they would begin a header of their own, and
 * beyond ASCII there is no agreement on what they mean.
 */
function harmless(value: string): string {
  return visible.test(value) ? value : Array.from(value, harmlessCharacter).join('')
}

const visible = /^[\x20-\x7e]*$/

function harmlessCharacter(character: string): string {
  return visible.test(character) ? character : encodeURIComponent(Buffer.from(character).toString()) // half a character has no UTF-8
}

/** HTTP has no word for 529; the Messages API says overloaded. */
export function reasonPhrase(status: number): string {
  return status === 529 ? 'Overloaded' : (STATUS_CODES[status] ?? 'Unknown')
}
