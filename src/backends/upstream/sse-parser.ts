import { StringDecoder } from 'node:string_decoder'
import { HeadendError } from '../../contract/errors.ts'

const lineFeed = 0x0a
const byteOrderMark = 0xfeff
const space = 0x20

/**
 * Reads an event stream from bytes that may be cut anywhere
 * (https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation), with two deviations: an event at the
 * end counts without its blank line, because some servers forget the one behind `[DONE]`, and a field `error` is an event of this
 * name, because llama-server reported failures so until 2025 (https://github.com/ggml-org/llama.cpp/pull/16109).
 */
export class SseParser {
  readonly #onEvent: (event: string, data: string) => void
  readonly #eventUnitsMax: number
  /** A quarter of what a TextDecoder holds, and an idle stream holds little else. */
  readonly #decoder = new StringDecoder('utf8')
  /** A byte order mark may only be the very first character. */
  #isFirst = true
  /** The beginning of a line whose end has not come yet. It is not looked at before, so that long lines cost no more than short ones. */
  #partial = ''
  /** The last character was a carriage return: a line feed would be part of the same line end. */
  #afterReturn = false
  #event = ''
  #data: string | null = null

  /**
   * @param onEvent `event` is '' where the stream names none
   * @param eventBytesMax counted in UTF-16 units, of which a text never has more than bytes
   */
  constructor(onEvent: (event: string, data: string) => void, eventBytesMax = 8_388_608) {
    this.#onEvent = onEvent
    this.#eventUnitsMax = eventBytesMax
  }

  /** @throws HeadendError upstream-malformed: one event is too large; and whatever `onEvent` throws */
  push(bytes: Uint8Array): void {
    this.#read(this.#decoder.write(bytes))
  }

  end(): void {
    this.#read(this.#decoder.end())
    if (this.#partial !== '') this.#endLine('', 0, 0)
    this.#dispatch()
  }

  #read(text: string): void {
    if (text === '') return
    let from = this.#isFirst && text.charCodeAt(0) === byteOrderMark ? 1 : 0
    this.#isFirst = false
    if (this.#afterReturn && text.charCodeAt(0) === lineFeed) from = 1
    this.#afterReturn = false
    let feed = text.indexOf('\n', from)
    let carriage = text.indexOf('\r', from)
    while (feed !== -1 || carriage !== -1) {
      const isFeed = carriage === -1 || (feed !== -1 && feed < carriage)
      const end = isFeed ? feed : carriage
      this.#endLine(text, from, end)
      from = end + 1
      if (!isFeed) {
        if (from === text.length) this.#afterReturn = true
        else if (from === feed) from++
        carriage = text.indexOf('\r', from)
      }
      if (feed !== -1 && feed < from) feed = text.indexOf('\n', from)
    }
    if (from < text.length) {
      this.#partial += text.slice(from)
      this.#check(this.#partial.length + (this.#data?.length ?? 0))
    }
  }

  #endLine(text: string, from: number, end: number): void {
    if (this.#partial === '') {
      this.#line(text, from, end)
      return
    }
    const line = this.#partial + text.slice(from, end)
    this.#partial = ''
    this.#line(line, 0, line.length)
  }

  /** What stands at `end` is no part of any field's name, so that looking for one needs no bounds. */
  #line(text: string, from: number, end: number): void {
    if (from === end) this.#dispatch()
    else if (text.startsWith('data:', from)) {
      const start = text.charCodeAt(from + 5) === space ? from + 6 : from + 5
      this.#addData(text.slice(start, end))
    } else this.#otherField(text.slice(from, end))
  }

  #otherField(line: string): void {
    const colon = line.indexOf(':')
    const name = colon === -1 ? line : line.slice(0, colon)
    const start = line.charCodeAt(colon + 1) === space ? colon + 2 : colon + 1
    const value = colon === -1 ? '' : line.slice(start)
    if (name === 'event') this.#event = value
    else if (name === 'data') this.#addData(value)
    else if (name === 'error') {
      this.#event = name
      this.#addData(value)
    }
  }

  #addData(value: string): void {
    this.#data = this.#data === null ? value : `${this.#data}\n${value}`
    this.#check(this.#data.length)
  }

  #check(units: number): void {
    if (units <= this.#eventUnitsMax) return
    throw new HeadendError(
      'upstream-malformed',
      `the upstream sent one event of more than ${this.#eventUnitsMax} bytes`,
    )
  }

  #dispatch(): void {
    const event = this.#event
    const data = this.#data
    this.#event = ''
    this.#data = null
    if (data !== null) this.#onEvent(event, data)
  }
}
