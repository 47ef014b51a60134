import type { HeadendError } from '../contract/errors.ts'
import type { StreamEvent } from '../contract/events.ts'
import type { Reply, ReplyRelay } from '../contract/reply.ts'
import type { Signal } from '../contract/signal.ts'

/** Asked once, with the first byte: whether the answer may be this one's. `false`: another target has begun before. */
export type Claim = () => boolean

/** A reply that is refused to whoever begins second. */
export class GatedReply implements Reply {
  readonly #reply: Reply
  readonly #claim: Claim
  readonly #signal: Signal
  #state: 'shut' | 'open' | 'lost' = 'shut'
  onStarted: () => void = () => {}

  /** @param signal of this attempt: aborted when another one wins, with the reason that the producer is to end with */
  constructor(reply: Reply, claim: Claim, signal: Signal) {
    this.#reply = reply
    this.#claim = claim
    this.#signal = signal
  }

  get started(): boolean {
    return this.#state === 'open' && this.#reply.started
  }

  get congested(): boolean {
    return this.#state === 'open' && this.#reply.congested
  }

  write(event: StreamEvent): boolean {
    return this.#begins() && this.#reply.write(event)
  }

  drained(): Promise<void> {
    return this.#state === 'lost' ? Promise.reject(this.#signal.reason) : this.#reply.drained()
  }

  get relay(): ReplyRelay {
    const { relay } = this.#reply
    if (relay.kind === 'stream') {
      return {
        kind: 'stream',
        begin: (headers) => {
          this.#beginsOrThrows()
          return relay.begin(headers)
        },
      }
    }
    return {
      kind: 'whole',
      respond: (headers, body) => {
        this.#beginsOrThrows()
        relay.respond(headers, body)
      },
    }
  }

  fail(error: HeadendError): void {
    if (this.#state !== 'lost') this.#reply.fail(error)
  }

  #begins(): boolean {
    if (this.#state === 'shut') this.#decide()
    return this.#state === 'open'
  }

  #decide(): void {
    this.#state = this.#claim() ? 'open' : 'lost'
    if (this.#state === 'lost') return
    const outer = this.#reply.onStarted
    this.#reply.onStarted = () => {
      outer()
      this.onStarted()
    }
  }

  #beginsOrThrows(): void {
    if (!this.#begins()) throw this.#signal.reason
  }
}
