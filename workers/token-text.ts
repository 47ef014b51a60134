import type { LlamaModel, Token } from 'node-llama-cpp'

/** An incomplete character waits for at most three tokens; chains of broken ones, which only noise produces, are let go after this many. */
const heldTokensMax = 8
/** The detokeniser looks at a few tokens before, to decide about a leading space. */
const contextTokensMax = 4

/** Turns one answer's tokens into text. A character that is split over tokens arrives whole; a broken tail only at the end. */
export class TokenText {
  readonly #model: LlamaModel
  readonly #spoken: ReadonlySet<number>
  #held: Token[] = []
  #before: Token[] = []

  /** @param spokenTokens control tokens whose text counts; the others have none */
  constructor(model: LlamaModel, spokenTokens: readonly number[] = []) {
    this.#model = model
    this.#spoken = new Set(spokenTokens)
  }

  /** The text that this token completes; '' while a character is incomplete. */
  push(token: Token): string {
    if (this.#spoken.has(token)) return this.flush() + this.#model.detokenize([token], true)
    this.#held.push(token)
    const text = this.#model.detokenize(this.#held, false, this.#before)
    if (text.endsWith('\ufffd') && this.#held.length < heldTokensMax) return ''
    this.#release()
    return text
  }

  /** What is left of a broken character, as U+FFFD. */
  flush(): string {
    if (this.#held.length === 0) return ''
    const text = this.#model.detokenize(this.#held, false, this.#before)
    this.#release()
    return text
  }

  #release(): void {
    for (const token of this.#held) this.#before.push(token)
    if (this.#before.length > contextTokensMax) this.#before = this.#before.slice(-contextTokensMax)
    this.#held.length = 0
  }
}
