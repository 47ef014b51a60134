import { type CharacterSet, complement, digitSet, lineSet, spaceSet, union, wordSet } from './character-set.ts'

/** A regular expression without the parts that no grammar can follow. */
export type Pattern =
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'sequence'; readonly items: readonly Pattern[] }
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  | { readonly kind: 'repeat'; readonly item: Pattern; readonly min: number; readonly max: number | null }

/** One alternative of the outermost choice: only there may `^` and `$` stand. */
export interface AnchoredPattern {
  readonly fromStart: boolean
  readonly toEnd: boolean
  readonly pattern: Pattern
}

/** Longer ones are generated lists that would cost more than they give. */
const sourceLengthMax = 1000
const nestingMax = 12

/** @returns `null` for anything that is not understood: look-around, back references, `\b`, `\p{..}`, anchors inside */
export function parsePattern(source: string): readonly AnchoredPattern[] | null {
  if (source.length > sourceLengthMax) return null
  try {
    return new PatternParser(source).parse()
  } catch (cause) {
    if (cause instanceof NotUnderstood) return null
    throw cause
  }
}

class NotUnderstood extends Error {}

const controlEscapes: Readonly<Record<string, number>> = { t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d }
const setEscapes: Readonly<Record<string, CharacterSet>> = {
  d: digitSet,
  D: complement(digitSet),
  w: wordSet,
  W: complement(wordSet),
  s: spaceSet,
  S: complement(spaceSet),
}

/** Recursive descent over the syntax of https://tc39.es/ecma262/#sec-patterns, by code point as Ajv reads it. */
class PatternParser {
  readonly #characters: readonly string[]
  #position = 0
  #nesting = 0

  constructor(source: string) {
    this.#characters = [...source]
  }

  parse(): readonly AnchoredPattern[] {
    const alternatives = [this.#anchored()]
    while (this.#take('|')) alternatives.push(this.#anchored())
    if (this.#next() !== undefined) throw new NotUnderstood()
    return alternatives
  }

  #anchored(): AnchoredPattern {
    const fromStart = this.#take('^')
    const pattern = this.#sequence()
    return { fromStart, pattern, toEnd: this.#take('$') }
  }

  #sequence(): Pattern {
    const items: Pattern[] = []
    for (let next = this.#next(); next !== undefined && !'|)$'.includes(next); next = this.#next()) {
      items.push(this.#quantified(this.#atom()))
    }
    const [only] = items
    return items.length === 1 && only !== undefined ? only : { kind: 'sequence', items }
  }

  #choice(): Pattern {
    const options = [this.#sequence()]
    while (this.#take('|')) options.push(this.#sequence())
    const [only] = options
    return options.length === 1 && only !== undefined ? only : { kind: 'choice', options }
  }

  #atom(): Pattern {
    if (this.#take('(')) return this.#group()
    if (this.#take('[')) return { kind: 'set', set: this.#class() }
    if (this.#take('.')) return { kind: 'set', set: lineSet }
    if (this.#take('\\')) return { kind: 'set', set: this.#escape() }
    const character = this.#advance()
    if ('^*+?{}]'.includes(character)) throw new NotUnderstood()
    return { kind: 'set', set: single(codeOf(character)) }
  }

  #group(): Pattern {
    if (++this.#nesting > nestingMax) throw new NotUnderstood()
    if (this.#take('?') && !this.#take(':')) this.#groupName()
    const pattern = this.#choice()
    if (!this.#take(')')) throw new NotUnderstood()
    this.#nesting--
    return pattern
  }

  /** `<name>`; look-behind, which begins alike, does not get past the first letter. */
  #groupName(): void {
    if (!this.#take('<') || !/\w/.test(this.#next() ?? '')) throw new NotUnderstood()
    while (!this.#take('>')) this.#advance()
  }

  #quantified(item: Pattern): Pattern {
    const bounds = this.#bounds()
    if (bounds === null) return item
    this.#take('?') // lazy: which texts match stays the same
    if ('*+?{'.includes(this.#next() ?? ' ')) throw new NotUnderstood()
    return { kind: 'repeat', item, ...bounds }
  }

  #bounds(): { readonly min: number; readonly max: number | null } | null {
    if (this.#take('*')) return { min: 0, max: null }
    if (this.#take('+')) return { min: 1, max: null }
    if (this.#take('?')) return { min: 0, max: 1 }
    if (!this.#take('{')) return null
    const min = this.#integer()
    const max = !this.#take(',') ? min : this.#next() === '}' ? null : this.#integer()
    if (!this.#take('}') || (max !== null && max < min)) throw new NotUnderstood()
    return { min, max }
  }

  #integer(): number {
    let digits = ''
    for (let next = this.#next(); next !== undefined && /\d/.test(next); next = this.#next()) digits += this.#advance()
    if (digits === '' || digits.length > 4) throw new NotUnderstood()
    return Number(digits)
  }

  #class(): CharacterSet {
    const negated = this.#take('^')
    const ranges: (readonly [number, number])[] = []
    while (!this.#take(']')) {
      const from = this.#classMember()
      const sole = from.length === 1 && from[0] !== undefined && from[0][0] === from[0][1] ? from[0][0] : null
      if (sole === null || this.#next() !== '-' || this.#characters[this.#position + 1] === ']') ranges.push(...from)
      else ranges.push([sole, this.#rangeEnd(sole)])
    }
    return negated ? complement(ranges) : union(ranges)
  }

  #rangeEnd(first: number): number {
    this.#take('-')
    const [range, ...more] = this.#classMember()
    if (range === undefined || more.length > 0 || range[0] !== range[1] || range[0] < first) throw new NotUnderstood()
    return range[0]
  }

  #classMember(): CharacterSet {
    return this.#take('\\') ? this.#escape() : single(codeOf(this.#advance()))
  }

  #escape(): CharacterSet {
    const letter = this.#advance()
    const set = setEscapes[letter]
    if (set !== undefined) return set
    const control = controlEscapes[letter]
    if (control !== undefined) return single(control)
    if (letter === 'x') return single(this.#hex(2))
    if (letter === 'u') return single(this.#take('{') ? this.#braced() : this.#hex(4))
    if (/[\w]/.test(letter)) throw new NotUnderstood()
    return single(codeOf(letter))
  }

  #hex(length: number): number {
    let digits = ''
    while (digits.length < length) digits += this.#advance()
    if (!/^[0-9a-f]+$/i.test(digits)) throw new NotUnderstood()
    return Number.parseInt(digits, 16)
  }

  #braced(): number {
    const end = this.#characters.indexOf('}', this.#position)
    const code = end === -1 ? 0 : this.#hex(end - this.#position)
    if (!this.#take('}') || code > 0x10ffff) throw new NotUnderstood()
    return code
  }

  #next(): string | undefined {
    return this.#characters[this.#position]
  }

  #advance(): string {
    const character = this.#characters[this.#position++]
    if (character === undefined) throw new NotUnderstood()
    return character
  }

  #take(character: string): boolean {
    if (this.#characters[this.#position] !== character) return false
    this.#position++
    return true
  }
}

function codeOf(character: string): number {
  return character.codePointAt(0) ?? 0
}

function single(code: number): CharacterSet {
  return [[code, code]]
}
