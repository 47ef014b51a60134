import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'

export interface ReceivedRequest {
  /** Of the sockets of this server, counted from 0. */
  readonly connection: number
  readonly socket: Socket
  /** `POST /v1/messages HTTP/1.1`. */
  readonly line: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What it does about a request: anything but what HTTP says. */
export type Behaviour = (request: ReceivedRequest) => void

export interface BadUpstream {
  readonly url: string
  readonly port: number
  readonly requests: readonly ReceivedRequest[]
  /** Those that are open. */
  readonly sockets: ReadonlySet<Socket>
  /** Resolves with the first request that nobody has waited for. */
  nextRequest(): Promise<ReceivedRequest>
  /** Resolves once no socket is open. */
  allClosed(): Promise<void>
}

/** A server of bare sockets, so that it can do what no HTTP server does. Without a behaviour, the test answers by itself. */
export async function startBadUpstream(
  t: TestContext,
  behave: Behaviour = () => {},
  tls: { readonly cert: Buffer; readonly key: Buffer } | null = null,
): Promise<BadUpstream> {
  const requests: ReceivedRequest[] = []
  const unseen: ReceivedRequest[] = []
  const sockets = new Set<Socket>()
  const waiters: ((request: ReceivedRequest) => void)[] = []
  let connections = 0

  const receive = (request: ReceivedRequest): void => {
    requests.push(request)
    const waiter = waiters.shift()
    if (waiter === undefined) unseen.push(request)
    else waiter(request)
    behave(request)
  }
  const accept = (socket: Socket): void => {
    const connection = connections++
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('error', () => {}) // a reset is what many tests are about
    socket.on('close', () => sockets.delete(socket))
    readRequests(socket, (parts) => receive({ connection, socket, ...parts }))
  }

  const server = tls === null ? createServer(accept) : createTlsServer(tls, accept)
  server.on('tlsClientError', () => {}) // a client that trusts nobody
  await listen(server)
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls === null ? 'http' : 'https'}://127.0.0.1:${port}`,
    port,
    requests,
    sockets,
    nextRequest: () => {
      const request = unseen.shift()
      return request === undefined ? new Promise((resolve) => waiters.push(resolve)) : Promise.resolve(request)
    },
    allClosed: async () => {
      for (const socket of sockets) await new Promise((resolve) => socket.once('close', resolve))
    },
  }
}

/** A port that was free a moment ago: connections to it are refused. */
export async function closedPort(): Promise<number> {
  const server = createServer()
  await listen(server)
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** A response with its length, over a connection that stays open. */
export function respond(body: string | Uint8Array, headers: readonly string[] = [], status = 200): Behaviour {
  return ({ socket }) => {
    socket.write(head(status, [`content-length: ${Buffer.byteLength(body)}`, ...headers]))
    socket.write(body)
  }
}

/** Pieces of a chunked response, each in a write of its own; it stays open. */
export function begin(pieces: readonly (string | Uint8Array)[], headers: readonly string[] = eventStream): Behaviour {
  return ({ socket }) => {
    socket.write(head(200, ['transfer-encoding: chunked', ...headers]))
    for (const piece of pieces) writeChunk(socket, piece)
  }
}

/** As `begin`, and ends as HTTP wants it. */
export function stream(pieces: readonly (string | Uint8Array)[], headers: readonly string[] = eventStream): Behaviour {
  return (request) => {
    begin(pieces, headers)(request)
    request.socket.write(lastChunk)
  }
}

/** As `begin`, and closes the socket: amid the response, as far as HTTP goes. */
export function cut(pieces: readonly (string | Uint8Array)[], headers: readonly string[] = eventStream): Behaviour {
  return (request) => {
    begin(pieces, headers)(request)
    request.socket.end()
  }
}

/** Bytes as they are, whether they are HTTP or not. */
export function raw(bytes: string | Uint8Array): Behaviour {
  return ({ socket }) => {
    socket.write(bytes)
  }
}

export const reset: Behaviour = ({ socket }) => {
  socket.resetAndDestroy()
}

export const hang: Behaviour = () => {}

export const eventStream: readonly string[] = ['content-type: text/event-stream']

export const lastChunk = '0\r\n\r\n'

export function writeChunk(socket: Socket, piece: string | Uint8Array): void {
  socket.write(`${Buffer.byteLength(piece).toString(16)}\r\n`)
  socket.write(piece)
  socket.write('\r\n')
}

export function head(status: number, headers: readonly string[]): string {
  return [`HTTP/1.1 ${status} Some words`, ...headers, '', ''].join('\r\n')
}

type RequestParts = Pick<ReceivedRequest, 'line' | 'headers' | 'body'>

function readRequests(socket: Socket, receive: (parts: RequestParts) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes])
    for (;;) {
      const headEnd = pending.indexOf('\r\n\r\n')
      if (headEnd === -1) return
      const [line = '', ...fields] = pending.toString('latin1', 0, headEnd).split('\r\n')
      const headers = Object.fromEntries(fields.map(splitField))
      const end = headEnd + 4 + Number(headers['content-length'] ?? 0)
      if (pending.length < end) return
      const body = pending.toString('utf8', headEnd + 4, end)
      pending = pending.subarray(end)
      receive({ line, headers, body })
    }
  })
}

function splitField(field: string): readonly [string, string] {
  const colon = field.indexOf(':')
  return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
}

async function listen(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
}
