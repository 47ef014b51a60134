import { Connection, type ConnectionOwner } from './connection.ts'
import { DeadlineClock } from './deadlines.ts'
import { createDial, type Dial } from './dial.ts'
import { endpoint } from './endpoint.ts'
import { ExchangeHandler } from './exchange-handler.ts'
import { createHeaderWriter } from './request-headers.ts'
import type { UpstreamResponse } from './response.ts'
import type { UpstreamSettings } from './settings.ts'
import { stopping, UnnoticedRequest } from './transport-failure.ts'
import type { UpstreamRequest } from './upstream-request.ts'

/** Speaks HTTP/1.1 with the one origin of an upstream, one request at a time on each connection. Redirects are not followed. */
export interface UpstreamClient {
  /**
   * Resolves with the headers of the answer, whatever its status. Its body has to be read or cancelled: until then it keeps its
   * connection.
   * @throws HeadendError upstream-unreachable, upstream-failed, upstream-malformed, upstream-timeout, unavailable (closed), or the signal's reason
   */
  send(request: UpstreamRequest): Promise<UpstreamResponse>
  /** Open, or being opened. */
  readonly connections: number
  /** Ends when the running answers have come. */
  close(): Promise<void>
  destroy(): Promise<void>
}

/** As many connections as there are requests at once: limits are for admission to set. */
export function createUpstreamClient(settings: UpstreamSettings): UpstreamClient {
  return new ConnectionPool(settings)
}

class ConnectionPool implements UpstreamClient, ConnectionOwner {
  readonly #settings: UpstreamSettings
  readonly #origin: string
  readonly #dial: Dial
  readonly #headersOf: ReturnType<typeof createHeaderWriter>
  readonly #paths = new Map<string, string>()
  readonly #clock: DeadlineClock
  readonly #connections = new Set<Connection>()
  /** The last one was used last: it is the likeliest to be still open, and the others get the time to close. */
  readonly #idle: Connection[] = []
  #isClosed = false

  constructor(settings: UpstreamSettings) {
    this.#settings = settings
    this.#origin = new URL(settings.url).origin
    this.#dial = createDial(settings)
    this.#headersOf = createHeaderWriter(settings)
    const { firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs } = settings
    this.#clock = new DeadlineClock([firstByteTimeoutMs, idleTimeoutMs, totalTimeoutMs])
  }

  get connections(): number {
    return this.#connections.size
  }

  async send(request: UpstreamRequest): Promise<UpstreamResponse> {
    try {
      return await this.#send(request, this.#idle.pop() ?? null)
    } catch (cause) {
      // The others may have been closed as well, so none of them is tried.
      if (cause instanceof UnnoticedRequest) return this.#send(request, null)
      throw cause
    }
  }

  #send(request: UpstreamRequest, idle: Connection | null): Promise<UpstreamResponse> {
    const { signal, method, body } = request
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw stopping()
      signal.throwIfAborted()
      const options = { method, path: this.#pathOf(request.path), headers: this.#headersOf(request), body }
      const connection = idle ?? this.#open()
      connection.take(
        options,
        new ExchangeHandler({ signal, resolve, reject }, this.#settings, this.#clock, connection),
      )
    })
  }

  freed(connection: Connection): void {
    this.#idle.push(connection)
  }

  lost(connection: Connection): void {
    this.#connections.delete(connection)
    const index = this.#idle.indexOf(connection)
    if (index !== -1) this.#idle.splice(index, 1)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#connections, (connection) => connection.close()))
  }

  async destroy(): Promise<void> {
    this.#isClosed = true
    await Promise.all(Array.from(this.#connections, (connection) => connection.destroy()))
  }

  #open(): Connection {
    const connection = new Connection(this.#origin, this.#dial, this)
    this.#connections.add(connection)
    return connection
  }

  /** A caller's paths are few, but for the cursors of lists. */
  #pathOf(path: string): string {
    if (path.includes('?')) return endpoint(this.#settings, path)
    let full = this.#paths.get(path)
    if (full === undefined) {
      full = endpoint(this.#settings, path)
      this.#paths.set(path, full)
    }
    return full
  }
}
