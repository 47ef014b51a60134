export interface GrammarLimits {
  /** Rules, those included that the engine makes of groups and repetitions. It keeps a copy of every one for every answer. */
  readonly rulesMax: number
  /** Characters of the grammar: the engine parses the text anew for every answer. */
  readonly charactersMax: number
  /** Keywords from the root of a schema, or from the target of a `$ref`, down to a subschema. */
  readonly depthMax: number
  /** Subschemas and pairs of them looked at, a few hundred nanoseconds each. */
  readonly stepsMax: number
}

export const defaultLimits: GrammarLimits = {
  rulesMax: 20_000,
  charactersMax: 1_000_000,
  depthMax: 64,
  stepsMax: 200_000,
}

/** What one grammar may cost. Nothing is refused when it is used up: what is left of the schemas becomes any JSON. */
export class Budget {
  readonly limits: GrammarLimits
  #rules = 0
  #characters = 0
  #steps = 0

  constructor(limits: GrammarLimits) {
    this.limits = limits
  }

  get exhausted(): boolean {
    const { rulesMax, charactersMax, stepsMax } = this.limits
    return this.#rules >= rulesMax || this.#characters >= charactersMax || this.#steps >= stepsMax
  }

  hasRoomFor(characters: number): boolean {
    return this.#characters + characters < this.limits.charactersMax
  }

  spendRules(count: number): void {
    this.#rules += count
  }

  spendCharacters(count: number): void {
    this.#characters += count
  }

  spendSteps(count: number): void {
    this.#steps += count
  }
}
