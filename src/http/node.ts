import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, Server as NetServer, type Socket } from 'node:net'
import { HeadendError, StartError } from '../contract/errors.ts'
import { reasonPhrase } from './exchange.ts'
import { explainListenError } from './listen-error.ts'
import { lingerIdleMs, NodeExchange } from './node-exchange.ts'
import { createRequestId } from './request-id.ts'
import type { TlsPair } from './tls-files.ts'
import type { Hooks, Transport, TransportOptions } from './transport.ts'
import { TransportState } from './transport-state.ts'

/** @throws Error when it cannot listen */
export async function listenNode(options: TransportOptions, hooks: Hooks, tls: TlsPair | null): Promise<Transport> {
  const server = createHttpServer(options, tls)
  try {
    server.listen({ host: options.host, port: options.port })
    await once(server, 'listening')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? 'the reason is unknown'
    throw new StartError(explainListenError(code, options.host, options.port), { cause })
  }
  return new NodeTransport(server, new TransportState(options, hooks))
}

function createHttpServer(options: TransportOptions, tls: TlsPair | null): Server {
  const settings = {
    maxHeaderSize: options.headerBytesMax,
    headersTimeout: options.headerTimeoutMs,
    connectionsCheckingInterval: Math.min(options.headerTimeoutMs, 5000), // headersTimeout is late by so much at most
    requestTimeout: 0, // a body may take long, as long as it moves: bodyTimeoutMs
    keepAliveTimeout: options.keepAliveTimeoutMs,
    joinDuplicateHeaders: true,
    requireHostHeader: false, // node's own refusal would have neither body nor request-id
  }
  return tls === null
    ? createServer(settings)
    : createTlsServer({ ...settings, ...tls, handshakeTimeout: options.headerTimeoutMs })
}

class NodeTransport implements Transport {
  readonly name = 'node'
  readonly port: number
  readonly #server: Server
  readonly #state: TransportState
  readonly #sockets = new Set<Socket>()
  readonly #exchanges = new WeakMap<Socket, Set<NodeExchange>>()
  readonly #refused = new WeakSet<Socket>()

  constructor(server: Server, state: TransportState) {
    this.#server = server
    this.#state = state
    this.port = (server.address() as AddressInfo).port
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
    server.on('request', this.#take)
    server.on('checkExpectation', this.#take) // an expectation that is not 100-continue is ignored, not refused with an empty 417
    server.on('clientError', this.#refuseBroken)
  }

  stopListening(): void {
    if (this.#state.draining) return
    this.#state.draining = true
    // http.Server.close would also cut idle connections, on which a request may be under way at this moment.
    NetServer.prototype.close.call(this.#server)
  }

  get openCount(): number {
    return this.#state.openCount
  }

  cancelAll(reason: HeadendError): void {
    this.#state.cancelAll(reason)
  }

  async close(): Promise<void> {
    this.stopListening()
    this.#server.close() // what is left of it: cuts idle connections
    await this.#state.empty()
    this.#cutSockets()
  }

  destroy(): void {
    this.stopListening()
    this.#state.cutOffAll(new HeadendError('unavailable', 'The server is shutting down'))
    this.#server.close()
    this.#cutSockets()
  }

  #cutSockets(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  readonly #take = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    if (request.headers.host === undefined && request.httpVersion === '1.1') {
      this.#refuse(socket, 400, 'The request has no host header')
      return
    }
    const exchange = new NodeExchange(this.#state, request, response)
    const open = this.#openOn(socket)
    open.add(exchange)
    response.once('finish', () => open.delete(exchange))
    this.#state.hooks.handle(exchange)
  }

  /** A response that waits behind an earlier one of its connection is not told of a disconnect: the socket tells all of them. */
  #openOn(socket: Socket): Set<NodeExchange> {
    const known = this.#exchanges.get(socket)
    if (known !== undefined) return known
    const open = new Set<NodeExchange>()
    this.#exchanges.set(socket, open)
    socket.once('close', () => {
      for (const exchange of open) exchange.socketClosed()
    })
    return open
  }

  readonly #refuseBroken = (error: NodeJS.ErrnoException, socket: Socket): void => {
    const code = error.code ?? ''
    const isProtocolError = code.startsWith('HPE_') || code === 'ERR_HTTP_REQUEST_TIMEOUT'
    if (!isProtocolError || code === 'HPE_INVALID_EOF_STATE' || !socket.writable) {
      socket.destroy()
      return
    }
    const open = this.#exchanges.get(socket)
    if (open !== undefined && open.size > 0) for (const exchange of open) exchange.requestMalformed()
    else if (code === 'HPE_HEADER_OVERFLOW') {
      this.#refuse(socket, 431, `The request headers are larger than ${this.#state.options.headerBytesMax} bytes`)
    } else if (code === 'ERR_HTTP_REQUEST_TIMEOUT')
      this.#refuse(socket, 408, 'The request headers did not arrive in time')
    else this.#refuse(socket, 400, 'The request is not valid HTTP/1.1')
  }

  #refuse(socket: Socket, status: number, message: string): void {
    if (this.#refused.has(socket)) return // every further piece of a broken request is reported again
    this.#refused.add(socket)
    const id = createRequestId()
    const body = this.#state.hooks.refuseRaw(status, message, id)
    const head = [
      `HTTP/1.1 ${status} ${reasonPhrase(status)}`,
      'connection: close',
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      `request-id: ${id}`,
    ]
    socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
    const limit = setTimeout(() => socket.destroy(), lingerIdleMs)
    socket.once('close', () => clearTimeout(limit))
  }
}
