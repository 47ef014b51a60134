import type { MessagePort } from 'node:worker_threads'
import type { ErrorKind } from '../src/contract/errors.ts'
import type { StreamEvent } from '../src/contract/events.ts'
import type { FromWorker, ToWorker } from './messages.ts'

/** The worker's end of one request: events go up in batches, credit and cancel come down. */
export class EventPort {
  readonly #port: MessagePort
  #pending: StreamEvent[] = []
  #credit: number
  #wake: (() => void) | null = null
  #cancelled = false

  constructor(port: MessagePort, credit: number) {
    this.#port = port
    this.#credit = credit
    port.on('message', this.#receive)
    // The main thread closes its end when it gives the request up, and a dead main thread closes everything.
    port.on('close', this.#cancel)
  }

  get cancelled(): boolean {
    return this.#cancelled
  }

  /** `true`: ask `granted()` before the next event. */
  get exhausted(): boolean {
    return this.#credit <= 0
  }

  /** All events of one tick leave in one message: an event alone costs three times as much as one of eight. */
  send(event: StreamEvent): void {
    this.#credit--
    if (this.#pending.length === 0) queueMicrotask(this.#flush)
    this.#pending.push(event)
  }

  fail(kind: ErrorKind, message: string, detail: string): void {
    this.#flush()
    this.#port.postMessage({ type: 'failed', kind, message, detail } satisfies FromWorker)
  }

  /** Resolves when there is credit again, or at a cancel. */
  granted(): Promise<void> {
    if (this.#credit > 0 || this.#cancelled) return Promise.resolve()
    return new Promise((resolve) => {
      this.#wake = resolve
    })
  }

  close(): void {
    this.#flush()
    this.#port.off('close', this.#cancel)
    this.#port.close()
  }

  readonly #flush = (): void => {
    if (this.#pending.length === 0) return
    this.#port.postMessage({ type: 'events', events: this.#pending } satisfies FromWorker)
    this.#pending = []
  }

  readonly #receive = (message: ToWorker): void => {
    switch (message.type) {
      case 'credit':
        this.#credit += message.events
        if (this.#credit > 0) this.#wakeUp()
        return
      case 'cancel':
        this.#cancel()
        return
      default:
        message satisfies never
    }
  }

  readonly #cancel = (): void => {
    this.#cancelled = true
    this.#wakeUp()
  }

  #wakeUp(): void {
    this.#wake?.()
    this.#wake = null
  }
}
