import type { HeadendError } from '../../src/contract/errors.ts'
import type { Exchange, FrameWriter, StreamOptions } from '../../src/contract/exchange.ts'

export interface RecordedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** A writer whose socket is full or not as the test says. */
export class RecordingWriter implements FrameWriter {
  readonly frames: string[] = []
  writable = true
  ended = false
  #waiting: PromiseWithResolvers | null = null

  get text(): string {
    return this.frames.join('')
  }

  write(frame: string): boolean {
    this.frames.push(frame)
    return this.writable
  }

  writeBytes(frames: Uint8Array): boolean {
    return this.write(Buffer.from(frames).toString())
  }

  drained(): Promise<void> {
    if (this.writable) return Promise.resolve()
    this.#waiting ??= withResolvers()
    return this.#waiting.promise
  }

  end(): void {
    this.ended = true
  }

  /** The socket takes more. */
  wake(): void {
    this.writable = true
    this.#waiting?.resolve()
    this.#waiting = null
  }

  abort(reason: Error): void {
    this.#waiting?.reject(reason)
  }
}

/** An exchange without a socket: it keeps what a protocol answers. */
export class RecordingExchange implements Exchange {
  readonly id = 'req_0123456789abcdefghijklmn'
  readonly method: string
  readonly path = '/v1/messages'
  readonly query = new URLSearchParams()
  readonly remoteAddress = '127.0.0.1'
  readonly writer = new RecordingWriter()
  readonly addedHeaders: Record<string, string> = {}
  response: RecordedResponse | null = null
  stream: {
    readonly status: number
    readonly headers: Readonly<Record<string, string>>
    readonly pingFrame: string
  } | null = null
  readonly #headers: Readonly<Record<string, string>>
  readonly #controller = new AbortController()

  constructor(headers: Readonly<Record<string, string>> = {}, method = 'POST') {
    this.#headers = headers
    this.method = method
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get committed(): boolean {
    return this.response !== null || this.stream !== null
  }

  header(name: string): string | null {
    return this.#headers[name] ?? null
  }

  headerNames(): Iterable<string> {
    return Object.keys(this.#headers)
  }

  addHeader(name: string, value: string): void {
    this.addedHeaders[name] = value
  }

  body(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array())
  }

  respond(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array): void {
    if (this.committed) return
    this.response = { status, headers, body: typeof body === 'string' ? body : Buffer.from(body).toString() }
  }

  openStream(status: number, headers: Readonly<Record<string, string>>, { pingFrame }: StreamOptions): FrameWriter {
    if (this.committed) throw new Error('a second response')
    this.stream = { status, headers, pingFrame }
    return this.writer
  }

  cancel(cause: HeadendError): void {
    this.#controller.abort(cause)
  }

  /** The client closes its connection. */
  leave(reason: HeadendError): void {
    this.#controller.abort(reason)
    this.writer.abort(reason)
  }
}

interface PromiseWithResolvers {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (reason: Error) => void
}

/** Promise.withResolvers came with Node 22. */
function withResolvers(): PromiseWithResolvers {
  let resolve: () => void = () => {}
  let reject: (reason: Error) => void = () => {}
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
