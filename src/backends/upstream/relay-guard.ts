import { HeadendError } from '../../contract/errors.ts'
import { latin1, objectOf, type RawEvent } from './raw-event.ts'

/** How the deltas of the open block are written: what they begin with, and how their line ends, between which their text stands. */
interface DeltaShape {
  readonly head: string
  readonly tail: string
}

const lineFeed = 0x0a

/**
 * Keeps the order of the Messages API in a relayed stream: one block after the other, `message_delta` behind the last, then
 * `message_stop`. Clients depend on it, and servers that imitate the API do not always keep it: llama-server ends its blocks
 * only when the last one is over. https://docs.anthropic.com/en/docs/build-with-claude/streaming#event-types
 *
 * The least that helps is done. Where a block is still open the end of it is added, and when its own end comes that is dropped, as
 * is a late delta that carries nothing (llama-server's empty signature). What cannot be put right in this way is refused: a delta
 * with text of a block that is over, since to drop it would change the answer; a number that does not grow, since clients would
 * mix two blocks; a second `message_start`; an end without `message_delta`, since nobody may make up a stop reason. Numbers that are
 * passed over stay as they are: to close the gap, every delta behind it would have to be written anew.
 */
export class RelayGuard {
  #phase: 'waiting' | 'blocks' | 'ending' = 'waiting'
  /** Number of the open block; `null`: none is open. */
  #open: number | null = null
  #latest = -1
  #shape: DeltaShape | null = null

  /** `message_start` was seen. */
  get hasBegun(): boolean {
    return this.#phase !== 'waiting'
  }

  /**
   * Nearly every event is a delta of the open block, written like the one before it: such a one needs no look inside.
   * @returns where it ends; -1: no such delta begins at `from`, or not all of it is here
   */
  endOfDelta(text: string, from: number, hasReturns: boolean): number {
    const shape = this.#shape
    if (shape === null) return -1
    const textStart = from + shape.head.length
    // A slice is compared by words, where startsWith goes by characters: a quarter of the time.
    if (text.slice(from, textStart) !== shape.head) return -1
    const lineEnd = text.indexOf(hasReturns ? '\r' : '\n', textStart)
    if (lineEnd === -1 || !(shape.tail === '' || text.endsWith(shape.tail, lineEnd))) return -1
    if (!hasReturns) return text.charCodeAt(lineEnd + 1) === lineFeed ? lineEnd + 2 : -1
    const isWhole = text.startsWith('\r\n\r\n', lineEnd) && text.indexOf('\n', textStart) === lineEnd + 1
    return isWhole ? lineEnd + 4 : -1
  }

  /**
   * @returns what has to go out before the event: mostly nothing (''), or the end of a block; `null`: the event itself is dropped
   * @throws HeadendError upstream-malformed
   */
  admit(event: RawEvent): string | null {
    switch (event.type) {
      case 'message_start':
        return this.#startMessage()
      case 'content_block_start':
        return this.#startBlock(event)
      case 'content_block_delta':
        return this.#admitDelta(event)
      case 'content_block_stop':
        return this.#stopBlock(event)
      case 'message_delta':
        this.#refuseUnbegun()
        this.#phase = 'ending'
        return this.#stopOpen()
      case 'message_stop':
        this.#refuseUnbegun()
        if (this.#phase !== 'ending') throw malformed('message_stop without message_delta')
        return ''
      case null: // what has neither a name nor a type may be of another protocol
        this.#refuseUnbegun()
        return ''
      default: // pings and errors may stand anywhere, and the protocol gains events
        return ''
    }
  }

  #startMessage(): string {
    if (this.hasBegun) throw malformed('a second message_start')
    this.#phase = 'blocks'
    return ''
  }

  #startBlock(event: RawEvent): string {
    this.#refuseUnbegun()
    const index = numberOf(objectOf(event))
    if (this.#phase === 'ending') throw malformed('a content block behind message_delta')
    if (!isIndex(index) || index <= this.#latest) throw malformed('content blocks whose numbers do not grow')
    const missing = this.#stopOpen()
    this.#open = index
    this.#latest = index
    this.#shape = usualShape(index)
    return missing
  }

  #admitDelta(event: RawEvent): '' | null {
    this.#refuseUnbegun()
    const body = objectOf(event)
    if (this.#open !== null && numberOf(body) === this.#open) {
      this.#shape = shapeOf(event, this.#open) ?? this.#shape
      return ''
    }
    if (isEmpty(body.delta)) return null
    throw malformed('a delta of a content block that is not open')
  }

  #stopBlock(event: RawEvent): '' | null {
    this.#refuseUnbegun()
    const index = numberOf(objectOf(event))
    if (this.#open === null || index !== this.#open) return null
    this.#stopOpen()
    return ''
  }

  /** @returns the end of the open block */
  #stopOpen(): string {
    const index = this.#open
    if (index === null) return ''
    this.#open = null
    this.#shape = null
    return `event: content_block_stop\ndata: {"type":"content_block_stop","index":${index}}\n\n`
  }

  /** Otherwise a page or another protocol's stream would reach the client as an answer. */
  #refuseUnbegun(): void {
    if (!this.hasBegun) throw malformed('a stream that does not begin with message_start')
  }
}

/** Serializers that leave out zeros leave out this one, too; most clients find the block all the same. */
function numberOf({ index = 0 }: Readonly<Record<string, unknown>>): unknown {
  return index
}

function isIndex(value: unknown): value is number {
  return Number.isSafeInteger(value)
}

/** Whether nothing stands in its text, its signature or whatever it is about. */
function isEmpty(delta: unknown): boolean {
  return Object.entries(delta ?? {}).every(([key, value]) => key === 'type' || value === '' || value === null)
}

/** As Anthropic writes them, and whoever keeps the order of its documentation: those are known from the first delta on. */
function usualShape(index: number): DeltaShape {
  return { head: `event: content_block_delta\ndata: {"type":"content_block_delta","index":${index},`, tail: '' }
}

const numberInFront = /^\{\s*"type"\s*:\s*"content_block_delta"\s*,\s*"index"\s*:\s*(\d+)\s*,/
const typeInFront = /^\{\s*"type"\s*:\s*"content_block_delta"\s*,/
const numberAtTheEnd = /,\s*"index"\s*:\s*(\d+)\s*\}\s*$/

/**
 * Others have blanks between keys and values, CR LF at the end of lines, no name of the event, or the number behind the delta.
 * @returns `null`: nothing that the next delta could be told by
 */
function shapeOf({ bytes, data, dataStart }: RawEvent, index: number): DeltaShape | null {
  if (dataStart === null) return null
  const lines = latin1(bytes.subarray(0, dataStart))
  const front = numberInFront.exec(data)
  if (front !== null) return Number(front[1]) === index ? { head: lines + front[0], tail: '' } : null
  const type = typeInFront.exec(data)
  const end = numberAtTheEnd.exec(data)
  return type !== null && end !== null && Number(end[1]) === index ? { head: lines + type[0], tail: end[0] } : null
}

function malformed(what: string): HeadendError {
  return new HeadendError('upstream-malformed', `the upstream sent ${what}`)
}
