import { HeadendError } from '../../contract/errors.ts'
import { createStopMatcher, type StopMatcher } from '../../text/stop-matcher.ts'
import type { PieceKind } from '../../text/think-tags.ts'
import type { AnswerOptions } from './answer-options.ts'
import type { BlockWriter } from './block-writer.ts'
import { CallIds } from './call-ids.ts'
import type { ToolCall } from './tool-call.ts'

interface Prose {
  readonly kind: PieceKind
  text: string
}

/** What waits behind an unfinished call. UTF-16 units. */
const waitingUnitsMax = 16_777_216

/**
 * Brings what arrives side by side into one line: blocks may not overlap, so prose and calls that come while a call is unfinished
 * wait behind it, in the order in which they began. Stop sequences are looked for here, in text as it is written.
 */
export class BlockQueue {
  readonly #writer: BlockWriter
  readonly #options: AnswerOptions
  readonly #stops: StopMatcher | null
  readonly #ids = new CallIds()
  readonly #waiting: (Prose | ToolCall)[] = []
  #waitingUnits = 0
  /** Text was written since the matcher was emptied. */
  #isMatching = false
  #callCount = 0

  constructor(writer: BlockWriter, options: AnswerOptions) {
    this.#writer = writer
    this.#options = options
    const { stopSequences, stopsReported } = options
    this.#stops = stopsReported || stopSequences.length === 0 ? null : createStopMatcher(stopSequences)
  }

  /** The one that ended the text. Nothing is written behind it. */
  get stopSequence(): string | null {
    return this.#stops === null ? null : this.#stops.matched
  }

  /** Calls whose block was opened. */
  get callCount(): number {
    return this.#callCount
  }

  prose(kind: PieceKind, text: string): void {
    if (this.#waiting.length === 0) this.#write(kind, text)
    else {
      this.#addProse(kind, text)
      this.advance()
    }
  }

  /** A closer of thinking was read: what follows is another block. */
  endThinking(): void {
    if (this.#waiting.length === 0) this.#writer.endThinking()
  }

  addCall(call: ToolCall): void {
    this.#waiting.push(call)
  }

  /** Writes what has become ready. */
  advance(): void {
    let first = this.#waiting[0]
    while (first !== undefined) {
      if ('kind' in first) this.#write(first.kind, first.text)
      else {
        this.#send(first)
        // The last call stays in front, so that what else comes of its arguments is written at once.
        if (!first.isOpen || !first.isOver || this.#waiting.length === 1) return
      }
      this.#waiting.shift()
      first = this.#waiting[0]
    }
  }

  /**
   * Writes everything, ready or not.
   * @param isCut a limit ended the answer
   * @throws HeadendError upstream-malformed: arguments of a call that has no name
   */
  end(isCut: boolean): void {
    const entries = this.#waiting.splice(0)
    if (this.stopSequence === null && entries.some((entry) => !('kind' in entry) && entry.name === '')) {
      throw new HeadendError('upstream-malformed', 'the upstream sent arguments of a tool call and no name for it')
    }
    // A limit cuts what is written last: a call that prose follows is not what it cut.
    const lastProse = entries.findLastIndex((entry) => 'kind' in entry)
    for (const [position, entry] of entries.entries()) {
      if ('kind' in entry) this.#write(entry.kind, entry.text)
      else this.#endCall(entry, isCut && position > lastProse)
    }
    this.#settleText()
    this.#writer.close(isCut)
  }

  #addProse(kind: PieceKind, text: string): void {
    this.#waitingUnits += text.length
    if (this.#waitingUnits > waitingUnitsMax) {
      throw new HeadendError('upstream-malformed', 'the upstream does not end a tool call that more text follows')
    }
    const last = this.#waiting.at(-1)
    if (last !== undefined && 'kind' in last && last.kind === kind) last.text += text
    else this.#waiting.push({ kind, text })
  }

  #write(kind: PieceKind, text: string): void {
    if (kind === 'thinking') this.#writeThought(text)
    else if (this.#stops === null) this.#writer.prose('text', text)
    else {
      this.#isMatching = true
      this.#writer.prose('text', this.#stops.push(text))
    }
  }

  #writeThought(text: string): void {
    this.#settleText()
    if (this.stopSequence === null && !this.#options.discardsThinking) this.#writer.prose('thinking', text)
  }

  /** Text that ends here can no longer become a stop sequence. */
  #settleText(): void {
    if (!this.#isMatching || this.#stops === null) return
    this.#isMatching = false
    this.#writer.prose('text', this.#stops.flush())
  }

  #send(call: ToolCall): void {
    if (!call.isOpen && call.canOpen) this.#openCall(call)
    if (!call.isOpen) return
    this.#writer.callInput(call.unsent)
    call.unsent = ''
  }

  #openCall(call: ToolCall): void {
    this.#settleText()
    if (this.stopSequence !== null) return
    call.isOpen = true
    this.#callCount++
    const name = this.#options.toolNames.get(call.name) ?? call.name
    this.#writer.openCall(this.#ids.take(call.id), name, call.input)
  }

  #endCall(call: ToolCall, isCut: boolean): void {
    if (this.stopSequence !== null) return
    if (!call.isOpen) this.#openCall(call)
    this.#send(call)
    if (call.isOpen) this.#writer.close(isCut)
  }
}
