import { connect, type Socket } from 'node:net'

const headEnd = Buffer.from('\r\n\r\n')
const nothing: Buffer = Buffer.alloc(0)
const lastChunk = Buffer.from('\r\n0\r\n\r\n')

/** Sees the pieces of a response, to note when something came. */
export type Watch = (connection: Connection, piece: Buffer) => void

/**
 * A keep-alive connection whose request bytes are made beforehand, and whose responses are read just so far that their end is known:
 * a client that parses more would take more time than the servers that it measures.
 */
export class Connection {
  readonly socket: Socket
  /** When the request was written, milliseconds. */
  sentAt = 0
  /** How often something was read since it was opened. */
  pieces = 0
  /** Called at the end of each response. */
  onEnd: (connection: Connection) => void = () => {}
  /** Called when the connection ends amid a response. */
  onLost: () => void = () => {}
  watch: Watch | null = null
  #status = 0
  /** Of the body, still to come; -1: chunked. */
  #expected = 0
  #tail: Buffer = nothing
  #isBusy = false

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on('data', (piece) => this.#read(piece as Buffer))
    socket.on('close', () => {
      if (this.#isBusy) this.onLost()
    })
  }

  static open(url: URL): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect(Number(url.port), url.hostname, () => {
        socket.on('error', () => {}) // a reset is seen as the end of the connection
        resolve(new Connection(socket))
      })
      socket.once('error', reject)
    })
  }

  get status(): number {
    return this.#status
  }

  send(request: Buffer): void {
    this.#isBusy = true
    this.#status = 0
    this.sentAt = performance.now()
    this.socket.write(request)
  }

  /** As a client that has gone. */
  cut(): void {
    this.onLost = () => {}
    this.socket.destroy()
  }

  #read(piece: Buffer): void {
    this.pieces++
    let bodyStart = 0
    if (this.#status === 0) {
      bodyStart = this.#readHead(piece)
      if (this.#status === 0) return
    }
    this.watch?.(this, piece)
    if (this.#isComplete(piece, bodyStart)) {
      this.#isBusy = false
      this.onEnd(this)
    }
  }

  /** Returns where the body begins. A head split over two reads is put together. */
  #readHead(piece: Buffer): number {
    const known = this.#tail
    const all = known.length === 0 ? piece : Buffer.concat([known, piece])
    const end = all.indexOf(headEnd)
    if (end === -1) {
      this.#tail = all
      return 0
    }
    this.#tail = nothing
    const head = all.toString('latin1', 0, end)
    this.#status = Number(head.slice(9, 12))
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    this.#expected = length === undefined ? -1 : Number(length)
    return end + headEnd.length - known.length
  }

  #isComplete(piece: Buffer, bodyStart: number): boolean {
    if (this.#expected >= 0) {
      this.#expected -= piece.length - bodyStart
      return this.#expected <= 0
    }
    // What is kept of a piece is read, not copied.
    const { length } = lastChunk
    this.#tail = piece.length >= length ? piece : Buffer.concat([this.#tail.subarray(-length), piece])
    if (!this.#tail.subarray(-length).equals(lastChunk)) return false
    this.#tail = nothing
    return true
  }
}
