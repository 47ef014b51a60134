import { CodeTracker } from './code-tracker.ts'

/** What a piece of an answer is. */
export type PieceKind = 'text' | 'thinking'

export interface ThinkPair {
  readonly open: string
  readonly close: string
}

export const defaultThinkPairs: readonly ThinkPair[] = [
  { open: '<think>', close: '</think>' },
  { open: '<thinking>', close: '</thinking>' },
  { open: '<thought>', close: '</thought>' },
]

export interface ThinkTagOptions {
  /** Never called with an empty text. Pieces of one kind in a row belong together, unless thinking ended between them. */
  readonly onPiece: (kind: PieceKind, text: string) => void
  /** A closer was read after thinking that was not empty: what follows, of whatever kind, is another block. */
  readonly onThinkingEnd?: () => void
  /** Instead of `defaultThinkPairs`. No marker is empty. */
  readonly pairs?: readonly ThinkPair[]
  /** The template wrote the opener, so the answer begins in thinking. Default: false. */
  readonly openInPrompt?: boolean
  /** Openers count at the start of every line, not only of the answer. Default: true. */
  readonly interleaved?: boolean
  /** `off`: all is text. `auto`: on, until thinking arrives on a channel of its own. Default: auto. */
  readonly mode?: 'auto' | 'on' | 'off'
}

/** Tells thinking from text in an answer that arrives in pieces; where the pieces are cut makes no difference. */
export interface ThinkTagParser {
  /** What comes next is thinking, as far as can be told. */
  readonly isThinking: boolean
  push(text: string): void
  /** The answer is over: what was held back comes out. */
  end(): void
  /** Thinking came on a channel of its own. In mode `auto` the rest is text, tags and all. */
  noteReasoningChannel(): void
}

/** The rules: openers outside code only, closers by name, nesting counted, blank edges trimmed, empty thinking dropped. */
export function createThinkTagParser(options: ThinkTagOptions): ThinkTagParser {
  return new Parser(options)
}

const lineFeed = 0x0a
const carriageReturn = 0x0d

/** Where text began. Blank text before an opener is nothing; before other text it counts, unless a closer stands before it. */
type Section = 'answer' | 'after-thinking'

class Parser implements ThinkTagParser {
  readonly #options: ThinkTagOptions
  readonly #pairs: readonly ThinkPair[]
  readonly #interleaved: boolean
  readonly #firstUnits: readonly number[]
  readonly #code = new CodeTracker()
  #off: boolean
  #kind: PieceKind
  #section: Section = 'answer'
  /** The pair that thinking was opened with; `null`: unknown, because the prompt holds the opener. */
  #pair: ThinkPair | null = null
  #depth = 0
  /** Openers inside a code span of thinking; their closers are code, too. */
  #quotedOpeners = 0
  #skipsNewline = false
  /** Nothing but white space was read since this kind began. */
  #isBlank = true
  /** Something was emitted since this kind began. */
  #hasEmitted = false
  /** White space that is dropped or emitted by what follows. */
  #space = ''
  /** What may be the beginning of a tag. */
  #held = ''
  #match: { readonly pair: ThinkPair; readonly isOpener: boolean } | null = null

  constructor(options: ThinkTagOptions) {
    this.#options = options
    this.#pairs = options.pairs ?? defaultThinkPairs
    this.#interleaved = options.interleaved ?? true
    this.#firstUnits = firstUnitsOf(this.#pairs)
    this.#off = options.mode === 'off'
    this.#kind = options.openInPrompt === true && !this.#off ? 'thinking' : 'text'
    if (this.#kind === 'thinking') this.#beginThinking(null)
  }

  get isThinking(): boolean {
    return this.#kind === 'thinking' && !this.#off
  }

  push(text: string): void {
    if (!this.#off) this.#scan(this.#held === '' ? text : this.#held + text, false)
    else if (text !== '') this.#options.onPiece('text', text)
  }

  end(): void {
    if (this.#off) return
    this.#scan(this.#held, true)
    const isLeading = this.#kind === 'text' && this.#section === 'answer'
    if (isLeading || this.#hasEmitted) this.#emit(this.#space)
    this.#space = ''
  }

  noteReasoningChannel(): void {
    if (this.#off || this.#options.mode === 'on') return
    this.end()
    this.#off = true
  }

  #scan(buffer: string, isFinal: boolean): void {
    let from = 0
    let index = 0
    while (index < buffer.length) {
      const unit = buffer.charCodeAt(index)
      if (this.#skipsNewline && this.#skipNewline(unit)) {
        from = ++index
        continue
      }
      const length = this.#firstUnits.includes(unit) ? this.#tagLength(buffer, index, isFinal) : 0
      if (length === -1) break
      if (length > 0 && this.#isTag()) {
        this.#literal(buffer.slice(from, index))
        this.#apply()
        index += length
        from = index
        continue
      }
      for (const end = index + Math.max(1, length); index < end; index++) this.#read(buffer.charCodeAt(index))
    }
    this.#literal(buffer.slice(from, index))
    this.#held = buffer.slice(index)
  }

  #skipNewline(unit: number): boolean {
    if (unit === carriageReturn) return true
    this.#skipsNewline = false
    return unit === lineFeed
  }

  #read(unit: number): void {
    this.#code.push(unit)
    if (!isSpace(unit)) this.#isBlank = false
    if (!this.#code.isInside) this.#quotedOpeners = 0
  }

  /** How long the tag is that stands here; 0: none, -1: the next piece decides. Leaves it in `#match`. */
  #tagLength(buffer: string, index: number, isFinal: boolean): number {
    this.#code.settle()
    this.#match = null
    const isText = this.#kind === 'text'
    const wantsOpener = !isText || this.#mayOpen()
    const wantsCloser = !isText || (this.#section === 'answer' && this.#isBlank)
    let longest = 0
    let longestOpen = 0
    for (const pair of this.#pairs) {
      if (!isText && this.#pair !== null && pair !== this.#pair) continue
      for (const isOpener of bothWays) {
        if (!(isOpener ? wantsOpener : wantsCloser)) continue
        const tag = isOpener ? pair.open : pair.close
        const shared = sharedLength(tag, buffer, index)
        if (shared === tag.length && shared > longest) {
          longest = shared
          this.#match = { pair, isOpener }
        } else if (shared < tag.length && index + shared === buffer.length) {
          longestOpen = Math.max(longestOpen, tag.length)
        }
      }
    }
    return longestOpen > longest && !isFinal ? -1 : longest
  }

  #mayOpen(): boolean {
    if (this.#code.isInside) return false
    if (this.#isBlank && this.#section === 'answer') return true
    return this.#interleaved && (this.#isBlank || this.#code.isLineStart)
  }

  /** Counts the nesting. `false`: the tag is part of the text around it. */
  #isTag(): boolean {
    if (this.#kind === 'text' || this.#match === null) return true
    if (this.#match.isOpener) {
      // A model may repeat the opener that its prompt ends with.
      if (this.#pair === null && this.#isBlank) return true
      if (this.#code.isInside) this.#quotedOpeners++
      else this.#depth++
      return false
    }
    if (this.#quotedOpeners > 0) {
      this.#quotedOpeners--
      return false
    }
    this.#depth--
    return this.#depth === 0
  }

  #apply(): void {
    if (this.#match?.isOpener) this.#beginThinking(this.#match.pair)
    else this.#endThinking()
  }

  #beginThinking(pair: ThinkPair | null): void {
    this.#begin('thinking')
    this.#pair = pair
    this.#depth = 1
    this.#quotedOpeners = 0
    this.#skipsNewline = true
  }

  /** Also at a closer that nothing stands before: its opener was in the prompt, and nothing was thought. */
  #endThinking(): void {
    const wasThinking = this.#kind === 'thinking' && this.#hasEmitted
    this.#begin('text')
    this.#section = 'after-thinking'
    if (wasThinking) this.#options.onThinkingEnd?.()
  }

  #begin(kind: PieceKind): void {
    this.#kind = kind
    this.#isBlank = true
    this.#hasEmitted = false
    this.#space = ''
    this.#skipsNewline = false
    this.#code.reset()
  }

  /** Text of the current kind, without its blank edges as far as they are to be trimmed. */
  #literal(text: string): void {
    if (text === '') return
    if (this.#kind === 'thinking') {
      const end = trimmedEnd(text)
      if (end > 0) this.#emit(this.#space + text.slice(0, end))
      this.#space = end > 0 ? text.slice(end) : this.#space + text
      this.#boundSpace()
      return
    }
    if (this.#hasEmitted) this.#emit(text)
    else this.#beginText(text)
  }

  #beginText(text: string): void {
    const start = leadingSpace(text)
    if (this.#section === 'after-thinking') this.#emit(text.slice(start))
    else if (start === text.length) {
      this.#space += text
      this.#boundSpace()
    } else {
      this.#emit(this.#space + text)
      this.#space = ''
    }
  }

  /** So much white space is no edge, and a model that writes nothing else shall not fill the memory. */
  #boundSpace(): void {
    if (this.#space.length <= spaceUnitsMax) return
    this.#emit(this.#space)
    this.#space = ''
  }

  #emit(text: string): void {
    if (text === '') return
    this.#hasEmitted = true
    this.#options.onPiece(this.#kind, text)
  }
}

const bothWays = [true, false] as const

/** UTF-16 units. */
const spaceUnitsMax = 65_536

/** There are few sets of pairs and many answers. */
const firstUnitsByPairs = new WeakMap<readonly ThinkPair[], readonly number[]>()

function firstUnitsOf(pairs: readonly ThinkPair[]): readonly number[] {
  const known = firstUnitsByPairs.get(pairs)
  if (known !== undefined) return known
  const units = [...new Set(pairs.flatMap(({ open, close }) => [open.charCodeAt(0), close.charCodeAt(0)]))]
  firstUnitsByPairs.set(pairs, units)
  return units
}

/** How many code units `tag` and `buffer` from `start` have in common. */
function sharedLength(tag: string, buffer: string, start: number): number {
  let length = 0
  while (length < tag.length && tag.charCodeAt(length) === buffer.charCodeAt(start + length)) length++
  return length
}

function leadingSpace(text: string): number {
  let index = 0
  while (index < text.length && isSpace(text.charCodeAt(index))) index++
  return index
}

function trimmedEnd(text: string): number {
  let end = text.length
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--
  return end
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= carriageReturn)
}
