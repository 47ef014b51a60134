import type { HeadendError } from '../contract/errors.ts'
import { Roster } from '../contract/roster.ts'
import { ByteBudget } from './body.ts'
import { SharedTimer, ticksPerPing } from './ping.ts'
import type { Finished, Hooks, TransportOptions } from './transport.ts'

interface OpenExchange {
  /** Its work is ended; its response stays open for the error. */
  cancel(reason: HeadendError): void
  /** The exchange is over; its connection is cut. */
  cutOff(reason: HeadendError): void
}

/** What all exchanges of one transport share. */
export class TransportState {
  readonly options: TransportOptions
  readonly hooks: Hooks
  readonly bodies: ByteBudget
  readonly pings: SharedTimer
  /** Every response that begins now says `connection: close`. */
  draining = false
  readonly #open = new Roster<OpenExchange>()
  #onEmpty: (() => void)[] = []

  constructor(options: TransportOptions, hooks: Hooks) {
    this.options = options
    this.hooks = hooks
    this.bodies = new ByteBudget(options.bodiesBytesMax)
    this.pings = new SharedTimer(options.pingIntervalMs / ticksPerPing)
  }

  get openCount(): number {
    return this.#open.size
  }

  /** @returns what `ended` is to be told */
  opened(exchange: OpenExchange): number {
    return this.#open.add(exchange)
  }

  ended(place: number, report: Finished): void {
    this.#open.remove(place)
    this.hooks.finished(report)
    if (this.#open.size > 0) return
    for (const resolve of this.#onEmpty.splice(0)) resolve()
  }

  /** Resolves when no exchange is open. */
  empty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }

  cancelAll(reason: HeadendError): void {
    for (const exchange of this.#open.list()) exchange.cancel(reason)
  }

  cutOffAll(reason: HeadendError): void {
    for (const exchange of this.#open.list()) exchange.cutOff(reason)
  }
}
