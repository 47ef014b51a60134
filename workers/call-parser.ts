import { createJsonPrefix, type JsonPrefix } from '../src/text/json-prefix.ts'
import type { AnswerEvents } from './answer-reader.ts'
import { idHole } from './formats/call-syntax.ts'
import type { CallSyntax } from './messages.ts'

export type CallEvents = Pick<AnswerEvents, 'text' | 'callStart' | 'callInput' | 'callEnd'>

/** Of arguments that are no JSON, so much is kept at hand to find where the call ends. */
const brokenCharactersMax = 256

/**
 * Tells calls from text. Under the call's grammar nothing can go wrong; without it (a trigger that ended inside a token) what does
 * not look like a call after all is text, never an error.
 */
export class CallParser {
  #state: 'text' | 'head' | 'input' | 'tail' | 'broken' = 'text'
  readonly #syntax: CallSyntax
  readonly #events: CallEvents
  readonly #head: Pattern
  readonly #tail: Pattern
  /** From one call to the arguments of the next. */
  readonly #next: Pattern | null
  readonly #resume: RegExp
  /** Not decided yet. */
  #held = ''
  /** The trigger and the white space before it, which are text if no call follows. */
  #opening = ''
  #input: JsonPrefix = createJsonPrefix()
  /** Nothing but white space has come since the beginning or the last call. */
  #blank = true
  #called = false

  constructor(syntax: CallSyntax, forced: boolean, events: CallEvents) {
    const { trigger, beforeName, beforeArguments, afterArguments, betweenCalls } = syntax
    this.#syntax = syntax
    this.#events = events
    const signature = [nameUnit, ...unitsOf(beforeArguments), spaceUnit]
    this.#head = patternOf([spaceUnit, ...unitsOf(beforeName), ...signature], '(?=\\{)')
    this.#next =
      betweenCalls === null ? null : patternOf([spaceUnit, ...unitsOf(betweenCalls), ...signature], '(?=\\{)')
    this.#tail = patternOf([spaceUnit, ...unitsOf(afterArguments)])
    this.#resume = new RegExp(
      afterArguments.trim() === '' ? `(?=${unitsOf(trigger).join('')})` : unitsOf(afterArguments).join(''),
    )
    if (forced) this.#state = 'head'
  }

  /** Between a trigger and the end of the call. */
  get inCall(): boolean {
    return this.#state !== 'text'
  }

  get atCallStart(): boolean {
    return this.#state === 'head' && this.#held.trim() === ''
  }

  push(text: string): void {
    let rest: string | null = this.#release() + text
    while (rest !== null) rest = this.#step(rest)
  }

  /** Reads to the end of the open call. Returns what comes behind it. */
  pushToCallEnd(text: string): string {
    let rest: string | null = this.#release() + text
    while (rest !== null && this.inCall) rest = this.#step(rest)
    return rest ?? ''
  }

  /** What was held back is decided. `cut`: a limit ended the answer, so an unfinished call is left as it is. */
  end(cut: boolean): void {
    const held = this.#release()
    if (this.#state === 'text') this.#text(held)
    else if (this.#state === 'head' && !cut) this.#text(this.#opening + held)
    else if (this.#state === 'input') {
      if (!cut) this.#events.callInput(this.#input.close())
      this.#events.callEnd(!cut)
    }
    this.#state = 'text'
  }

  #release(): string {
    const held = this.#held
    this.#held = ''
    return held
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
      case 'broken':
        return this.#inBroken(text)
      default:
        return this.#state satisfies never
    }
  }

  #inText(text: string): string | null {
    const { trigger, anywhere } = this.#syntax
    const at = text.indexOf(trigger)
    const mayCall = anywhere || this.#blank
    if (mayCall && at !== -1 && (anywhere || text.slice(0, at).trim() === '')) {
      const before = text.slice(0, at).trimEnd() // a line break before a call belongs to the syntax
      this.#text(before)
      this.#opening = text.slice(before.length, at + trigger.length)
      this.#state = 'head'
      return text.slice(at + trigger.length)
    }
    const heldCount = mayCall ? heldBack(text, trigger) : 0
    this.#held = text.slice(text.length - heldCount)
    this.#text(text.slice(0, text.length - heldCount))
    return null
  }

  #inHead(text: string): string | null {
    const match = this.#head.whole.exec(text)
    if (match !== null) return this.#beginInput(match)
    if (this.#head.beginning.test(text)) return this.#hold(text)
    this.#state = 'text'
    this.#text(this.#opening)
    return text
  }

  #beginInput(head: RegExpExecArray): string {
    this.#events.callStart(head[1] as string)
    this.#input = createJsonPrefix()
    this.#state = 'input'
    return head.input.slice(head[0].length)
  }

  #inInput(text: string): string | null {
    const input = this.#input
    this.#events.callInput(input.push(text))
    if (!input.complete && !input.broken) return null
    if (!input.complete) this.#events.callInput(input.close())
    this.#events.callEnd(true)
    this.#called = true
    this.#blank = true
    this.#state = input.complete ? 'tail' : 'broken'
    return input.complete ? input.rest : text
  }

  #inTail(text: string): string | null {
    const next = this.#next?.whole.exec(text) ?? null
    if (next !== null) return this.#beginInput(next)
    if (this.#next?.beginning.test(text)) return this.#hold(text)
    const tail = this.#tail.whole.exec(text)
    if (tail === null && this.#tail.beginning.test(text)) return this.#hold(text)
    this.#state = 'text'
    return text.slice(tail?.[0].length ?? 0)
  }

  #inBroken(text: string): string | null {
    const match = this.#resume.exec(text)
    if (match === null) return this.#hold(text.slice(-brokenCharactersMax))
    this.#state = 'text'
    return text.slice(match.index + match[0].length)
  }

  #hold(text: string): null {
    this.#held = text
    return null
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

interface Pattern {
  readonly whole: RegExp
  /** Matches what may still become the whole. */
  readonly beginning: RegExp
}

function patternOf(units: readonly string[], behind = ''): Pattern {
  const beginning = units.reduceRight((rest, unit) => `(?:${unit}${rest})?`, '')
  return { whole: new RegExp(`^${units.join('')}${behind}`), beginning: new RegExp(`^${beginning}$`) }
}

const nameUnit = '([a-zA-Z0-9_.-]{1,128})'
const idUnit = '[\\w:.-]{1,128}'
/** As the model likes it; what goes on for longer is no layout. */
const spaceUnit = '\\s{0,16}'

/** Regular expressions, one for each character of a literal, with any id where the hole is. */
function unitsOf(literal: string): readonly string[] {
  return [...literal.replace(/\s+/g, ' ')].map((character) => {
    if (character === ' ') return spaceUnit
    return character === idHole ? idUnit : character.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
  })
}
