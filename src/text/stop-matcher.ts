import assert from 'node:assert'

/** Finds stop sequences in a text that arrives in pieces; the result never depends on where the pieces were cut. */
export interface StopMatcher {
  /**
   * What may be shown now. A suffix that could become a stop sequence is held back, text after a match is dropped.
   * A match that a longer or earlier one could still beat is open: `matched` stays null until it is decided.
   */
  push(text: string): string
  /** The text is over: decides an open match and returns what was held back in front of it. */
  flush(): string
  /** The stop sequence that ended the text: the earliest start wins, of equal starts the longest. */
  readonly matched: string | null
}

/** @param stops none of them empty */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  assert(!stops.includes(''), 'an empty stop sequence would match everywhere')
  return new Matcher(stops)
}

class Matcher implements StopMatcher {
  matched: string | null = null
  readonly #stops: readonly string[]
  readonly #firstUnits: ReadonlySet<number>
  readonly #lengthMax: number
  #held = ''

  constructor(stops: readonly string[]) {
    this.#stops = stops
    this.#firstUnits = new Set(stops.map((stop) => stop.charCodeAt(0)))
    this.#lengthMax = stops.reduce((longest, stop) => Math.max(longest, stop.length), 0)
  }

  push(text: string): string {
    if (this.matched !== null) return ''
    const buffer = this.#held === '' ? text : this.#held + text
    const start = this.#matchStart(buffer)
    const open = this.#openStart(buffer)
    // An open candidate that starts with the match is longer, one that starts before it is earlier: both would win.
    if (start !== -1 && (open === -1 || open > start)) return this.#cut(buffer, start)
    this.#held = open === -1 ? '' : buffer.slice(open)
    return open === -1 ? buffer : buffer.slice(0, open)
  }

  flush(): string {
    const buffer = this.#held
    const start = this.#matchStart(buffer)
    this.#held = ''
    return start === -1 ? buffer : this.#cut(buffer, start)
  }

  #cut(buffer: string, start: number): string {
    for (const stop of this.#stops) {
      if (stop.length > (this.matched?.length ?? 0) && buffer.startsWith(stop, start)) this.matched = stop
    }
    this.#held = ''
    return buffer.slice(0, start)
  }

  /** Where the earliest complete stop sequence starts; -1 for none. */
  #matchStart(buffer: string): number {
    let earliest = -1
    for (const stop of this.#stops) {
      const start = buffer.indexOf(stop)
      if (start !== -1 && (earliest === -1 || start < earliest)) earliest = start
    }
    return earliest
  }

  /** Where the longest suffix starts that is a proper prefix of a stop sequence; -1 for none. */
  #openStart(buffer: string): number {
    for (let start = Math.max(0, buffer.length - this.#lengthMax + 1); start < buffer.length; start++) {
      // Compared by code unit, because slices would be garbage for every token.
      if (this.#firstUnits.has(buffer.charCodeAt(start)) && this.#someStopContinues(buffer, start)) return start
    }
    return -1
  }

  #someStopContinues(buffer: string, start: number): boolean {
    for (const stop of this.#stops) {
      if (stop.length > buffer.length - start && isPrefixOf(stop, buffer, start)) return true
    }
    return false
  }
}

/** Whether `buffer` from `start` to its end begins `stop`. */
function isPrefixOf(stop: string, buffer: string, start: number): boolean {
  for (let index = start; index < buffer.length; index++) {
    if (buffer.charCodeAt(index) !== stop.charCodeAt(index - start)) return false
  }
  return true
}
