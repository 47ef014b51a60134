import { EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { errorKinds, type HeadendError, toHeadendError } from '../../src/contract/errors.ts'
import type { Exchange } from '../../src/contract/exchange.ts'
import {
  type Finished,
  type IncomingExchange,
  listen,
  type Transport,
  type TransportOptions,
} from '../../src/http/server.ts'

export type TransportName = Transport['name']

export const defaults: TransportOptions = {
  host: '127.0.0.1',
  port: 0,
  tls: null,
  bodyBytesMax: 1_000_000,
  bodiesBytesMax: 10_000_000,
  headerBytesMax: 16_384,
  headerTimeoutMs: 20_000,
  bodyTimeoutMs: 20_000,
  keepAliveTimeoutMs: 20_000,
  pingIntervalMs: 20_000,
  stallTimeoutMs: 20_000,
}

export interface Fixture {
  readonly transport: Transport
  readonly port: number
  /** Resolves with the next report that `accepts` agrees to, also one that was made already. */
  finished(accepts?: (report: Finished) => boolean): Promise<Finished>
  readonly reports: readonly Finished[]
  connect(): Promise<RawClient>
}

/** A server on a free port, destroyed with its clients when the test ends. */
export async function start(
  t: TestContext,
  name: TransportName,
  handle: (exchange: IncomingExchange) => void | Promise<void>,
  options: Partial<TransportOptions> = {},
): Promise<Fixture> {
  const reports: Finished[] = []
  const reported = new EventEmitter().setMaxListeners(100)
  const { transport } = await listen(
    name,
    { ...defaults, ...options },
    {
      handle: (exchange) => void runHandler(handle, exchange),
      refuseRaw: (status, message, requestId) => JSON.stringify({ status, message, requestId }),
      finished(report) {
        reports.push(report)
        reported.emit('report')
      },
    },
  )
  const clients: RawClient[] = []
  t.after(() => {
    for (const client of clients) client.socket.destroy()
    transport.destroy()
  })
  return {
    transport,
    port: transport.port,
    reports,
    async finished(accepts = () => true) {
      for (;;) {
        const report = reports.find(accepts)
        if (report !== undefined) return report
        await once(reported, 'report')
      }
    },
    async connect() {
      const client = new RawClient(connect(transport.port, '127.0.0.1'))
      clients.push(client)
      await once(client.socket, 'connect')
      return client
    },
  }
}

async function runHandler(
  handle: (exchange: IncomingExchange) => void | Promise<void>,
  exchange: IncomingExchange,
): Promise<void> {
  try {
    await handle(exchange)
  } catch (cause) {
    refuse(exchange, toHeadendError(cause))
  }
}

/** What a protocol does with an error, without a protocol. */
export function refuse(exchange: Exchange, error: HeadendError): void {
  const retry = error.retryAfterSeconds === null ? {} : { 'retry-after': String(error.retryAfterSeconds) }
  const body = JSON.stringify({ kind: error.kind, message: error.message, requestId: exchange.id })
  exchange.respond(
    errorKinds[error.kind].status,
    { ...error.headers, ...retry, 'content-type': 'application/json' },
    body,
  )
}

export interface RawResponse {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** A client that sends exactly what it is told, and reads only when asked. */
export class RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  #received = Buffer.alloc(0)
  #ended = false

  constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => {})
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#ended = true
        socket.emit('progress')
        resolve()
      })
    })
    socket.on('data', (piece) => {
      this.#received = Buffer.concat([this.#received, piece])
      socket.emit('progress')
    })
  }

  get received(): string {
    return this.#received.toString()
  }

  write(text: string | Uint8Array): boolean {
    return this.socket.write(text)
  }

  /** Resolves once the received text contains `part`; rejects when the connection ends without it. */
  async until(part: string): Promise<string> {
    while (!this.received.includes(part)) {
      if (this.#ended) throw new Error(`closed before ${JSON.stringify(part)}: ${JSON.stringify(this.received)}`)
      await once(this.socket, 'progress')
    }
    return this.received
  }

  /** Takes one whole response with a content-length or a chunked body off what was received. */
  async response(method = 'GET'): Promise<RawResponse> {
    for (;;) {
      const parsed = parseResponse(this.#received, method)
      if (parsed !== null) {
        this.#received = this.#received.subarray(parsed.length)
        return parsed.response
      }
      if (this.#ended) throw new Error(`closed within a response: ${JSON.stringify(this.received)}`)
      await once(this.socket, 'progress')
    }
  }
}

function parseResponse(received: Buffer, method: string): { response: RawResponse; length: number } | null {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return null
  const [statusLine, ...lines] = received.toString('latin1', 0, end).split('\r\n')
  const status = Number(statusLine?.split(' ')[1])
  const headers = new Map(
    lines.map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    }),
  )
  const start = end + 4
  if (method === 'HEAD' || status === 100) return { response: { status, headers, body: '' }, length: start }
  if (headers.get('transfer-encoding') === 'chunked') {
    const chunked = parseChunks(received, start)
    return chunked === null ? null : { response: { status, headers, body: chunked.body }, length: chunked.length }
  }
  const length = start + Number(headers.get('content-length') ?? 0)
  if (received.length < length) return null
  return { response: { status, headers, body: received.toString('utf8', start, length) }, length }
}

function parseChunks(received: Buffer, start: number): { body: string; length: number } | null {
  const pieces: Buffer[] = []
  let position = start
  for (;;) {
    const lineEnd = received.indexOf('\r\n', position)
    if (lineEnd === -1) return null
    const size = Number.parseInt(received.toString('latin1', position, lineEnd), 16)
    const next = lineEnd + 2 + size + 2
    if (received.length < next) return null
    if (size === 0) return { body: Buffer.concat(pieces).toString(), length: next }
    pieces.push(received.subarray(lineEnd + 2, lineEnd + 2 + size))
    position = next
  }
}

export function get(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): string {
  const lines = Object.entries({ host: 'localhost', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`
}

export function post(path: string, headers: Readonly<Record<string, string>> = {}): string {
  return get(path, headers, 'POST')
}

/** A promise with its handle, for tests that wait for one event. */
export function createSignal<T>(): { readonly promise: Promise<T>; readonly fire: (value: T) => void } {
  let fire: (value: T) => void = () => {}
  const promise = new Promise<T>((resolve) => {
    fire = resolve
  })
  return { promise, fire }
}
