export interface Ticked {
  tick(): void
}

/** A stream counts its own silence in ticks. More ticks are more exact and wake the process more often: four make a ping late by a quarter at most. */
export const ticksPerPing = 4

/** One timer for all open streams, which runs only while there are any: a timer per stream would be restarted with every frame. */
export class SharedTimer {
  readonly #tickMs: number
  readonly #members = new Set<Ticked>()
  #timer: NodeJS.Timeout | null = null

  constructor(tickMs: number) {
    this.#tickMs = tickMs
  }

  get running(): boolean {
    return this.#timer !== null
  }

  add(member: Ticked): void {
    this.#members.add(member)
    this.#timer ??= setInterval(this.#tick, this.#tickMs)
  }

  remove(member: Ticked): void {
    this.#members.delete(member)
    if (this.#members.size > 0 || this.#timer === null) return
    clearInterval(this.#timer)
    this.#timer = null
  }

  readonly #tick = (): void => {
    for (const member of this.#members) member.tick()
  }
}
