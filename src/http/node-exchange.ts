import type { IncomingMessage, ServerResponse } from 'node:http'
import { HeadendError } from '../contract/errors.ts'
import { HttpExchange, type ResponseHead, reasonPhrase } from './exchange.ts'
import { unmapAddress } from './remote-address.ts'
import type { TransportState } from './transport-state.ts'

/** How long a client that is still sending may take to read an early answer: since its last piece, and in all (as nginx does). */
export const lingerIdleMs = 2000
const lingerMs = 30_000

export class NodeExchange extends HttpExchange {
  readonly remoteAddress: string
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #watchesStall = false

  constructor(state: TransportState, request: IncomingMessage, response: ServerResponse) {
    const target = readTarget(request.url ?? '/')
    super(state, request.method ?? 'GET', target.path, target.query)
    this.#request = request
    this.#response = response
    this.remoteAddress = unmapAddress(request.socket.remoteAddress ?? '')
    // Before node's own listener, which sets the timeout of the idle connection.
    response.prependOnceListener('finish', () => {
      if (this.#watchesStall) response.setTimeout(0)
      this.responseSent()
    })
  }

  header(name: string): string | null {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value.join(', ') : (value ?? null)
  }

  headerNames(): Iterable<string> {
    return Object.keys(this.#request.headers)
  }

  send(text: string): boolean {
    if (text === '') {
      this.#response.flushHeaders()
      return true
    }
    this.countBytes(text)
    return this.#response.write(text)
  }

  sendBytes(bytes: Uint8Array): boolean {
    this.countBytes(bytes)
    return this.#response.write(bytes)
  }

  finish(text: string): void {
    this.countBytes(text)
    this.#response.end(text)
    this.#watchBacklog()
  }

  stalled(isStalled: boolean): void {
    // The socket's own timer sees a large write move on piece by piece; 'drain' comes only when all of it is gone.
    this.#response.setTimeout(isStalled ? this.state.options.stallTimeoutMs : 0)
    if (this.#watchesStall) return
    this.#watchesStall = true
    this.#response.on('timeout', () => this.readerStalled())
  }

  socketClosed(): void {
    this.clientGone()
  }

  /** The parser has given up on this connection. */
  requestMalformed(): void {
    this.bodyBroken(new HeadendError('invalid-request', 'The request body is not valid HTTP: check its chunks'))
  }

  protected startBody(): void {
    this.startBodyClock()
    this.#request.on('data', (piece: Buffer) => this.bodyPiece(piece, true))
    this.#request.once('end', () => this.bodyEnd())
  }

  protected sendWhole(head: ResponseHead, body: string | Uint8Array, bodyBytes: number): void {
    this.#writeHead(head, ['content-length', String(bodyBytes)])
    if (head.linger) {
      this.#answerAndLinger(body)
    } else {
      this.#response.end(body)
      this.#watchBacklog()
    }
  }

  protected startStream(head: ResponseHead): void {
    this.#writeHead(head, [])
    this.#response.on('drain', () => this.wake())
  }

  protected cutConnection(): void {
    this.#request.socket.destroy()
  }

  #writeHead(head: ResponseHead, extra: readonly string[]): void {
    const close = head.close ? ['connection', 'close'] : []
    const headers = [...head.headers, ...extra, ...close, 'request-id', this.id]
    this.#response.writeHead(head.status, reasonPhrase(head.status), headers)
  }

  #watchBacklog(): void {
    if (this.#response.socket !== null && this.#response.socket.writableLength > 0) this.stalled(true)
  }

  /** `end()` would cut the connection, and the answer with it, while the client is sending: it comes when the client has stopped. */
  #answerAndLinger(body: string | Uint8Array): void {
    const end = (): void => {
      clearTimeout(idle)
      clearTimeout(limit)
      this.#response.end()
    }
    const idle = setTimeout(end, lingerIdleMs)
    const limit = setTimeout(end, lingerMs)
    this.#request.on('data', () => idle.refresh())
    this.#request.once('end', end)
    this.#request.once('close', end)
    this.#response.write(body, (error) => {
      if (!error) this.responseSent() // else the socket is closing, and tells that the client has gone
    })
  }
}

interface Target {
  readonly path: string
  readonly query: string
}

/** A proxy may send the whole address; then only its path counts. */
function readTarget(target: string): Target {
  if (!target.startsWith('/') && URL.canParse(target)) {
    const { pathname, search } = new URL(target)
    return { path: pathname, query: search.slice(1) }
  }
  const mark = target.indexOf('?')
  return mark === -1 ? { path: target, query: '' } : { path: target.slice(0, mark), query: target.slice(mark + 1) }
}
