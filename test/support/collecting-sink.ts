import { EventEmitter, once } from 'node:events'
import type { EventSink, StreamEvent } from '../../src/contract/events.ts'

type Finish = StreamEvent & { readonly type: 'finish' }

/** Keeps every event and emits `event` after each, so that a test can wait for one. */
export class CollectingSink extends EventEmitter<{ event: [StreamEvent] }> implements EventSink {
  readonly events: StreamEvent[] = []

  get congested(): boolean {
    return false
  }

  write(event: StreamEvent): boolean {
    this.events.push(event)
    this.emit('event', event)
    return true
  }

  drained(): Promise<void> {
    return Promise.resolve()
  }

  get text(): string {
    return this.events.map((event) => (event.type === 'block-delta' ? event.text : '')).join('')
  }

  get finish(): Finish {
    const last = this.events.at(-1)
    if (last?.type !== 'finish') throw new Error(`the last event is ${last?.type}`)
    return last
  }

  /** Resolves when so many events of this type have come. */
  async seen(type: StreamEvent['type'], count: number): Promise<void> {
    while (this.events.filter((event) => event.type === type).length < count) await once(this, 'event')
  }

  /** Resolves when so many events have come. */
  async reached(count: number): Promise<void> {
    while (this.events.length < count) await once(this, 'event')
  }
}

/** Answers `false` from the moment `stall()` is called until `resume()`. */
export class StallingSink extends CollectingSink {
  #gate: { promise: Promise<void>; open: () => void } | null = null

  override write(event: StreamEvent): boolean {
    super.write(event)
    return this.#gate === null
  }

  override drained(): Promise<void> {
    return this.#gate?.promise ?? Promise.resolve()
  }

  stall(): void {
    let open = (): void => {}
    const promise = new Promise<void>((resolve) => {
      open = resolve
    })
    this.#gate = { promise, open }
  }

  resume(): void {
    this.#gate?.open()
    this.#gate = null
  }
}
