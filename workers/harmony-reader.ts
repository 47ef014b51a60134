import { createJsonPrefix, type JsonPrefix } from '../src/text/json-prefix.ts'
import type { AnswerEvents, AnswerReader } from './answer-reader.ts'
import { harmonyCalls, recipient } from './formats/harmony.ts'
import type { OutputPlan } from './messages.ts'

const bodyStart = '<|message|>'
/** A body ends at the first; models that forget it begin the next message all the same. */
const bodyEnds = ['<|end|>', '<|start|>', '<|channel|>'] as const
const calledTool = new RegExp(`${recipient}([a-zA-Z0-9_.-]{1,128})`)

/** Answers as rows of messages with a channel each, as gpt-oss writes them (`formats/harmony.ts`). */
export class HarmonyReader implements AnswerReader {
  #state: 'header' | 'thought' | 'text' | 'input' | 'called' = 'header'
  readonly #mayCall: boolean
  readonly #events: AnswerEvents
  /** The header so far, or what may be the end of a body. */
  #held = ''
  #input: JsonPrefix = createJsonPrefix()

  constructor({ harmony, calls }: OutputPlan, events: AnswerEvents) {
    this.#mayCall = calls !== null
    this.#events = events
    this.push(harmony ?? '')
  }

  get isThinking(): boolean {
    return this.#state === 'thought'
  }

  get awaitsText(): boolean {
    return this.#state !== 'text'
  }

  get inCall(): boolean {
    if (this.#state === 'header') return this.#mayCall && this.#held.includes(recipient)
    return this.#state === 'input' || this.#state === 'called'
  }

  get atCallStart(): boolean {
    return this.#state === 'header' && this.#mayCall && this.#held.endsWith(harmonyCalls.trigger)
  }

  push(text: string): void {
    let rest: string | null = this.#held === '' ? text : this.#held + text
    this.#held = ''
    while (rest !== null && rest !== '') rest = this.#step(rest)
  }

  end(cut: boolean): void {
    const held = this.#held
    this.#held = ''
    if (this.#state === 'input') {
      if (!cut) this.#events.callInput(this.#input.close())
      this.#events.callEnd(!cut)
    } else if (this.#state === 'header') {
      if (!held.includes('<|')) this.#events.text(held) // a model that does not write headers after all
    } else {
      this.#body(held)
    }
    this.#state = 'called'
  }

  /** Takes what it can of the text. Returns what is left for the next state, or `null` when more must come first. */
  #step(text: string): string | null {
    switch (this.#state) {
      case 'header':
        return this.#inHeader(text)
      case 'input':
        return this.#inInput(text)
      case 'thought':
      case 'text':
      case 'called':
        return this.#inBody(text)
      default:
        return this.#state satisfies never
    }
  }

  #inHeader(text: string): string | null {
    const end = text.indexOf(bodyStart)
    if (end === -1) {
      this.#held = text
      return null
    }
    this.#open(text.slice(0, end))
    return text.slice(end + bodyStart.length)
  }

  #open(header: string): void {
    const name = this.#mayCall ? calledTool.exec(header)?.[1] : undefined
    if (name !== undefined) {
      this.#events.callStart(name)
      this.#input = createJsonPrefix()
      this.#state = 'input'
    } else {
      this.#state = header.includes('analysis') ? 'thought' : 'text'
    }
  }

  #inInput(text: string): string | null {
    const input = this.#input
    this.#events.callInput(input.push(text))
    if (!input.complete && !input.broken) return null
    if (!input.complete) this.#events.callInput(input.close())
    this.#events.callEnd(true)
    this.#state = 'called'
    return input.complete ? input.rest : text
  }

  #inBody(text: string): string | null {
    const { at, end } = findEnd(text)
    this.#body(text.slice(0, at))
    if (end === null) {
      this.#held = text.slice(at)
      return null
    }
    this.#events.boundary()
    this.#state = 'header'
    // The first end has no meaning of its own; the others belong to the next header.
    return text.slice(end === bodyEnds[0] ? at + end.length : at)
  }

  #body(text: string): void {
    if (text === '') return
    if (this.#state === 'thought') this.#events.thought(text)
    else if (this.#state === 'text') this.#events.text(text)
  }
}

/** Where the body is over; `end` is `null` where that is not sure, or not yet. */
function findEnd(text: string): { at: number; end: string | null } {
  for (let at = text.indexOf('<'); at !== -1; at = text.indexOf('<', at + 1)) {
    for (const end of bodyEnds) {
      if (text.startsWith(end, at)) return { at, end }
      if (end.startsWith(text.slice(at))) return { at, end: null }
    }
  }
  return { at: text.length, end: null }
}
