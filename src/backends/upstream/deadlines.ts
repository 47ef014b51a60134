import { Roster } from '../../contract/roster.ts'

/** Something that may last too long. */
export interface Watched {
  /** @param now as of `performance.now()`, milliseconds */
  tick(now: number): void
}

/** A deadline is noticed at most about two of these parts of it late. */
const ticksPerLimit = 16
const periodMsMin = 5
const periodMsMax = 1000

/**
 * One timer for all deadlines of an upstream: a request costs an entry in a set, and a piece of an answer costs nothing, where a
 * timer of its own would be moved at every piece. It runs only while something is watched, and keeps no process alive.
 */
export class DeadlineClock {
  readonly #watched = new Roster<Watched>()
  readonly #periodMs: number
  #timer: NodeJS.Timeout | null = null

  /** @param limitsMs the deadlines there are; 0: none */
  constructor(limitsMs: readonly number[]) {
    const shortest = Math.min(...limitsMs.filter((limit) => limit > 0))
    this.#periodMs = Math.min(Math.max(shortest / ticksPerLimit, periodMsMin), periodMsMax)
  }

  /** @returns what `forget` is to be told */
  watch(watched: Watched): number {
    this.#timer ??= setInterval(() => this.#tick(), this.#periodMs).unref()
    return this.#watched.add(watched)
  }

  /** Once. */
  forget(place: number): void {
    this.#watched.remove(place)
  }

  #tick(): void {
    const now = performance.now()
    for (const watched of this.#watched.list()) watched.tick(now)
    if (this.#watched.size > 0 || this.#timer === null) return
    clearInterval(this.#timer) // here rather than in `forget`: requests in a row would make one timer each
    this.#timer = null
  }
}
