import type { BlockHead, StreamEvent } from '../../contract/events.ts'
import type { JsonPrefix } from '../../text/json-prefix.ts'
import type { PieceKind } from '../../text/think-tags.ts'
import type { UpstreamUsage } from './upstream-usage.ts'

/** White space that waits for what follows it; a model that writes nothing else shall not fill the memory. UTF-16 units. */
const blankUnitsMax = 65_536

const textHead = { kind: 'text' } as const
const thinkingHead = { kind: 'thinking' } as const

type Finish = Omit<Extract<StreamEvent, { readonly type: 'finish' }>, 'type' | 'usage'>

/**
 * Writes an answer as blocks that never overlap. Nothing is written before its first content, so that until then another target can
 * be tried. White space does not begin a block; it waits for prose of its kind, and is dropped when something else comes.
 */
export class BlockWriter {
  readonly #emit: (event: StreamEvent) => void
  readonly #usage: UpstreamUsage
  #started = false
  #index = 0
  #open: BlockHead['kind'] | null = null
  /** Of the open call. */
  #input: JsonPrefix | null = null
  #blank = ''
  #blankKind: PieceKind = 'text'

  constructor(emit: (event: StreamEvent) => void, usage: UpstreamUsage) {
    this.#emit = emit
    this.#usage = usage
  }

  prose(kind: PieceKind, text: string): void {
    if (text === '') return
    if (this.#open !== kind) this.#beginProse(kind, text)
    else {
      this.#blank = ''
      this.#delta(text)
    }
  }

  /** What follows, of whatever kind, is another block. */
  endThinking(): void {
    if (this.#open === 'thinking') this.close(false)
  }

  openCall(id: string, name: string, input: JsonPrefix): void {
    this.#begin({ kind: 'tool-call', id, name })
    this.#input = input
  }

  /** @param fragment what the call's `input` let pass */
  callInput(fragment: string): void {
    if (fragment !== '') this.#delta(fragment)
  }

  /** @param isCut a limit ended the answer: arguments that are unfinished stay so, and clients can tell */
  close(isCut: boolean): void {
    if (this.#open === null) return
    if (this.#input !== null) {
      const stays = isCut && !this.#input.broken
      this.callInput(stays ? '' : this.#input.close())
      this.#input = null
    }
    this.#emit({ type: 'block-end', index: this.#index })
    this.#open = null
    this.#index++
  }

  /** Blocks are closed already, or end with the answer as they are. */
  finish(finish: Finish): void {
    const isNothing = this.#index === 0 && this.#open === null
    if (isNothing && this.#blankKind === 'text' && this.#blank !== '') this.#write('text', this.#blank)
    this.close(false)
    this.#start()
    this.#emit({ type: 'finish', ...finish, usage: this.#usage.atEnd() })
  }

  #beginProse(kind: PieceKind, text: string): void {
    const whole = this.#blankKind === kind ? this.#blank + text : text
    if (whole.length <= blankUnitsMax && isBlank(text)) {
      this.#blank = whole
      this.#blankKind = kind
    } else this.#write(kind, whole)
  }

  #write(kind: PieceKind, text: string): void {
    this.#begin(kind === 'text' ? textHead : thinkingHead)
    this.#delta(text)
  }

  #begin(block: BlockHead): void {
    this.close(false)
    this.#start()
    this.#blank = ''
    this.#open = block.kind
    this.#emit({ type: 'block-start', index: this.#index, block })
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#emit({ type: 'start', usage: this.#usage.atStart() })
  }

  #delta(text: string): void {
    this.#emit({ type: 'block-delta', index: this.#index, text })
  }
}

function isBlank(text: string): boolean {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit !== 0x20 && (unit < 0x09 || unit > 0x0d)) return false
  }
  return true
}
