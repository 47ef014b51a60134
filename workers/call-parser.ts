import { createJsonPrefix, type JsonPrefix } from '../src/text/json-prefix.ts'
import { idHole } from './formats/call-syntax.ts'
import type { CallSyntax } from './messages.ts'

/** What the text of an answer turns out to be. */
export interface CallEvents {
  text(text: string): void
  callStart(name: string): void
  callInput(fragment: string): void
  /** `complete`: its arguments are whole. */
  callEnd(complete: boolean): void
}

/** The head of a call may be longer than the syntax by a name and some white space; what is longer still is no call. */
const headSlackCharacters = 192

/**
 * Tells calls from text. Under the call's grammar nothing can go wrong; without it (a trigger that ended inside a token) what does
 * not look like a call after all is text, never an error.
 */
export class CallParser {
  /** Between a trigger and the end of the call. */
  #state: 'text' | 'head' | 'input' | 'tail' = 'text'
  readonly #syntax: CallSyntax
  readonly #events: CallEvents
  readonly #head: RegExp
  readonly #tail: RegExp
  /** Not decided yet. */
  #held = ''
  #input: JsonPrefix = createJsonPrefix()
  /** Nothing but white space has come. */
  #blank = true
  #called = false

  constructor(syntax: CallSyntax, forced: boolean, events: CallEvents) {
    this.#syntax = syntax
    this.#events = events
    this.#head = new RegExp(
      `^\\s*${tolerant(syntax.beforeName)}([a-zA-Z0-9_.-]{1,128}?)${tolerant(syntax.beforeArguments)}(?=\\s*\\{)`,
    )
    this.#tail = new RegExp(`^${tolerant(syntax.afterArguments)}`)
    if (forced) this.#state = 'head'
  }

  get inCall(): boolean {
    return this.#state !== 'text'
  }

  /** A trigger has just ended, and at most white space has come behind it: the moment at which a grammar can take over. */
  get atCallStart(): boolean {
    return this.#state === 'head' && this.#held.trim() === ''
  }

  push(text: string): void {
    let rest: string | null = this.#held + text
    this.#held = ''
    while (rest !== null) rest = this.#step(rest)
  }

  /** The answer is over; what was held back is decided. `cut`: by a limit, so an unfinished call is left as it is. */
  end(cut: boolean): void {
    const held = this.#held
    this.#held = ''
    if (this.#state === 'text') this.#text(held)
    else if (this.#state === 'head' && !cut) this.#noCall(held)
    else if (this.#state === 'input') {
      if (!cut) this.#events.callInput(this.#input.close())
      this.#events.callEnd(false)
    }
    this.#state = 'text'
  }

  /** Takes what it can of the text. Returns what is left for the next state, or `null` when more must come first. */
  #step(text: string): string | null {
    switch (this.#state) {
      case 'text':
        return this.#inText(text)
      case 'head':
        return this.#inHead(text)
      case 'input':
        return this.#inInput(text)
      case 'tail':
        return this.#inTail(text)
      default:
        return this.#state satisfies never
    }
  }

  #inText(text: string): string | null {
    const { trigger, anywhere } = this.#syntax
    const at = text.indexOf(trigger)
    const mayCall = anywhere || this.#blank
    if (mayCall && at !== -1 && (anywhere || text.slice(0, at).trim() === '')) {
      this.#text(text.slice(0, at).trimEnd()) // a line break before a call belongs to the syntax
      this.#state = 'head'
      return text.slice(at + trigger.length)
    }
    const heldCount = mayCall ? heldBack(text, trigger) : 0
    this.#held = text.slice(text.length - heldCount)
    this.#text(text.slice(0, text.length - heldCount))
    return null
  }

  #inHead(text: string): string | null {
    const match = this.#head.exec(text)
    if (match !== null) {
      this.#events.callStart(match[1] as string)
      this.#input = createJsonPrefix()
      this.#state = 'input'
      return text.slice(match[0].length)
    }
    const { beforeName, beforeArguments } = this.#syntax
    if (text.length <= beforeName.length + beforeArguments.length + headSlackCharacters) {
      this.#held = text
      return null
    }
    this.#noCall(text)
    return null
  }

  #inInput(text: string): string | null {
    this.#events.callInput(this.#input.push(text))
    if (!this.#input.complete && !this.#input.broken) return null
    if (this.#input.broken) this.#events.callInput(this.#input.close())
    this.#events.callEnd(true)
    this.#called = true
    this.#state = 'tail'
    return this.#input.rest
  }

  #inTail(text: string): string | null {
    const match = this.#tail.exec(text)
    if (match !== null) {
      this.#state = 'text'
      this.#blank = true
      return text.slice(match[0].length)
    }
    if (text.length < this.#syntax.afterArguments.length + headSlackCharacters) {
      this.#held = text
      return null
    }
    this.#state = 'text'
    return text
  }

  #noCall(text: string): void {
    this.#state = 'text'
    this.#blank = false
    this.#events.text(this.#syntax.trigger + text)
  }

  /** Blank text beside a call is layout; clients would send it back, and an API refuses it. */
  #text(text: string): void {
    if (text === '' || (this.#called && this.#blank && text.trim() === '')) return
    const shown = this.#called && this.#blank ? text.trimStart() : text
    if (shown.trim() !== '') this.#blank = false
    this.#events.text(shown)
  }
}

/** How much of the end may still become a trigger, with the white space before it. */
function heldBack(text: string, trigger: string): number {
  let partial = Math.min(trigger.length - 1, text.length)
  while (partial > 0 && !text.endsWith(trigger.slice(0, partial))) partial--
  const before = text.slice(0, text.length - partial)
  return partial + before.length - before.trimEnd().length
}

/** The literal, with white space as the model likes it and any id where the hole is. */
function tolerant(literal: string): string {
  const parts = literal.split(idHole).map((part) =>
    part
      .split(/\s+/)
      .map((word) => word.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
      .join('\\s*'),
  )
  return parts.join('[\\w:.-]+')
}
