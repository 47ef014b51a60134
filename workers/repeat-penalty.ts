import type { LlamaContextSequenceRepeatPenalty, Token } from 'node-llama-cpp'
import type { Penalties } from '../src/contract/request.ts'

/** The engine compares as many tokens with each step, so there is an end to it. */
const windowTokens = 1024

/** The penalties of one answer, and the end of what it holds so far. */
export class RepeatPenalty implements LlamaContextSequenceRepeatPenalty {
  readonly maxPunishTokens = windowTokens
  readonly penalty: number
  readonly frequencyPenalty: number
  readonly presencePenalty: number
  readonly #said: Token[] = []

  constructor({ repeat, frequency, presence }: Penalties) {
    this.penalty = repeat ?? 1 // the engine's own default is a penalty
    this.frequencyPenalty = frequency ?? 0
    this.presencePenalty = presence ?? 0
  }

  /** Asked before each step. */
  readonly punishTokens = (): Token[] => this.#said

  note(token: Token): void {
    if (this.#said.length === windowTokens) this.#said.shift()
    this.#said.push(token)
  }
}
