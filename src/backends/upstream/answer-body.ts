/** @returns a promise: no more until it resolves */
export type OnBytes = (bytes: Uint8Array) => Promise<void> | null

/** Where the pieces come from. */
export interface BodySource {
  /** No more for now; what is already on its way may still come. */
  hold(): void
  release(): void
  /** The reader has all. */
  delivered(): void
  /** The reader threw. Calls `fail`. */
  refused(cause: unknown): void
}

/** A reader who has only just heard of the headers is not there yet: stopping the socket for the moment that he needs would cost more. */
const keptBytesMax = 64 * 1024

/** Hands the pieces of one answer to its reader, one after the other; keeps those that come while he is not there or busy. */
export class AnswerBody {
  readonly #source: BodySource
  readonly #kept: Uint8Array[] = []
  #keptBytes = 0
  #onBytes: OnBytes | null = null
  #reading: { resolve(): void; reject(cause: unknown): void } | null = null
  #isBusy = false
  #hasEnded = false
  #outcome: { readonly cause: unknown } | 'complete' | null = null

  constructor(source: BodySource) {
    this.#source = source
  }

  push(piece: Uint8Array): void {
    if (this.#outcome !== null) return
    if (this.#onBytes !== null && !this.#isBusy) {
      this.#hand(piece, this.#onBytes)
    } else {
      this.#kept.push(piece)
      this.#keptBytes += piece.length
      if (this.#isBusy || this.#keptBytes > keptBytesMax) this.#source.hold()
    }
  }

  /** The last piece was pushed. */
  end(): void {
    this.#hasEnded = true
    this.#completeIfRead()
  }

  fail(cause: unknown): void {
    this.#settle({ cause })
  }

  /** The reader wants no more. */
  stop(): void {
    this.#settle('complete')
  }

  read(onBytes: OnBytes): Promise<void> {
    if (this.#onBytes !== null) throw new Error('The body of an answer can be read once')
    this.#onBytes = onBytes
    return new Promise((resolve, reject) => {
      this.#reading = { resolve, reject }
      if (this.#outcome === null) this.#goOn()
      else this.#tell(this.#outcome)
    })
  }

  #hand(piece: Uint8Array, onBytes: OnBytes): void {
    try {
      const wait = onBytes(piece)
      if (wait === null || this.#outcome !== null) return
      this.#isBusy = true
      this.#source.hold()
      wait.then(
        () => this.#goOn(),
        (cause) => this.#source.refused(cause),
      )
    } catch (cause) {
      this.#source.refused(cause)
    }
  }

  #goOn(): void {
    this.#isBusy = false
    while (this.#kept.length > 0 && !this.#isBusy && this.#outcome === null && this.#onBytes !== null) {
      this.#hand(this.#kept.shift() as Uint8Array, this.#onBytes)
    }
    if (this.#isBusy || this.#outcome !== null) return
    if (this.#hasEnded) this.#completeIfRead()
    else this.#source.release()
  }

  #completeIfRead(): void {
    if (this.#onBytes === null || this.#isBusy || this.#kept.length > 0 || this.#outcome !== null) return
    this.#settle('complete')
    this.#source.delivered()
  }

  #settle(outcome: { readonly cause: unknown } | 'complete'): void {
    if (this.#outcome !== null) return
    this.#outcome = outcome
    this.#kept.length = 0
    this.#tell(outcome)
  }

  #tell(outcome: { readonly cause: unknown } | 'complete'): void {
    if (outcome === 'complete') this.#reading?.resolve()
    else this.#reading?.reject(outcome.cause)
  }
}
