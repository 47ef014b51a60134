import type { StreamEvent } from '../src/contract/events.ts'
import { createIdMaker } from '../src/text/random-id.ts'

export interface EventTarget {
  send(event: StreamEvent): void
}

/** Writes an answer as blocks that never overlap. A block of prose opens with its first character, so none is empty. */
export class AnswerBlocks {
  readonly #target: EventTarget
  #index = 0
  #open: 'text' | 'thinking' | 'tool-call' | null = null

  constructor(target: EventTarget) {
    this.#target = target
  }

  prose(kind: 'text' | 'thinking', text: string): void {
    if (text === '') return
    if (this.#open !== kind) {
      this.close()
      this.#open = kind
      this.#target.send({ type: 'block-start', index: this.#index, block: kind === 'text' ? textHead : thinkingHead })
    }
    this.#target.send({ type: 'block-delta', index: this.#index, text })
  }

  startCall(name: string): void {
    this.close()
    this.#open = 'tool-call'
    this.#target.send({ type: 'block-start', index: this.#index, block: { kind: 'tool-call', id: newCallId(), name } })
  }

  /** A fragment of the JSON of the call's arguments. */
  callInput(text: string): void {
    if (text !== '') this.#target.send({ type: 'block-delta', index: this.#index, text })
  }

  close(): void {
    if (this.#open === null) return
    this.#target.send({ type: 'block-end', index: this.#index })
    this.#open = null
    this.#index++
  }
}

const textHead = { kind: 'text' } as const
const thinkingHead = { kind: 'thinking' } as const

const newCallId = createIdMaker('toolu_')
