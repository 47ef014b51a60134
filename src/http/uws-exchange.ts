import type { HttpRequest, HttpResponse } from 'uWebSockets.js'
import { HttpExchange, type ResponseHead, reasonPhrase } from './exchange.ts'
import { SharedTimer } from './ping.ts'
import { formatAddress } from './remote-address.ts'
import { TransportState } from './transport-state.ts'

/**
 * uWebSockets.js closes a connection whose body comes slower than 16 KB/s, or whose reader takes nothing, after 10 s. Our own limits
 * decide instead: a pause that ends at once restarts those 10 s, so all that wait get one now and then.
 */
const renewIntervalMs = 4000

/** Up to here a body goes to uWebSockets.js whole, which copies what the socket does not take; a larger one is sent in place. */
const copiedBytesMax = 64 * 1024

export type Headers = ReadonlyMap<string, string>

export class UwsState extends TransportState {
  readonly renewals = new SharedTimer(renewIntervalMs)
}

export class UwsExchange extends HttpExchange {
  readonly #response: HttpResponse
  readonly #renewals: SharedTimer
  readonly #headers: Headers
  readonly #address: Uint8Array
  #hasBodyBegun = false
  #head: ResponseHead | null = null
  #corked: () => void = nothing
  #outgoing: string | Uint8Array = ''
  #isAccepted = true
  #stallClock: NodeJS.Timeout | null = null

  constructor(state: UwsState, response: HttpResponse, request: HttpRequest, headers: Headers) {
    super(state, request.getCaseSensitiveMethod(), request.getUrl(), request.getQuery() ?? '')
    this.#response = response
    this.#renewals = state.renewals
    this.#headers = headers
    this.#address = new Uint8Array(response.getRemoteAddress())
    response.onAborted(() => this.clientGone())
    if (!this.hasBody) return
    // Pieces that come while nobody listens are lost, so they are gathered from the start, and dropped once a response has begun.
    response.onData((piece, isLast) => {
      this.bodyPiece(new Uint8Array(piece), false)
      if (isLast) this.bodyEnd()
      else this.#bodyBegins()
    })
  }

  get remoteAddress(): string {
    return formatAddress(this.#address)
  }

  header(name: string): string | null {
    return this.#headers.get(name) ?? null
  }

  headerNames(): Iterable<string> {
    return this.#headers.keys()
  }

  send(text: string): boolean {
    // The header block ends with the first frame: uWebSockets.js has no way to send it alone.
    return text === '' ? true : this.#write(text)
  }

  sendBytes(bytes: Uint8Array): boolean {
    return this.#write(bytes)
  }

  #write(body: string | Uint8Array): boolean {
    this.countBytes(body)
    this.#outgoing = body
    this.#response.cork(this.#corked)
    return this.#isAccepted
  }

  finish(text: string): void {
    this.countBytes(text)
    this.#response.cork(() => {
      this.#writeHead()
      this.#response.end(text)
    })
    this.responseSent()
  }

  stalled(isStalled: boolean): void {
    if (this.#stallClock !== null) clearTimeout(this.#stallClock)
    this.#stallClock = null
    this.#renewals.remove(this)
    if (!isStalled || this.over) return
    this.#renewals.add(this)
    this.#stallClock = setTimeout(() => this.readerStalled(), this.state.options.stallTimeoutMs)
  }

  tick(): void {
    this.#response.pause()
    this.#response.resume()
  }

  /** Most bodies are there already, and come whole when the handler returns: their clock need not run. */
  protected startBody(): void {
    if (this.#hasBodyBegun) this.startBodyClock()
  }

  #bodyBegins(): void {
    if (this.#hasBodyBegun) return
    this.#hasBodyBegun = true
    if (this.bodyWanted && !this.over && !this.committed) this.startBodyClock()
  }

  protected override startBodyClock(): void {
    super.startBodyClock()
    this.#renewals.add(this)
  }

  protected override stopBodyClock(): void {
    super.stopBodyClock()
    this.#renewals.remove(this)
  }

  protected override stopClocks(): void {
    super.stopClocks()
    this.stalled(false)
  }

  protected sendWhole(head: ResponseHead, body: string | Uint8Array, bodyBytes: number): void {
    this.#head = head
    // Closing is left to the client when it may still be sending: a cut connection would take the answer with it.
    const closeNow = head.close && !head.linger
    let isSent = true
    this.#response.cork(() => {
      if (this.method === 'HEAD') {
        this.#writeHead()
        // As its own argument the length would leave the response open, and the next request would end the connection.
        this.#response.writeHeader('content-length', String(bodyBytes)).endWithoutBody()
      } else if (bodyBytes <= copiedBytesMax) {
        this.#writeHead(closeNow)
        this.#response.end(body, closeNow)
      } else {
        this.#writeHead()
        isSent = this.#sendInPlace(typeof body === 'string' ? Buffer.from(body) : body)
      }
    })
    if (isSent) this.responseSent()
  }

  protected startStream(head: ResponseHead): void {
    this.#head = head
    this.#corked = () => {
      this.#writeHead()
      this.#isAccepted = this.#response.write(this.#outgoing)
      this.#outgoing = ''
    }
    this.#response.onWritable(() => {
      // What uWebSockets.js kept is sent with the next write and, once a handler is registered, not before: an empty cork counts.
      this.#response.cork(nothing)
      this.wake()
      return true
    })
  }

  protected cutConnection(): void {
    this.#response.close()
  }

  /** `closeIsWritten`: uWebSockets.js adds `connection: close` itself when told to close. */
  #writeHead(closeIsWritten = false): void {
    const head = this.#head
    if (head === null) return
    this.#head = null
    const response = this.#response
    const { status, headers } = head
    // 200 is what uWebSockets.js writes when told nothing.
    if (status !== 200) response.writeStatus(`${status} ${reasonPhrase(status)}`)
    response.writeHeader('request-id', this.id)
    for (let index = 0; index < headers.length; index += 2) {
      response.writeHeader(headers[index] as string, headers[index + 1] as string)
    }
    if (head.close && !closeIsWritten) response.writeHeader('connection', 'close')
  }

  #sendInPlace(body: Uint8Array): boolean {
    this.#response.onWritable((offset) => {
      const [isAccepted, isSent] = this.#response.tryEnd(body.subarray(offset), body.length)
      if (isSent) this.responseSent()
      else this.stalled(true) // it has taken something: its time begins again
      return isAccepted
    })
    const [, isSent] = this.#response.tryEnd(body, body.length)
    if (!isSent) this.stalled(true)
    return isSent
  }
}

/** The request lives on the native stack and is gone when the handler returns. */
export function copyHeaders(request: HttpRequest): Headers {
  const headers = new Map<string, string>()
  request.forEach((name, value) => {
    const earlier = headers.get(name)
    headers.set(name, earlier === undefined ? value : `${earlier}, ${value}`)
  })
  return headers
}

function nothing(): void {}
