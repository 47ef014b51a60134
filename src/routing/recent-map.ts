/**
 * Keeps what was used lately. Two generations take the place of a list in order of use: a `get` of something young, which is nearly
 * every one, is one look-up and moves nothing.
 */
export class RecentMap<Value> {
  readonly #generationMax: number
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()

  /** @param entriesMax never more than these are held; the half that was used last is held for certain */
  constructor(entriesMax: number) {
    this.#generationMax = Math.ceil(entriesMax / 2)
  }

  get(key: string): Value | null {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old === undefined) return null
    this.set(key, old)
    return old
  }

  set(key: string, value: Value): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(key)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#old.delete(key)
    this.#young.set(key, value)
  }

  values(): readonly Value[] {
    return [...this.#old.values(), ...this.#young.values()]
  }
}
