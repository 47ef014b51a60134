import { createThinkTagParser, defaultThinkPairs, type ThinkTagParser } from '../src/text/think-tags.ts'
import type { AnswerEvents, AnswerReader } from './answer-reader.ts'
import { CallParser } from './call-parser.ts'
import type { OutputPlan } from './messages.ts'

/** Answers with thoughts in tags and calls behind a trigger, as most models write them. */
export class TaggedReader implements AnswerReader {
  readonly #thoughts: ThinkTagParser
  readonly #calls: CallParser | null
  readonly #lastOfTrigger: string
  #wasThinking = false

  constructor({ thinking, calls }: OutputPlan, events: AnswerEvents) {
    this.#calls = calls === null ? null : new CallParser(calls.syntax, calls.forced, events)
    this.#lastOfTrigger = calls?.syntax.trigger.at(-1) ?? ''
    this.#thoughts = createThinkTagParser({
      pairs: [...defaultThinkPairs, ...thinking.tags],
      openInPrompt: thinking.startsOpen,
      onThinkingEnd: () => events.boundary(),
      onPiece: (kind, text) => {
        // What was held back as the possible beginning of a call is none when a thought begins.
        if (kind === 'thinking' && !this.#wasThinking) this.#calls?.end(false)
        this.#wasThinking = kind === 'thinking'
        if (kind === 'thinking') events.thought(text)
        else if (this.#calls === null) events.text(text)
        else this.#calls.push(text)
      },
    })
  }

  get isThinking(): boolean {
    return this.#thoughts.isThinking
  }

  get awaitsText(): boolean {
    return this.#thoughts.isThinking
  }

  get inCall(): boolean {
    return this.#calls?.inCall ?? false
  }

  get atCallStart(): boolean {
    return this.#calls?.atCallStart ?? false
  }

  push(text: string): void {
    let rest = text
    // Inside a call a tag is just text of an argument.
    while (rest !== '') rest = this.#calls?.inCall ? this.#calls.pushToCallEnd(rest) : this.#pushOutside(rest)
  }

  /** Up to where a trigger may end, because behind it nobody must look for tags. Returns the rest. */
  #pushOutside(text: string): string {
    const end = this.#calls === null ? -1 : text.indexOf(this.#lastOfTrigger)
    if (end === -1 || end === text.length - 1) {
      this.#thoughts.push(text)
      return ''
    }
    this.#thoughts.push(text.slice(0, end + 1))
    return text.slice(end + 1)
  }

  end(cut: boolean): void {
    this.#thoughts.end()
    this.#calls?.end(cut)
  }
}
