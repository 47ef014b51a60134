import type { HeadendError } from '../contract/errors.ts'
import type { FrameWriter } from '../contract/exchange.ts'
import { type Ticked, ticksPerPing } from './ping.ts'

/** What a transport gives the writer. When the socket takes more again it calls `wake()`, when the client has gone `abort()`. */
export interface FrameSink {
  /** One corked write. The text is kept in any case, so it is never sent again; `false`: the socket is full. */
  send(text: string): boolean
  /** As `send`. */
  sendBytes(bytes: Uint8Array): boolean
  /** Sends the rest and ends the response in the same write. */
  finish(text: string): void
  /** `true`: the reader has fallen behind and its time runs. `false`: it has taken something. */
  stalled(isStalled: boolean): void
}

/** Characters. So much does not wait for the end of the tick: a reader that is too slow for it should be known before there is more. */
const earlyWriteLength = 32 * 1024

/** Characters. More than this may not fit a socket, and an end that comes along could not tell. */
const lastWriteLengthMax = 16 * 1024

interface Waiters {
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (reason: HeadendError) => void
}

/** Merges the frames of one tick into one write and speaks the backpressure sentence. Nothing is allocated per frame. */
export class SseWriter implements FrameWriter, Ticked {
  readonly #sink: FrameSink
  readonly #pingFrame: string
  #pending = ''
  #scheduled = false
  #writable = true
  #phase: 'open' | 'ending' | 'ended' = 'open'
  /** Why nobody need wait any more: the client has gone, or the work was cancelled. */
  #reason: HeadendError | null = null
  #isGone = false
  #waiters: Waiters | null = null
  #silentTicks = 0

  constructor(sink: FrameSink, pingFrame: string) {
    this.#sink = sink
    this.#pingFrame = pingFrame
    this.#schedule() // so that status and headers leave even if the first frame is far away
  }

  get writable(): boolean {
    return this.#writable && !this.#isGone
  }

  write(frame: string): boolean {
    if (this.#isGone) return false // whoever awaits drained() now learns the reason
    if (this.#phase !== 'open') return true
    this.#silentTicks = 0
    this.#schedule()
    this.#pending += frame
    if (this.#pending.length >= earlyWriteLength && this.#writable)
      this.#setWritable(this.#sink.send(this.#takePending()))
    return this.#writable
  }

  /** Leaves at once: whoever passes bytes on has gathered them already. */
  writeBytes(frames: Uint8Array): boolean {
    if (this.#isGone) return false
    if (this.#phase !== 'open') return true
    this.#silentTicks = 0
    if (this.#pending !== '') this.#setWritable(this.#sink.send(this.#takePending()))
    this.#setWritable(this.#sink.sendBytes(frames))
    return this.#writable
  }

  drained(): Promise<void> {
    if (this.#reason !== null) return Promise.reject(this.#reason)
    if (this.#writable) return Promise.resolve()
    this.#waiters ??= createWaiters() // shared: however many wait, one wake reaches them all
    return this.#waiters.promise
  }

  end(): void {
    if (this.#isGone || this.#phase !== 'open') return
    this.#phase = 'ending'
    this.#schedule()
  }

  /** The socket takes more. */
  wake(): void {
    if (this.#isGone || this.#phase === 'ended') return
    this.#setWritable(true)
    if (this.#phase === 'ending') this.#flush()
  }

  abort(reason: HeadendError): void {
    if (this.#isGone || this.#phase === 'ended') return
    this.#isGone = true
    this.#pending = ''
    this.cancel(reason)
  }

  /** Nobody shall wait for this reader any more; what is written still leaves, such as the error that says why. */
  cancel(reason: HeadendError): void {
    this.#reason ??= reason
    this.#waiters?.reject(reason)
    this.#waiters = null
  }

  tick(): void {
    if (this.#pingFrame === '' || !this.writable || this.#phase !== 'open') return
    this.#silentTicks += 1
    if (this.#silentTicks > ticksPerPing) this.write(this.#pingFrame)
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(this.#flush)
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    if (this.#isGone || this.#phase === 'ended') return
    // An end behind a full socket waits for wake(): until then the stall clock is ours, and so is the report of the end.
    if (this.#phase === 'ending' && !this.#writable) return
    if (this.#phase === 'open' && this.#pending === '' && !this.#writable) return // the bytes that left since had the head before them
    if (this.#phase === 'open' || this.#pending.length > lastWriteLengthMax) {
      this.#setWritable(this.#sink.send(this.#takePending())) // a write may succeed before wake(): that releases waiters, too
    }
    if (this.#phase === 'open' || !this.#writable) return
    this.#phase = 'ended'
    this.#sink.finish(this.#takePending())
  }

  #takePending(): string {
    const frames = this.#pending
    this.#pending = ''
    return frames
  }

  #setWritable(writable: boolean): void {
    if (writable === this.#writable) return
    this.#writable = writable
    this.#sink.stalled(!writable)
    if (!writable || this.#waiters === null) return
    this.#waiters.resolve()
    this.#waiters = null
  }
}

function createWaiters(): Waiters {
  let resolve: () => void = unset
  let reject: (reason: HeadendError) => void = unset
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}

function unset(): never {
  throw new Error('a promise runs its executor before its constructor returns')
}
