import type { Socket } from 'node:net'
import { Client, type Dispatcher } from 'undici'
import type { Dial } from './dial.ts'
import { stopping } from './transport-failure.ts'

/** What travels over a connection: one at a time. */
export interface Passenger extends Dispatcher.DispatchHandler {
  /** It has told undici to wait. */
  readonly holdsSocket: boolean
  /** Everything that the upstream sent before it closed its side was passed on: nothing is left to wait with. */
  socketEnded(): void
}

export interface ConnectionOwner {
  /** It can take the next request. */
  freed(connection: Connection): void
  /** It is of no more use. */
  lost(connection: Connection): void
}

/**
 * One socket, and the undici client that speaks HTTP over it. undici's Pool would do, but that it looks through all of its
 * connections for a free one, never forgets one, and hides which socket a request is on. That has to be known for three things: to
 * close it while it is being opened, to tell a stale connection from a failing upstream, and to keep undici alive (see `#guard`).
 */
export class Connection {
  readonly #client: Client
  readonly #owner: ConnectionOwner
  #socket: Socket | null = null
  #passenger: Passenger | null = null
  #isReused = false
  /** Its owner was told that it can take a request; twice would be two requests, one behind the other. */
  #isFree = false

  constructor(origin: string, dial: Dial, owner: ConnectionOwner) {
    this.#owner = owner
    this.#client = new Client(origin, {
      connect: (_options, ready) => {
        const socket = dial((problem) => (problem === null ? ready(null, socket) : ready(problem, null)))
        this.#guard(socket)
      },
      headersTimeout: 0, // ours are more exact, and know when the reader is the slow one
      bodyTimeout: 0,
    })
    this.#client.on('drain', () => {
      if (this.#passenger !== null || this.#isFree || this.#client.destroyed || this.#socket?.destroyed) return
      this.#isFree = true
      owner.freed(this)
    })
    this.#client.on('disconnect', () => this.#drop())
    this.#client.on('connectionError', () => this.#drop())
  }

  /** An answer has already come over this socket, so the upstream may close it at any time. */
  get isReused(): boolean {
    return this.#isReused
  }

  take(options: Dispatcher.DispatchOptions, passenger: Passenger): void {
    this.#passenger = passenger
    this.#isFree = false
    this.#client.dispatch(options, passenger)
  }

  /** The whole answer has come. */
  leave(): void {
    this.#passenger = null
    this.#isReused = true
    // The upstream did not wait for the whole request. Whether it ever reads the rest is not for the next one to find out
    // (https://www.rfc-editor.org/rfc/rfc9112#section-9.6).
    if (this.#socket !== null && this.#socket.writableLength > 0) this.#socket.destroy()
  }

  /** The passenger was given up, so the socket is closed now. @param controller `null`: it never got on */
  abandon(controller: Dispatcher.DispatchController | null): void {
    this.#passenger = null
    controller?.abort(new Error('The request was given up'))
    if (this.#socket === null) this.#drop()
    else this.#socket.destroy()
  }

  /** Ends when the running answer has. */
  async close(): Promise<void> {
    await this.#client.close()
  }

  async destroy(): Promise<void> {
    const socket = this.#socket
    const closed = socket === null || socket.closed ? null : new Promise((resolve) => socket.once('close', resolve))
    await this.#client.destroy(stopping())
    socket?.destroy()
    await closed
  }

  /** undici opens another socket by itself when one closes under a request that it has not written yet. */
  #drop(): void {
    if (this.#passenger !== null) return
    this.#owner.lost(this)
    void this.#client.destroy()
  }

  /**
   * undici 7 has an assertion that fails, uncaught, when a connection that will not be kept ends or is reset while its answer is
   * paused (https://github.com/nodejs/undici/issues/5360, mended in 8): any upstream that closes behind its answer could end this
   * process. It even fails complete answers that end so. Listeners that are here first keep it from that.
   */
  #guard(socket: Socket): void {
    this.#socket = socket
    this.#isReused = false
    socket.on('end', () => this.#passenger?.socketEnded())
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      // Behind this code only, undici looks for the end of an answer.
      if (cause.code === 'ECONNRESET' && this.#passenger?.holdsSocket === true) cause.code = 'EPIPE'
    })
  }
}
