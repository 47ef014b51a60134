import { HeadendError } from '../../contract/errors.ts'
import type { BlockHead, FinishReason, StreamEvent, Usage } from '../../contract/events.ts'
import { createJsonPrefix, type JsonPrefix } from '../../text/json-prefix.ts'
import { CallIds } from './call-ids.ts'

/** A block as the upstream numbers it. `skipped`: one that no client of another protocol could make anything of. */
type OpenBlock =
  | { readonly kind: 'skipped'; readonly number: unknown }
  | { readonly kind: 'text' | 'thinking'; readonly number: unknown; opened: boolean }
  | {
      readonly kind: 'tool-call'
      readonly number: unknown
      readonly input: JsonPrefix
      fallback: string
      ended: boolean
    }

type DeltaKind = 'text' | 'thinking' | 'tool-call'

type Finish = Omit<Extract<StreamEvent, { readonly type: 'finish' }>, 'type'>

const textHead = { kind: 'text' } as const satisfies BlockHead
const thinkingHead = { kind: 'thinking' } as const satisfies BlockHead

/**
 * Writes blocks in legal order, whatever order the upstream's events have: a new block closes the open one, and ends of blocks that
 * are not open are passed over. A delta of a block that is not open is refused, because to drop it would change the answer.
 * Nothing is written before the first text or call, so that another upstream may still answer instead.
 */
export class AnthropicBlocks {
  /** Calls that were begun. */
  callCount = 0
  readonly #emit: (event: StreamEvent) => void
  readonly #usage: () => Usage
  readonly #ids = new CallIds()
  #started = false
  #index = 0
  #open: OpenBlock | null = null
  /** UTF-8 bytes of all that was written, for upstreams that do not count. */
  #bytes = 0

  /** @param usage what is known of it when the answer begins */
  constructor(emit: (event: StreamEvent) => void, usage: () => Usage) {
    this.#emit = emit
    this.#usage = usage
  }

  get bytes(): number {
    return this.#bytes
  }

  skip(number: unknown): void {
    this.#close(false)
    this.#open = { kind: 'skipped', number }
  }

  startProse(kind: 'text' | 'thinking', number: unknown): void {
    this.#close(false)
    this.#open = { kind, number, opened: false }
  }

  /** @param input what the call is about unless deltas say it */
  startCall(number: unknown, id: string, name: string, input: unknown): void {
    this.#close(false)
    this.#start()
    this.callCount++
    this.#bytes += Buffer.byteLength(name)
    this.#emit({
      type: 'block-start',
      index: this.#index,
      block: { kind: 'tool-call', id: this.#ids.take(id), name },
    })
    this.#open = { kind: 'tool-call', number, input: createJsonPrefix(), fallback: inputText(input), ended: false }
  }

  /** @throws HeadendError upstream-malformed: no such block is open */
  delta(kind: DeltaKind, number: unknown, text: string): void {
    const block = this.#open
    if (block === null || !isNumbered(block, number)) throw refuseDelta(kind)
    if (block.kind === 'skipped') return
    if (block.kind !== kind || (block.kind === 'tool-call' && block.ended)) throw refuseDelta(kind)
    if (block.kind === 'tool-call') {
      if (text !== '') block.fallback = ''
      this.#write(block.input.push(text))
    } else {
      this.#prose(block, text)
    }
  }

  /** A call that is not complete stays open until it shows whether the answer was cut there. */
  end(number: unknown): void {
    const block = this.#open
    if (block === null || !isNumbered(block, number)) return
    if (block.kind !== 'tool-call' || block.fallback !== '' || block.input.complete || block.input.broken)
      this.#close(false)
    else block.ended = true
  }

  finish(finish: Finish): void {
    this.#close(isCut(finish.reason))
    this.#start()
    this.#emit({ type: 'finish', ...finish })
  }

  #start(): void {
    if (this.#started) return
    this.#started = true
    this.#emit({ type: 'start', usage: this.#usage() })
  }

  #prose(block: Extract<OpenBlock, { opened: boolean }>, text: string): void {
    if (text === '') return
    if (!block.opened) {
      block.opened = true
      this.#start()
      this.#emit({ type: 'block-start', index: this.#index, block: block.kind === 'text' ? textHead : thinkingHead })
    }
    this.#write(text)
  }

  #write(text: string): void {
    if (text === '') return
    this.#bytes += Buffer.byteLength(text)
    this.#emit({ type: 'block-delta', index: this.#index, text })
  }

  /** @param cut by a limit, so that the input of a call stays as unfinished as it is */
  #close(cut: boolean): void {
    const block = this.#open
    this.#open = null
    if (block === null || block.kind === 'skipped') return
    if (block.kind === 'tool-call') this.#endInput(block, cut)
    else if (!block.opened) return
    this.#emit({ type: 'block-end', index: this.#index })
    this.#index++
  }

  #endInput({ input, fallback }: Extract<OpenBlock, { kind: 'tool-call' }>, cut: boolean): void {
    this.#write(input.push(fallback))
    if (input.broken || !cut) this.#write(input.complete ? '' : input.close())
  }
}

/** Some servers leave the number out: only one block can be meant. */
function isNumbered(block: OpenBlock, number: unknown): boolean {
  return number === undefined || block.number === undefined || block.number === number
}

function isCut(reason: FinishReason): boolean {
  return reason === 'max-tokens' || reason === 'context-full'
}

/** Most upstreams begin a call with `{}` and send its input in deltas. */
function inputText(input: unknown): string {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) return ''
  const text = stringify(input)
  return text === '{}' ? '' : text
}

function stringify(input: object): string {
  try {
    return JSON.stringify(input)
  } catch (cause) {
    // What was parsed can be written, unless it is nested so deeply that the stack ends.
    throw new HeadendError('upstream-malformed', 'the upstream sent a call whose input is nested too deeply', { cause })
  }
}

function refuseDelta(kind: DeltaKind): HeadendError {
  return new HeadendError('upstream-malformed', `the upstream sent a delta of a ${kind} block that is not open`)
}
