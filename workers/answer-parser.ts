import { createStopMatcher, type StopMatcher } from '../src/text/stop-matcher.ts'
import type { AnswerBlocks } from './answer-blocks.ts'
import type { AnswerEvents, AnswerReader } from './answer-reader.ts'
import { HarmonyReader } from './harmony-reader.ts'
import type { OutputPlan } from './messages.ts'
import { TaggedReader } from './tagged-reader.ts'

/** Makes blocks of an answer as it is generated. Stop sequences count in its text only; behind one there is nothing more. */
export class AnswerParser {
  readonly #blocks: AnswerBlocks
  readonly #keepsThoughts: boolean
  readonly #reader: AnswerReader
  readonly #stops: StopMatcher
  #completeCalls = 0

  constructor(plan: OutputPlan, stops: readonly string[], blocks: AnswerBlocks) {
    this.#blocks = blocks
    this.#keepsThoughts = plan.thinking.kept
    this.#stops = createStopMatcher(stops)
    const events = this.#events()
    this.#reader = plan.harmony === null ? new TaggedReader(plan, events) : new HarmonyReader(plan, events)
  }

  get stopSequence(): string | null {
    return this.#stops.matched
  }

  get isThinking(): boolean {
    return this.#reader.isThinking
  }

  get awaitsText(): boolean {
    return this.#reader.awaitsText
  }

  get inCall(): boolean {
    return this.#reader.inCall
  }

  get atCallStart(): boolean {
    return this.#reader.atCallStart
  }

  get completeCalls(): number {
    return this.#completeCalls
  }

  push(text: string): void {
    this.#reader.push(text)
  }

  /** `cut`: by a limit or a stop, so that what is unfinished stays so. */
  end(cut: boolean): void {
    this.#reader.end(cut)
    this.#flushText()
    this.#blocks.close()
  }

  #events(): AnswerEvents {
    return {
      text: (text) => this.#blocks.prose('text', this.#stops.push(text)),
      thought: (text) => {
        if (!this.#isOver() && this.#keepsThoughts) this.#blocks.prose('thinking', text)
      },
      boundary: () => {
        if (!this.#isOver()) this.#blocks.close()
      },
      callStart: (name) => {
        if (!this.#isOver()) this.#blocks.startCall(name)
      },
      callInput: (fragment) => {
        if (this.#stops.matched === null) this.#blocks.callInput(fragment)
      },
      callEnd: (complete) => {
        if (this.#stops.matched !== null) return
        if (complete) this.#completeCalls++
        this.#blocks.close()
      },
    }
  }

  /** Text that ends here can no longer become a stop sequence. */
  #isOver(): boolean {
    this.#flushText()
    return this.#stops.matched !== null
  }

  #flushText(): void {
    this.#blocks.prose('text', this.#stops.flush())
  }
}
