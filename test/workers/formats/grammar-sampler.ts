import assert from 'node:assert/strict'

/** Writes random texts of a grammar, thousands in the time in which a model writes one. The engine remains the judge of the syntax. */
export interface GrammarSampler {
  /** `false`: every text would be endless, because the schema needs itself inside itself. */
  readonly hasTexts: boolean
  /** @param random 0 to below 1 */
  sample(random: () => number): string
}

type Item =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'set'; readonly ranges: readonly (readonly [number, number])[] }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'group'; readonly alternatives: Alternatives }
type Repeated = { readonly item: Item; readonly min: number; readonly max: number }
type Alternatives = readonly (readonly Repeated[])[]

/** Deeper than this, the shortest way out is taken. */
const depthMax = 12
const repetitionsMax = 4

export function createGrammarSampler(gbnf: string): GrammarSampler {
  const rules = new Map<string, Alternatives>()
  for (const line of gbnf.split('\n')) {
    if (line === '') continue
    const [, name = '', body = ''] = /^([\w-]+) ::= (.*)$/.exec(line) ?? assert.fail(line)
    assert.ok(!rules.has(name), `${name} is defined twice`)
    rules.set(name, new BodyParser(body).parse())
  }
  const heights = measureHeights(rules)
  const heightOf = (alternative: readonly Repeated[]): number => heightOfSequence(alternative, heights)

  function write(alternatives: Alternatives, depth: number, random: () => number): string {
    const least = Math.min(...alternatives.map(heightOf))
    const open = alternatives.filter((one) => heightOf(one) <= (depth < depthMax ? Number.MAX_VALUE : least))
    const chosen = open[Math.floor(random() * open.length)] ?? []
    return chosen.map((repeated) => writeRepeated(repeated, depth, random)).join('')
  }

  function writeRepeated({ item, min, max }: Repeated, depth: number, random: () => number): string {
    const most = depth < depthMax ? Math.min(max, min + repetitionsMax) : min
    // Now and then exactly as many as are allowed: mistakes live at the bounds.
    const count = most === max || random() < 0.9 ? min + Math.floor(random() * (most - min + 1)) : Math.min(max, 5000)
    let text = ''
    for (let index = 0; index < (Number.isFinite(max) ? count : Math.min(count, most)); index++) {
      text += writeItem(item, depth, random)
    }
    return text
  }

  function writeItem(item: Item, depth: number, random: () => number): string {
    if (item.kind === 'literal') return item.text
    if (item.kind === 'group') return write(item.alternatives, depth, random)
    if (item.kind === 'rule') return write(rules.get(item.name) ?? assert.fail(item.name), depth + 1, random)
    const [first, last] = item.ranges[Math.floor(random() * item.ranges.length)] ?? assert.fail('empty set')
    return String.fromCodePoint(first + Math.floor(random() * (last - first + 1)))
  }

  return {
    hasTexts: heights.has('root'),
    sample: (random) => write(rules.get('root') ?? assert.fail('no root'), 0, random),
  }
}

/** How deep the shallowest text of each rule is. */
function measureHeights(rules: ReadonlyMap<string, Alternatives>): ReadonlyMap<string, number> {
  const heights = new Map<string, number>()
  for (let changed = true; changed; ) {
    changed = false
    for (const [name, alternatives] of rules) {
      const height = 1 + Math.min(...alternatives.map((one) => heightOfSequence(one, heights)))
      if (height >= (heights.get(name) ?? Number.POSITIVE_INFINITY)) continue
      heights.set(name, height)
      changed = true
    }
  }
  return heights
}

function heightOfSequence(sequence: readonly Repeated[], heights: ReadonlyMap<string, number>): number {
  const heightOf = (item: Item): number => {
    if (item.kind === 'rule') return heights.get(item.name) ?? Number.POSITIVE_INFINITY
    return item.kind === 'group' ? Math.min(...item.alternatives.map((one) => heightOfSequence(one, heights))) : 0
  }
  return Math.max(0, ...sequence.filter(({ min }) => min > 0).map(({ item }) => heightOf(item)))
}

class BodyParser {
  readonly #body: string
  #position = 0

  constructor(body: string) {
    this.#body = body
  }

  parse(): Alternatives {
    const alternatives = this.#alternatives()
    assert.equal(this.#position, this.#body.length, this.#body)
    return alternatives
  }

  #alternatives(): Alternatives {
    const alternatives = [this.#sequence()]
    while (this.#match(/\| ?/y) !== null) alternatives.push(this.#sequence())
    return alternatives
  }

  #sequence(): readonly Repeated[] {
    const items: Repeated[] = []
    this.#match(/ +/y)
    while (this.#position < this.#body.length && !'|)'.includes(this.#body[this.#position] ?? '|')) {
      items.push(this.#repeated(this.#item()))
      this.#match(/ +/y)
    }
    return items
  }

  #item(): Item {
    const literal = this.#match(/"((?:[^"\\]|\\.)*)"/y)
    if (literal !== null) return { kind: 'literal', text: String.fromCodePoint(...codePoints(literal[1] ?? '')) }
    const set = this.#match(/\[((?:[^\]\\]|\\.)*)\]/y)
    if (set !== null) return { kind: 'set', ranges: parseRanges(set[1] ?? '') }
    const name = this.#match(/[\w-]+/y)
    if (name !== null) return { kind: 'rule', name: name[0] }
    assert.ok(this.#match(/\(/y), this.#body.slice(this.#position))
    const alternatives = this.#alternatives()
    assert.ok(this.#match(/\)/y), this.#body)
    return { kind: 'group', alternatives }
  }

  #repeated(item: Item): Repeated {
    const [mark, from, comma, to] = this.#match(/[?*+]|\{(\d+)(,)?(\d+)?\}/y) ?? []
    if (mark === undefined) return { item, min: 1, max: 1 }
    if (mark === '?') return { item, min: 0, max: 1 }
    const min = mark === '+' ? 1 : Number(from ?? 0)
    return {
      item,
      min,
      max: from === undefined || (comma !== undefined && to === undefined) ? Infinity : Number(to ?? from),
    }
  }

  #match(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#position
    const match = pattern.exec(this.#body)
    if (match !== null) this.#position = pattern.lastIndex
    return match
  }
}

const escapes = /\\x(..)|\\u(....)|\\U(.{8})|\\(.)|(.)/gsu

function codePoints(text: string): number[] {
  const named: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t' }
  return [...text.matchAll(escapes)].map(([, byte, unit, point, letter, plain]) => {
    const hex = byte ?? unit ?? point
    if (hex !== undefined) return Number.parseInt(hex, 16)
    const character = plain ?? named[letter ?? ''] ?? letter ?? ''
    return character.codePointAt(0) ?? 0
  })
}

function parseRanges(text: string): readonly (readonly [number, number])[] {
  const parts = [...text.matchAll(escapes)].map((match) => match[0])
  const ranges: [number, number][] = []
  for (let index = 0; index < parts.length; index++) {
    const [first = 0] = codePoints(parts[index] ?? '')
    const end = parts[index + 1] === '-' ? parts[index + 2] : undefined
    if (end !== undefined) index += 2
    ranges.push([first, codePoints(end ?? '')[0] ?? first])
  }
  return ranges
}
