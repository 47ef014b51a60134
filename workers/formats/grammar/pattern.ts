import { characterBody, soleCharacter } from './character-set.ts'
import { quote } from './literals.ts'
import { type AnchoredPattern, type Pattern, parsePattern } from './pattern-parser.ts'
import { type Bounds, repeat } from './repetition.ts'
import type { RuleSet } from './rule-set.ts'

/** Characters that counted repetitions may come to. Each can be a reading of its own that the engine follows. */
const expandedMax = 600

export interface PatternRule {
  /** GBNF for the text between the quotes. */
  readonly body: string
  /** No text of this pattern is shorter or longer, in characters. */
  readonly length: Bounds
  /** Rules that the engine makes of its repetitions, at most. */
  readonly repetitions: number
}

/**
 * A `pattern` as GBNF for what stands between the quotes of a JSON string; `null` where a grammar cannot follow.
 * @param length what `minLength` and `maxLength` ask for. It narrows a repeated class, which is the usual kind of pattern.
 */
export function patternRule(rules: RuleSet, source: string, length: Bounds): PatternRule | null {
  const parsed = parsePattern(source)
  if (parsed === null) return null
  const alternatives = parsed.map((alternative) => narrow(alternative, length))
  const repetitions = alternatives.reduce((sum, { pattern }) => sum + expandedSize(pattern), 0)
  if (repetitions > expandedMax) return null
  const bodies: string[] = []
  for (const { fromStart, toEnd, pattern } of alternatives) {
    const body = print(rules, pattern)
    if (body === null) return null
    bodies.push(`${fromStart ? '' : 'char* '}${body}${toEnd ? '' : ' char*'}`)
  }
  return { body: bodies.join(' | '), length: lengthOf(alternatives), repetitions }
}

function narrow(alternative: AnchoredPattern, { min, max }: Bounds): AnchoredPattern {
  const { fromStart, toEnd, pattern } = alternative
  if (!fromStart || !toEnd || pattern.kind !== 'repeat' || pattern.item.kind !== 'set') return alternative
  const low = Math.max(min, pattern.min)
  const high = max === null ? pattern.max : Math.min(max, pattern.max ?? max)
  return high !== null && high < low ? alternative : { ...alternative, pattern: { ...pattern, min: low, max: high } }
}

/** @returns `null` for a set that JSON cannot write, and for repetitions of what may be empty, which the engine refuses */
function print(rules: RuleSet, pattern: Pattern): string | null {
  switch (pattern.kind) {
    case 'set': {
      const sole = soleCharacter(pattern.set)
      return sole === null ? characterBody(pattern.set) : quote(sole)
    }
    case 'sequence': {
      const items = printAll(rules, pattern.items)
      return items === null ? null : items.length === 0 ? '""' : items.join(' ')
    }
    case 'choice': {
      const options = printAll(rules, pattern.options)
      return options === null ? null : `( ${options.join(' | ')} )`
    }
    case 'repeat':
      return printRepeat(rules, pattern)
    default:
      return pattern satisfies never
  }
}

function printAll(rules: RuleSet, patterns: readonly Pattern[]): readonly string[] | null {
  const bodies: string[] = []
  for (const pattern of patterns) {
    const body = print(rules, pattern)
    if (body === null) return null
    bodies.push(body)
  }
  return bodies
}

function printRepeat(rules: RuleSet, pattern: Pattern & { readonly kind: 'repeat' }): string | null {
  const { item, min, max } = pattern
  if (max === 0) return '""'
  if (max !== 1 && shortest(item) === 0) return null
  const body = print(rules, item)
  if (body === null || item.kind === 'set') return body === null ? null : repeat(body, { min, max })
  // A rule of its own: the engine multiplies the sizes of nested groups and refuses a product over 2,000.
  return repeat(rules.define(rules.reserve('part'), body, max ?? min), { min, max })
}

function lengthOf(alternatives: readonly AnchoredPattern[]): Bounds {
  const longestOf = ({ fromStart, toEnd, pattern }: AnchoredPattern): number =>
    fromStart && toEnd ? longest(pattern) : Number.POSITIVE_INFINITY
  const max = Math.max(...alternatives.map(longestOf))
  const min = Math.min(...alternatives.map(({ pattern }) => shortest(pattern)))
  return { min, max: Number.isFinite(max) ? max : null }
}

function shortest(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'set':
      return 1
    case 'sequence':
      return pattern.items.reduce((sum, item) => sum + shortest(item), 0)
    case 'choice':
      return Math.min(...pattern.options.map(shortest))
    case 'repeat':
      return pattern.min * shortest(pattern.item)
    default:
      return pattern satisfies never
  }
}

function longest(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'set':
      return 1
    case 'sequence':
      return pattern.items.reduce((sum, item) => sum + longest(item), 0)
    case 'choice':
      return Math.max(...pattern.options.map(longest))
    case 'repeat':
      return pattern.max === null
        ? Number.POSITIVE_INFINITY
        : pattern.max * (pattern.max === 0 ? 0 : longest(pattern.item))
    default:
      return pattern satisfies never
  }
}

function expandedSize(pattern: Pattern): number {
  switch (pattern.kind) {
    case 'set':
      return 1
    case 'sequence':
      return pattern.items.reduce((sum, item) => sum + expandedSize(item), 1)
    case 'choice':
      return pattern.options.reduce((sum, option) => sum + expandedSize(option), 1)
    case 'repeat':
      return expandedSize(pattern.item) * Math.max(1, pattern.max ?? pattern.min + 1)
    default:
      return pattern satisfies never
  }
}
