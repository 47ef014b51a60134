import type { Transform } from 'node:stream'
import type { Dispatcher } from 'undici'
import { HeadendError } from '../../contract/errors.ts'
import type { Signal } from '../../contract/signal.ts'
import { AnswerBody, type BodySource, type OnBytes } from './answer-body.ts'
import type { Connection, Passenger } from './connection.ts'
import type { DeadlineClock, Watched } from './deadlines.ts'
import { Gatherer } from './gather.ts'
import { type InflaterCreator, inflaterOf } from './inflate.ts'
import type { UpstreamResponse } from './response.ts'
import type { UpstreamSettings } from './settings.ts'
import { explainBroken } from './transport-failure.ts'

export interface Asker {
  readonly signal: Signal
  readonly resolve: (response: UpstreamResponse) => void
  readonly reject: (cause: unknown) => void
}

type Controller = Dispatcher.DispatchController
type Headers = Readonly<Record<string, string | string[] | undefined>>

/**
 * `connecting`, then `asking` until the first byte of the body, `answering` until the last one has come, `received` until it was
 * read, `over`.
 */
type Stage = 'connecting' | 'asking' | 'answering' | 'received' | 'over'

/** One request on its way: undici's events on one side, its response on the other. */
export class ExchangeHandler implements Passenger, UpstreamResponse, BodySource, Watched {
  status = 0
  #headers: Headers = {}
  #stage: Stage = 'connecting'
  #hasStatusLine = false
  /** The socket waits for the reader, or for the inflater. */
  #isHeld = false
  #socketHasEnded = false
  /** Something came since the last tick. */
  #wasHeard = false
  #quietSince = 0
  /** Where its clock knows it; `null`: no longer. */
  #place: number | null
  #asker: Asker | null
  #controller: Controller | null = null
  #createInflater: InflaterCreator | null = null
  #inflater: Transform | null = null
  readonly #startedAt = performance.now()
  readonly #body = new AnswerBody(this)
  readonly #signal: Signal
  readonly #settings: UpstreamSettings
  readonly #clock: DeadlineClock
  readonly #connection: Connection

  constructor(asker: Asker, settings: UpstreamSettings, clock: DeadlineClock, connection: Connection) {
    this.#asker = asker
    this.#signal = asker.signal
    this.#settings = settings
    this.#clock = clock
    this.#connection = connection
    this.#signal.addEventListener('abort', this)
    this.#place = clock.watch(this)
  }

  // What the caller has of it

  header(name: string): string | null {
    const value = this.#headers[name]
    return (typeof value === 'object' ? value[0] : value) ?? null
  }

  headerNames(): Iterable<string> {
    return Object.keys(this.#headers)
  }

  pump(onBytes: OnBytes): Promise<void> {
    return this.#body.read(onBytes)
  }

  async whole(bytesMax: number): Promise<Uint8Array> {
    const gatherer = new Gatherer(this.#settings.name, bytesMax)
    const declared = Number(this.header('content-length'))
    await this.#body.read((piece) => {
      gatherer.expect(declared) // here, where it ends the request
      gatherer.add(piece)
      return null
    })
    return gatherer.bytes
  }

  cancel(): void {
    if (this.#leave()) this.#body.stop()
  }

  handleEvent(): void {
    this.#fail(this.#signal.reason)
  }

  // What the connection and undici call

  get holdsSocket(): boolean {
    return this.#isHeld
  }

  socketEnded(): void {
    this.#socketHasEnded = true
    this.#releaseSocket()
  }

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    this.#stage = 'asking'
    this.#quietSince = performance.now()
  }

  onResponseStarted(): void {
    this.#hasStatusLine = true
  }

  onResponseStart(_controller: Controller, status: number, headers: Headers): void {
    if (status < 200 || this.#asker === null) return // early hints are not the answer
    this.status = status
    this.#headers = headers
    const encoding = this.header('content-encoding')
    const createInflater = inflaterOf(encoding)
    if (createInflater === undefined) {
      this.#fail(this.#malformed(`in an encoding that is not known here: ${JSON.stringify(encoding?.slice(0, 40))}`))
      return
    }
    this.#createInflater = createInflater
    this.#asker.resolve(this)
    this.#asker = null
  }

  onResponseData(_controller: Controller, piece: Uint8Array): void {
    if (piece.length === 0 || this.#stage === 'over') return // undici sends empty ones as it goes on after a pause
    this.#stage = 'answering'
    this.#wasHeard = true
    if (this.#createInflater === null) this.#body.push(piece)
    else this.#inflate(piece, this.#createInflater)
  }

  onResponseEnd(): void {
    if (this.#stage === 'over') return
    this.#stage = 'received'
    this.#isHeld = false
    this.#unwatch()
    this.#connection.leave()
    if (this.#inflater === null) this.#body.end()
    else this.#inflater.end()
  }

  onResponseError(_controller: Controller, cause: Error): void {
    this.#fail(this.#explain(cause))
  }

  // Deadlines

  tick(now: number): void {
    const { totalTimeoutMs, firstByteTimeoutMs, idleTimeoutMs } = this.#settings
    if (totalTimeoutMs > 0 && now - this.#startedAt >= totalTimeoutMs) {
      this.#fail(this.#late(`has not finished its answer within ${totalTimeoutMs} ms`))
    } else if (this.#wasHeard || this.#isHeld || this.#stage === 'connecting') {
      this.#wasHeard = false
      this.#quietSince = now // a little late, never early
    } else if (this.#stage === 'asking' && now - this.#quietSince >= firstByteTimeoutMs) {
      this.#fail(this.#late(`has not begun to answer within ${firstByteTimeoutMs} ms`))
    } else if (this.#stage === 'answering' && now - this.#quietSince >= idleTimeoutMs) {
      this.#fail(this.#late(`fell silent for ${idleTimeoutMs} ms amid its answer`))
    }
  }

  // What the body asks for

  hold(): void {
    if (this.#inflater === null) this.#holdSocket()
    else this.#inflater.pause()
  }

  release(): void {
    if (this.#inflater === null) this.#releaseSocket()
    else this.#inflater.resume()
  }

  delivered(): void {
    this.#leave()
  }

  refused(cause: unknown): void {
    this.#fail(cause)
  }

  #holdSocket(): void {
    if (this.#isHeld || this.#stage !== 'answering' || this.#socketHasEnded) return
    this.#isHeld = true
    this.#controller?.pause()
  }

  #releaseSocket(): void {
    if (!this.#isHeld) return
    this.#isHeld = false
    this.#wasHeard = true // while it waited, nothing could be heard
    this.#controller?.resume()
  }

  #inflate(piece: Uint8Array, create: InflaterCreator): void {
    this.#inflater ??= this.#openInflater(create(piece[0] as number))
    if (!this.#inflater.write(piece)) this.#holdSocket()
  }

  #openInflater(inflater: Transform): Transform {
    return inflater
      .on('data', (piece: Uint8Array) => this.#body.push(piece))
      .on('drain', () => this.#releaseSocket())
      .on('end', () => this.#body.end())
      .on('error', (cause) => this.#fail(this.#malformed(`not valid ${this.header('content-encoding')}`, cause)))
  }

  #fail(cause: unknown): void {
    if (!this.#leave()) return
    this.#asker?.reject(cause)
    this.#asker = null
    this.#body.fail(cause)
  }

  /** Lets go of everything. @returns `false`: that was done before */
  #leave(): boolean {
    if (this.#stage === 'over') return false
    const isUnderWay = this.#stage !== 'received'
    this.#stage = 'over'
    this.#isHeld = false
    this.#signal.removeEventListener('abort', this)
    this.#unwatch()
    this.#inflater?.destroy()
    if (isUnderWay) this.#connection.abandon(this.#controller)
    return true
  }

  #unwatch(): void {
    if (this.#place !== null) this.#clock.forget(this.#place)
    this.#place = null
  }

  #explain(cause: NodeJS.ErrnoException): Error {
    // A header that undici refuses is no fault of the upstream.
    if (cause instanceof HeadendError || cause.code === 'UND_ERR_INVALID_ARG') return cause
    if (this.#asker === null) return explainBroken(this.#settings.name, 'answering', cause)
    const isStale = this.#connection.isReused && !this.#hasStatusLine
    return explainBroken(this.#settings.name, isStale ? 'unnoticed' : 'unanswered', cause)
  }

  #late(what: string): HeadendError {
    return new HeadendError('upstream-timeout', `Upstream ${this.#settings.name} ${what}`)
  }

  #malformed(what: string, cause?: unknown): HeadendError {
    return new HeadendError('upstream-malformed', `The answer of upstream ${this.#settings.name} is ${what}`, { cause })
  }
}
