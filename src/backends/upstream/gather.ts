import { HeadendError } from '../../contract/errors.ts'

/**
 * Puts pieces together. One piece is passed on as it is; more go into one buffer, as a list of single bytes would weigh a hundred times
 * what it holds.
 */
export class Gatherer {
  readonly #name: string
  readonly #bytesMax: number
  #bytes: Uint8Array = new Uint8Array(0)
  #length = 0

  /** @param name of the upstream */
  constructor(name: string, bytesMax: number) {
    this.#name = name
    this.#bytesMax = bytesMax
  }

  /** @throws HeadendError upstream-malformed: more than `bytesMax` */
  add(piece: Uint8Array): void {
    const length = this.#length + piece.length
    this.expect(length)
    if (this.#length === 0) {
      this.#bytes = piece
    } else {
      if (length > this.#bytes.length) this.#grow(length) // so at the second piece: the first fills its array to the end
      this.#bytes.set(piece, this.#length)
    }
    this.#length = length
  }

  /** @throws HeadendError upstream-malformed: so many are more than `bytesMax` */
  expect(bytes: number): void {
    if (bytes <= this.#bytesMax) return
    throw new HeadendError(
      'upstream-malformed',
      `The answer of upstream ${this.#name} is larger than ${this.#bytesMax} bytes`,
    )
  }

  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(needed: number): void {
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(needed * 2, this.#bytesMax)))
    grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
