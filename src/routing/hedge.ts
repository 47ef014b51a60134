import type { Call } from '../contract/backend.ts'
import { HeadendError, toHeadendError } from '../contract/errors.ts'
import type { Reply } from '../contract/reply.ts'
import type { Signal } from '../contract/signal.ts'
import type { Target } from '../router.ts'
import { GatedReply } from './gated-reply.ts'
import type { Journey } from './journey.ts'

export interface HedgeOptions {
  readonly journey: Pick<Journey, 'beside' | 'started' | 'lost'>
  /** Asked at once. */
  readonly target: Target
  /** The second one is asked when this one has not begun by then, milliseconds. */
  readonly afterMs: number
  readonly reply: Reply
  readonly call: Call
  /** @throws the signal's reason */
  pause(durationMs: number, signal: Signal): Promise<void>
  /** One attempt, with a reply and a signal of its own. What it adds to the response's headers counts only if it wins. */
  run(target: Target, reply: Reply, call: Call): Promise<void>
}

/**
 * Asks a target, and a second one when the first is slow to begin; whoever begins first has the reply, and the other one's signal is
 * aborted. Tells the journey who began and who is out; what this throws is for `journey.next`. Ends when both have ended.
 * @throws what the winner failed with, or the first one's failure when nobody began
 */
export async function hedge(options: HedgeOptions): Promise<void> {
  const { journey, target, afterMs, pause } = options
  const race = new Race(options)
  const first = race.enter(target)
  await pause(afterMs, first.hasBegunOrEnded).catch(() => {})
  const besideIt = first.hasBegunOrEnded.aborted ? null : journey.beside()
  if (besideIt === null) return first.finish()
  const second = race.enter(besideIt)
  await Promise.all([first.outcome, second.outcome])
  return (race.winner ?? first).finish()
}

/** Reason of the signal of whoever lost; nobody sees it. */
const beaten = new HeadendError('client-gone', 'Another target has begun to answer')

class Race {
  readonly #options: HedgeOptions
  readonly #runners: Runner[] = []
  winner: Runner | null = null

  constructor(options: HedgeOptions) {
    this.#options = options
  }

  enter(target: Target): Runner {
    const runner: Runner = new Runner(target, this.#options, () => this.#claim(runner))
    this.#runners.push(runner)
    runner.run((failure) => this.#left(runner, failure))
    return runner
  }

  #claim(runner: Runner): boolean {
    if (this.winner !== null) return this.winner === runner
    this.winner = runner
    this.#options.journey.started(runner.target)
    for (const other of this.#runners) if (other !== runner) other.cancel(beaten)
    return true
  }

  /** Whoever is alone or has won is the journey's own affair: the caller tells it. */
  #left(runner: Runner, failure: unknown): void {
    if (this.#runners.length < 2 || this.winner === runner) return
    const { journey, call } = this.#options
    const isOurs = this.winner !== null || call.signal.aborted || failure === null
    journey.lost(runner.target, isOurs ? null : toHeadendError(failure))
  }
}

class Runner {
  readonly target: Target
  readonly #options: HedgeOptions
  readonly #claim: () => boolean
  readonly #abort = new AbortController()
  readonly #begunOrEnded = new AbortController()
  readonly #headers: (readonly [name: string, value: string])[] = []
  #hasBegun = false
  /** Its failure, or `null`; never rejects. */
  outcome: Promise<unknown> = Promise.resolve(null)

  constructor(target: Target, options: HedgeOptions, claim: () => boolean) {
    this.target = target
    this.#options = options
    this.#claim = claim
  }

  get hasBegunOrEnded(): Signal {
    return this.#begunOrEnded.signal
  }

  run(left: (failure: unknown) => void): void {
    const { call, reply, run } = this.#options
    const forward = (): void => this.cancel(call.signal.reason)
    call.signal.addEventListener('abort', forward, { once: true })
    if (call.signal.aborted) forward()
    const { signal } = this.#abort
    const gated = new GatedReply(reply, () => this.#begin(), signal)
    this.outcome = run(this.target, gated, { ...call, signal, client: this.#client() })
      .then(() => {
        this.#begin()
        return null
      })
      .catch((cause: unknown) => cause)
      .then((failure) => {
        call.signal.removeEventListener('abort', forward)
        this.#begunOrEnded.abort()
        left(failure)
        return failure
      })
  }

  cancel(reason: unknown): void {
    this.#abort.abort(reason)
  }

  async finish(): Promise<void> {
    const failure = await this.outcome
    if (failure !== null) throw failure
  }

  #begin(): boolean {
    if (!this.#claim()) return false
    this.#hasBegun = true
    const { client } = this.#options.call
    for (const [name, value] of this.#headers) client.addHeader(name, value)
    this.#begunOrEnded.abort()
    return true
  }

  /** Headers of whoever loses must not stay on the response. */
  #client(): Call['client'] {
    const { client } = this.#options.call
    return {
      header: (name) => client.header(name),
      headerNames: () => client.headerNames(),
      addHeader: (name, value) => {
        if (this.#hasBegun) client.addHeader(name, value)
        else this.#headers.push([name, value])
      },
    }
  }
}
