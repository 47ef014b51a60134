/** A schema that is loose in a thousand places is as loose as one in a hundred; the list is for a log line. */
const entriesMax = 100

/** Where a grammar allows more than its schema. */
export class Loosened {
  readonly #entries = new Set<string>()
  #left = 0

  /** @param pointer JSON pointer of the subschema, as a URI fragment */
  add(pointer: string, keyword: string): void {
    const entry = `${pointer}: ${keyword}`
    if (this.#entries.size < entriesMax) this.#entries.add(entry)
    else if (!this.#entries.has(entry)) this.#left++
  }

  list(): readonly string[] {
    return this.#left === 0 ? [...this.#entries] : [...this.#entries, `and ${this.#left} more`]
  }
}
