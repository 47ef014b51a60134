import { HeadendError } from '../../contract/errors.ts'
import type { Usage } from '../../contract/events.ts'
import { AnthropicUsage } from './anthropic-usage.ts'
import { latin1, objectOf, parseJson, type RawEvent, readRawEvent } from './raw-event.ts'
import { RelayGuard } from './relay-guard.ts'
import { spliceMessageModel } from './splice-model.ts'
import { explainStreamError } from './upstream-error.ts'

export interface WatcherOptions {
  /** The name that `message_start` must echo, as the client asked for it; `null`: whatever the upstream says. */
  readonly model: string | null
  /** One event may not be larger. */
  readonly eventBytesMax: number
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

const nothing = Buffer.alloc(0)

/**
 * Watches the event stream of an upstream that speaks the client's own protocol. Its bytes are handed on as they came, but for the
 * model's name in `message_start` and what the guard adds and drops, and in whole events, so that what is written between two
 * pushes never falls into one. What stands behind `message_stop` or an `error` event is dropped: the answer is over.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 */
export class RelayWatcher {
  /** `message_stop` was seen. */
  ended = false
  /** An `error` event was seen. It is among the bytes handed on, so a client that has had content gets it as it came. */
  failure: HeadendError | null = null
  /** Any event beyond `message_start`, `ping` and `error` was seen: until then another upstream may still answer instead. */
  hasContent = false
  readonly #options: WatcherOptions
  readonly #usage = new AnthropicUsage()
  readonly #guard = new RelayGuard()

  /** The pieces of an event that is not whole yet. */
  #held: Uint8Array[] = []
  #heldBytes = 0
  /** Of the event being read: nothing stands in its last line yet, and that line came behind a CR, to which a LF may belong. */
  #lineIsEmpty = true
  #afterReturn = false

  constructor(options: WatcherOptions) {
    this.#options = options
  }

  /** As far as it was told; `null`: not at all. */
  get usage(): Usage | null {
    return this.#usage.told
  }

  /**
   * @returns the bytes that may be passed on now, up to the end of the last whole event; `null`: there are none
   * @throws HeadendError upstream-malformed
   */
  push(bytes: Uint8Array): Uint8Array | null {
    if (this.#isOver || bytes.length === 0) return null
    // One copy, and then every search is a string's: those cost less than half of a buffer's.
    const text = latin1(bytes)
    const hasReturns = text.includes('\r')
    const out: Uint8Array[] = []
    let outEnd = 0 // of what is in `out`
    let position = 0
    while (position < bytes.length && !this.#isOver) {
      const isFresh = this.#heldBytes === 0
      const deltaEnd = isFresh ? this.#guard.endOfDelta(text, position, hasReturns) : -1
      if (deltaEnd !== -1) {
        position = deltaEnd
        continue
      }
      const end = this.#findEnd(text, position, hasReturns)
      if (end === -1) break
      const event = isFresh ? bytes.subarray(position, end) : this.#takeHeld(bytes.subarray(0, end))
      const relayed = !isFresh && this.#isDelta(event) ? event : this.#watch(event)
      if (relayed !== event || !isFresh) {
        out.push(bytes.subarray(outEnd, position), relayed)
        outEnd = end
      }
      position = end
    }
    if (position < bytes.length && !this.#isOver) this.#hold(bytes.subarray(position))
    if (out.length === 0) return position === bytes.length ? bytes : filled(bytes.subarray(0, position))
    return filled(Buffer.concat([...out, bytes.subarray(outEnd, position)]))
  }

  /**
   * The body has ended. @returns the last event, completed by the blank line that it lacked; `null`: there is none
   * @throws HeadendError upstream-failed: neither `message_stop` nor an `error` event was seen
   */
  end(): Uint8Array | null {
    if (this.#isOver) return null
    const last = this.#takeHeld(Buffer.from('\n\n'))
    try {
      this.#watch(last)
    } catch {
      // What cannot be read was cut off: that is told below.
    }
    if (!this.#isOver) throw new HeadendError('upstream-failed', 'upstream closed the stream early')
    return last
  }

  get #isOver(): boolean {
    return this.ended || this.failure !== null
  }

  #hold(tail: Uint8Array): void {
    this.#heldBytes += tail.length
    const { eventBytesMax } = this.#options
    if (this.#heldBytes > eventBytesMax) {
      throw new HeadendError('upstream-malformed', `the upstream sent an event of more than ${eventBytesMax} bytes`)
    }
    this.#held.push(Uint8Array.prototype.slice.call(tail)) // a copy: a view would keep the whole read in memory
  }

  #takeHeld(rest: Uint8Array): Uint8Array {
    const event = Buffer.concat([...this.#held, rest])
    this.#held = []
    this.#heldBytes = 0
    return event
  }

  /** @returns where the event being read ends, behind its blank line; -1: not in this text, which is all looked at then */
  #findEnd(text: string, from: number, hasReturns: boolean): number {
    if (hasReturns || this.#afterReturn) return this.#findEndWithReturns(text, from)
    if (this.#lineIsEmpty && text.charCodeAt(from) === lineFeed) return from + 1
    const lastLine = text.indexOf('\n\n', from)
    this.#lineIsEmpty = lastLine !== -1 || text.endsWith('\n')
    return lastLine === -1 ? -1 : lastLine + 2
  }

  #findEndWithReturns(text: string, from: number): number {
    let lineIsEmpty = this.#lineIsEmpty
    let afterReturn = this.#afterReturn
    this.#lineIsEmpty = true
    this.#afterReturn = false
    for (let index = from; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      const isSecondHalf = afterReturn && unit === lineFeed
      afterReturn = unit === carriageReturn
      if (isSecondHalf) continue
      const isLineEnd = unit === lineFeed || afterReturn
      if (isLineEnd && lineIsEmpty) {
        return afterReturn && text.charCodeAt(index + 1) === lineFeed ? index + 2 : index + 1
      }
      lineIsEmpty = isLineEnd
    }
    this.#lineIsEmpty = lineIsEmpty
    this.#afterReturn = afterReturn
    return -1
  }

  /** The last event of most reads is whole only with the next one. */
  #isDelta(event: Uint8Array): boolean {
    const text = latin1(event)
    return this.#guard.endOfDelta(text, 0, text.includes('\r')) === text.length
  }

  /** @returns what is to be passed on in the event's place */
  #watch(bytes: Uint8Array): Uint8Array {
    const event = readRawEvent(bytes)
    if (event === null) return bytes
    const missing = this.#guard.admit(event)
    if (missing === null) return nothing
    const relayed = this.#read(event)
    return missing === '' ? relayed : Buffer.concat([Buffer.from(missing), relayed])
  }

  /** @returns the event as it is to be passed on */
  #read(event: RawEvent): Uint8Array {
    switch (event.type) {
      case 'ping':
        break
      case 'message_start':
        return this.#start(event)
      case 'error':
        this.#fail(event)
        break
      case 'message_delta':
        this.#usage.add(objectOf(event).usage)
        this.hasContent = true
        break
      case 'message_stop':
        objectOf(event) // at the end of a body half of it may be missing
        this.ended = true
        break
      case null: // neither a name nor a type: clients pass over it
        break
      default: // the protocol gains events
        this.hasContent = this.#guard.hasBegun
    }
    return event.bytes
  }

  #start(event: RawEvent): Uint8Array {
    const { bytes, dataStart } = event
    const body = objectOf(event)
    const message = (body.message ?? {}) as Readonly<Record<string, unknown>>
    this.#usage.add(message.usage)
    const { model } = this.#options
    if (model === null || typeof message.model !== 'string' || message.model === model) return bytes
    if (dataStart !== null) return spliceMessageModel(bytes, dataStart, model)
    return Buffer.from(`event: message_start\ndata: ${JSON.stringify({ ...body, message: { ...message, model } })}\n\n`)
  }

  #fail({ data }: RawEvent): void {
    const value = parseJson(data) ?? data
    const { error = value } = value as { readonly error?: unknown }
    this.failure = explainStreamError(error)
  }
}

function filled(bytes: Uint8Array): Uint8Array | null {
  return bytes.length === 0 ? null : bytes
}
