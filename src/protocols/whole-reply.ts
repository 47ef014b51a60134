import type { HeadendError } from '../contract/errors.ts'
import type { BlockHead, StreamEvent, Usage } from '../contract/events.ts'
import type { Exchange } from '../contract/exchange.ts'
import type { Reply, ReplyRelay } from '../contract/reply.ts'
import type { Finish } from './stream-reply.ts'
import { unknownUsage } from './unknown-usage.ts'

/**
 * The reply for `stream: false`, whatever its protocol: one JSON body at the end. It never commits early, so every failure keeps its
 * own status. What it holds is bounded by the token limit, so it never asks the producer to wait.
 */
export abstract class WholeReply implements Reply {
  /** Everything is held until the end: there is no socket to wait for. */
  readonly congested = false
  /** Until the answer is out another backend may begin again: its `start` drops what there was. */
  started = false
  onStarted = nothing
  protected readonly exchange: Exchange
  /** Of the open block; `null`: none is open, and what belongs to one is dropped. */
  #head: BlockHead | null = null
  #text = ''
  #usage = unknownUsage

  constructor(exchange: Exchange) {
    this.exchange = exchange
  }

  /** Forgets all blocks. */
  protected abstract clear(): void
  /** @param text of the whole block; '' for a block that stayed empty */
  protected abstract addBlock(head: BlockHead, text: string): void
  protected abstract encode(event: Finish, usage: Usage): string
  protected abstract refuse(error: HeadendError): void

  get relay(): ReplyRelay {
    return { kind: 'whole', respond: (headers, body) => this.#respond(headers, body) }
  }

  write(event: StreamEvent): boolean {
    switch (event.type) {
      case 'start':
        this.clear()
        this.#head = null
        this.#usage = event.usage ?? unknownUsage
        break
      case 'block-start':
        this.#endBlock()
        this.#head = event.block
        this.#text = ''
        break
      case 'block-delta':
        this.#text += event.text
        break
      case 'block-end':
        this.#endBlock()
        break
      case 'finish':
        this.#endBlock()
        this.#respond({}, this.encode(event, event.usage ?? this.#usage))
        break
      default:
        event satisfies never
    }
    return true
  }

  drained(): Promise<void> {
    const { signal } = this.exchange
    return signal.aborted ? Promise.reject(signal.reason) : Promise.resolve()
  }

  fail(error: HeadendError): void {
    if (!this.started) this.refuse(error)
  }

  #endBlock(): void {
    const head = this.#head
    this.#head = null
    if (head !== null) this.addBlock(head, this.#text)
  }

  #respond(headers: Readonly<Record<string, string>>, body: string | Uint8Array): void {
    this.started = true
    this.onStarted()
    this.exchange.respond(200, { ...headers, 'content-type': 'application/json' }, body)
  }
}

function nothing(): void {}
