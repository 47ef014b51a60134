import type { MessagePort } from 'node:worker_threads'
import type { FromWorker, ToWorker } from '../../../workers/messages.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { EventSink } from '../../contract/events.ts'
import type { Signal } from '../../contract/signal.ts'

/** Events in flight per request: enough that a worker never waits for a healthy reader, few enough to bound a stalled one. */
export const creditEvents = 64
/** Credit goes back in lots, as each message costs as much as several events. */
const creditLot = 16

/** The main thread's end of one request: passes events to the sink, and to the worker how many more it may send. */
export class Channel {
  /** Resolves when the sink has the whole answer. */
  readonly finished: Promise<void>
  readonly #port: MessagePort
  readonly #sink: EventSink
  readonly #signal: Signal
  #resolve = (): void => {}
  #reject: (cause: unknown) => void = () => {}
  #reason: HeadendError | null = null
  #owed = 0
  #stalled = false

  constructor(port: MessagePort, sink: EventSink, signal: Signal) {
    this.#port = port
    this.#sink = sink
    this.#signal = signal
    this.finished = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.finished.catch(() => {}) // whoever runs the task looks at its own failure first
    port.on('message', this.#receive)
    port.on('close', this.#closed)
    if (signal.aborted) this.#cancel()
    else signal.addEventListener('abort', this.#cancel, { once: true })
  }

  /** Ends the request for a reason of ours, as an abort ends it for one of the client's. */
  end(reason: HeadendError): void {
    this.#reason = reason
    this.#cancel()
  }

  close(): void {
    this.#signal.removeEventListener('abort', this.#cancel)
    this.#port.close()
  }

  readonly #receive = (message: FromWorker): void => {
    switch (message.type) {
      case 'events':
        this.#pass(message.events)
        return
      case 'failed':
        this.#reject(new HeadendError(message.kind, message.message, { cause: new Error(message.detail) }))
        return
      default:
        message satisfies never
    }
  }

  #pass(events: (FromWorker & { type: 'events' })['events']): void {
    let writable = true
    for (const event of events) {
      writable = this.#sink.write(event)
      if (event.type === 'finish') this.#resolve()
    }
    this.#owed += events.length
    if (this.#stalled) return
    if (writable) this.#grant()
    else this.#waitForSink()
  }

  #grant(): void {
    if (this.#owed < creditLot) return
    this.#port.postMessage({ type: 'credit', events: this.#owed } satisfies ToWorker)
    this.#owed = 0
  }

  #waitForSink(): void {
    this.#stalled = true
    this.#sink.drained().then(
      () => {
        this.#stalled = false
        this.#grant()
      },
      () => {}, // the client has gone: the signal says so, too
    )
  }

  readonly #cancel = (): void => {
    this.#port.postMessage({ type: 'cancel' } satisfies ToWorker)
  }

  /** All messages have come before this. It follows a finished answer too, where it changes nothing. */
  readonly #closed = (): void => {
    if (this.#signal.aborted) this.#reject(this.#signal.reason)
    else this.#reject(this.#reason ?? new HeadendError('internal', 'The model worker ended without an answer'))
  }
}
