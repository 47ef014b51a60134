import type { Transform } from 'node:stream'
import { HeadendError } from '../contract/errors.ts'
import { createDecoder } from './content-encoding.ts'

/** Bytes that all exchanges of one transport may hold together. */
export class ByteBudget {
  readonly #bytesMax: number
  #bytesUsed = 0

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  reserve(bytes: number): boolean {
    if (this.#bytesUsed + bytes > this.#bytesMax) return false
    this.#bytesUsed += bytes
    return true
  }

  release(bytes: number): void {
    this.#bytesUsed -= bytes
  }
}

export interface BodyPlan {
  readonly bytesMax: number
  readonly budget: ByteBudget
  /** `content-length`; `null` for a chunked body. */
  readonly declaredBytes: number | null
  readonly contentEncoding: string
}

/** A declared length is believed, and its room taken at once, up to this many bytes; a larger body has to arrive first. */
const trustedBytesMax = 1024 * 1024
const capacityBytesMin = 16 * 1024

/**
 * Gathers one body in one buffer. A list of pieces would be simpler, but a client that sends single bytes would then hold a
 * hundred times what it is charged for.
 */
export class BodyCollector {
  readonly #plan: BodyPlan
  readonly #decoder: Transform | null = null
  #buffer: Uint8Array = new Uint8Array(0)
  #length = 0
  #bytesReceived = 0
  #bytesReserved = 0
  #outcome: Uint8Array | HeadendError | null = null
  #waiter: { resolve(body: Uint8Array): void; reject(error: HeadendError): void } | null = null

  constructor(plan: BodyPlan) {
    this.#plan = plan
    if (plan.declaredBytes !== null && plan.declaredBytes > plan.bytesMax) this.fail(tooLarge(plan.bytesMax))
    else if (plan.contentEncoding !== '' && plan.contentEncoding !== 'identity') {
      this.#decoder = createDecoder(plan.contentEncoding)
      if (this.#decoder === null) this.fail(unknownEncoding(plan.contentEncoding))
      else this.#listen(this.#decoder)
    }
  }

  get failed(): boolean {
    return this.#outcome instanceof HeadendError
  }

  /** May be called once. */
  read(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#settle()
    })
  }

  /** `isOurs`: the piece stays valid after the call. */
  push(piece: Uint8Array, isOurs: boolean): void {
    if (this.#outcome !== null || piece.length === 0) return
    this.#bytesReceived += piece.length
    if (this.#bytesReceived > this.#plan.bytesMax) this.fail(tooLarge(this.#plan.bytesMax))
    else if (this.#decoder === null) this.#append(piece, isOurs)
    // What waits for the decoder is not charged a second time: it is bounded by bytesMax, and decoding keeps up.
    else this.#decoder.write(isOurs ? piece : Buffer.from(piece))
  }

  /** The last piece has been pushed. */
  end(): void {
    if (this.#outcome !== null) return
    if (this.#decoder === null) this.#complete()
    else this.#decoder.end()
  }

  /** Has no effect once the body is complete. */
  fail(error: HeadendError): void {
    if (this.#outcome !== null) return
    this.#outcome = error
    this.#decoder?.destroy()
    this.#buffer = new Uint8Array(0)
    this.release()
    this.#settle()
  }

  /** Gives its share of the budget back. */
  release(): void {
    this.#plan.budget.release(this.#bytesReserved)
    this.#bytesReserved = 0
  }

  #append(piece: Uint8Array, isOurs: boolean): void {
    const length = this.#length + piece.length
    const problem = this.#charge(length, piece.length)
    if (problem !== null) {
      this.fail(problem)
      return
    }
    if (isOurs && this.#decoder === null && piece.length === this.#plan.declaredBytes) {
      this.#buffer = piece
    } else {
      if (length > this.#buffer.length) this.#grow(length)
      this.#buffer.set(piece, this.#length)
    }
    this.#length = length
  }

  #charge(length: number, added: number): HeadendError | null {
    if (length > this.#plan.bytesMax) return tooLarge(this.#plan.bytesMax)
    if (!this.#plan.budget.reserve(added)) return bodiesFull()
    this.#bytesReserved += added
    return null
  }

  #grow(needed: number): void {
    const declared = this.#decoder === null ? (this.#plan.declaredBytes ?? 0) : 0
    const trusted = declared <= trustedBytesMax ? declared : 0
    const capacity = Math.max(needed, trusted, Math.min(this.#buffer.length * 2, this.#plan.bytesMax), capacityBytesMin)
    const grown = allocate(trusted >= needed ? trusted : capacity)
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }

  #complete(): void {
    if (this.#outcome !== null) return
    this.#outcome = this.#buffer.subarray(0, this.#length)
    this.#settle()
  }

  #settle(): void {
    const outcome = this.#outcome
    if (this.#waiter === null || outcome === null) return
    if (outcome instanceof HeadendError) this.#waiter.reject(outcome)
    else this.#waiter.resolve(outcome)
    this.#waiter = null
  }

  #listen(decoder: Transform): void {
    decoder.on('data', (piece: Buffer) => {
      if (this.#outcome === null) this.#append(piece, true)
    })
    decoder.on('end', () => this.#complete())
    decoder.on('error', (cause) => this.fail(corrupt(this.#plan.contentEncoding, cause)))
  }
}

/** Small memory is had fastest from the heap of V8; for more, setting it to zero first would cost more than its allocation. */
function allocate(bytes: number): Uint8Array {
  return bytes <= capacityBytesMin ? new Uint8Array(bytes) : Buffer.allocUnsafeSlow(bytes)
}

function tooLarge(bytesMax: number): HeadendError {
  return new HeadendError(
    'body-too-large',
    `The request body is larger than ${bytesMax} bytes, the limit of this server`,
  )
}

function bodiesFull(): HeadendError {
  return new HeadendError('unavailable', 'Too many large requests are open: try again in a moment', {
    retryAfterSeconds: 1,
  })
}

function unknownEncoding(name: string): HeadendError {
  return new HeadendError('invalid-request', `content-encoding: '${name}' is not supported; send gzip or no encoding`, {
    field: 'content-encoding',
  })
}

function corrupt(name: string, cause: Error): HeadendError {
  return new HeadendError('invalid-request', `content-encoding: the request body is not valid ${name}`, {
    field: 'content-encoding',
    cause,
  })
}
