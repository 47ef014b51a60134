import type { HttpResponse, us_listen_socket } from 'uWebSockets.js'
import { HeadendError, StartError } from '../contract/errors.ts'
import { explainListenError, findListenError } from './listen-error.ts'
import type { UwsApp, UwsBinding } from './load-uws.ts'
import { createRequestId } from './request-id.ts'
import type { Hooks, Transport, TransportOptions } from './transport.ts'
import type { TransportState } from './transport-state.ts'
import { copyHeaders, type Headers, UwsExchange, UwsState } from './uws-exchange.ts'

/** @throws Error when it cannot listen */
export async function listenUws(binding: UwsBinding, options: TransportOptions, hooks: Hooks): Promise<Transport> {
  const state = new UwsState(options, hooks)
  const { tls } = options
  const app =
    tls === null ? binding.App() : binding.SSLApp({ cert_file_name: tls.certFile, key_file_name: tls.keyFile })
  app.any('/*', (response, request) => {
    const headers = copyHeaders(request)
    if (hasBadLength(headers)) refuseLength(response, hooks)
    else hooks.handle(new UwsExchange(state, response, request, headers))
  })
  const socket = listenOn(app, options)
  if (socket === false) {
    const code = await findListenError(options.host, options.port)
    throw new StartError(explainListenError(code, options.host, options.port))
  }
  return new UwsTransport(binding, app, socket, state)
}

class UwsTransport implements Transport {
  readonly name = 'uws'
  readonly port: number
  readonly #binding: UwsBinding
  readonly #app: UwsApp
  readonly #state: TransportState
  #socket: us_listen_socket | null
  #isClosed = false

  constructor(binding: UwsBinding, app: UwsApp, socket: us_listen_socket, state: TransportState) {
    this.#binding = binding
    this.#app = app
    this.#state = state
    this.#socket = socket
    this.port = binding.us_socket_local_port(socket)
  }

  stopListening(): void {
    this.#state.draining = true
    if (this.#socket !== null) this.#binding.us_listen_socket_close(this.#socket)
    this.#socket = null
  }

  get openCount(): number {
    return this.#state.openCount
  }

  cancelAll(reason: HeadendError): void {
    this.#state.cancelAll(reason)
  }

  async close(): Promise<void> {
    this.stopListening()
    await this.#state.empty()
    // The last exchange may have ended inside a callback of uWebSockets.js, whose socket must outlive it.
    await new Promise((resolve) => setImmediate(resolve))
    this.#closeApp()
  }

  destroy(): void {
    this.stopListening()
    this.#state.cutOffAll(new HeadendError('unavailable', 'The server is shutting down'))
    this.#closeApp()
  }

  #closeApp(): void {
    if (!this.#isClosed) this.#app.close()
    this.#isClosed = true
  }
}

function listenOn(app: UwsApp, options: TransportOptions): us_listen_socket | false {
  let socket: us_listen_socket | false = false
  app.listen(options.host, options.port, (result) => {
    socket = result
  })
  return socket
}

/** uWebSockets.js believes the first of several lengths. A proxy in front may believe another, and requests would change hands. */
function hasBadLength(headers: Headers): boolean {
  const length = headers.get('content-length')
  return length !== undefined && !/^\d+$/.test(length)
}

function refuseLength(response: HttpResponse, hooks: Hooks): void {
  const id = createRequestId()
  response.writeStatus('400 Bad Request').writeHeader('request-id', id).writeHeader('content-type', 'application/json')
  response.end(hooks.refuseRaw(400, 'content-length: must be one whole number', id), true)
}
