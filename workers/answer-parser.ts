import { createStopMatcher, type StopMatcher } from '../src/text/stop-matcher.ts'
import { createThinkTagParser, defaultThinkPairs, type ThinkTagParser } from '../src/text/think-tags.ts'
import type { AnswerBlocks } from './answer-blocks.ts'
import { CallParser } from './call-parser.ts'
import type { OutputPlan } from './messages.ts'

/** Reads an answer as it is generated: thoughts, then calls, then stop sequences, which count in text only. */
export class AnswerParser {
  readonly #plan: OutputPlan
  readonly #blocks: AnswerBlocks
  readonly #thoughts: ThinkTagParser
  readonly #calls: CallParser | null
  readonly #stops: StopMatcher
  #completeCalls = 0

  constructor(plan: OutputPlan, stops: readonly string[], blocks: AnswerBlocks) {
    this.#plan = plan
    this.#blocks = blocks
    this.#thoughts = createThinkTagParser({
      pairs: [...defaultThinkPairs, ...plan.thinking.tags],
      openInPrompt: plan.thinking.startsOpen,
      onThinkingEnd: () => blocks.close(),
      onPiece: (kind, text) => (kind === 'thinking' ? this.#thought(text) : this.#answer(text)),
    })
    this.#calls = plan.calls === null ? null : new CallParser(plan.calls.syntax, plan.calls.forced, this.#callEvents())
    this.#stops = createStopMatcher(stops)
  }

  get stopSequence(): string | null {
    return this.#stops.matched
  }

  get isThinking(): boolean {
    return this.#thoughts.isThinking
  }

  get inCall(): boolean {
    return this.#calls?.inCall ?? false
  }

  get atCallStart(): boolean {
    return this.#calls?.atCallStart ?? false
  }

  get completeCalls(): number {
    return this.#completeCalls
  }

  push(text: string): void {
    // A forced call has begun in the prompt, where no thought can be open; and inside a call a tag is just text of an argument.
    if (this.inCall) this.#answer(text)
    else this.#thoughts.push(text)
  }

  /** `cut`: by a limit or a stop, so that what is unfinished stays so. */
  end(cut: boolean): void {
    this.#thoughts.end()
    this.#calls?.end(cut)
    this.#blocks.prose('text', this.#stops.flush())
    this.#blocks.close()
  }

  #thought(text: string): void {
    if (this.#plan.thinking.kept) this.#blocks.prose('thinking', text)
  }

  #answer(text: string): void {
    if (this.#calls === null) this.#text(text)
    else this.#calls.push(text)
  }

  #text(text: string): void {
    this.#blocks.prose('text', this.#stops.push(text))
  }

  #callEvents(): ConstructorParameters<typeof CallParser>[2] {
    return {
      text: (text) => this.#text(text),
      callStart: (name) => {
        this.#blocks.prose('text', this.#stops.flush()) // text before a call can no longer become a stop sequence
        this.#blocks.startCall(name)
      },
      callInput: (fragment) => this.#blocks.callInput(fragment),
      callEnd: (complete) => {
        if (complete) this.#completeCalls++
        this.#blocks.close()
      },
    }
  }
}
