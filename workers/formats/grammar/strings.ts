import type { Loosened } from './loosened.ts'
import { patternRule } from './pattern.ts'
import { type Bounds, repeatShared } from './repetition.ts'
import type { RuleSet } from './rule-set.ts'
import { type Conjunction, keyword, type SchemaNode } from './schema-node.ts'

/** Longer than any answer that such a limit is meant to cut. */
const lengthMax = 4096

/**
 * The `format`s that a grammar can follow, by RFC 3339 and RFC 9562. February has 28 days here: a leap year is more than a
 * grammar can tell.
 */
const formats: Readonly<Record<string, string>> = {
  date: '[0-9]{4} "-" month-day',
  time: `( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9] ":" [0-5] [0-9] ( "." [0-9]{1,6} )? zone`,
  'date-time': 'date "T" time',
  uuid: `${['8', '4', '4', '4', '12'].map((count) => `hex{${count}}`).join(' "-" ')}`,
}
const formatParts: Readonly<Record<string, string>> = {
  'month-day': [
    '( "01" | "03" | "05" | "07" | "08" | "10" | "12" ) "-" ( "0" [1-9] | [12] [0-9] | "3" [01] )',
    '( "04" | "06" | "09" | "11" ) "-" ( "0" [1-9] | [12] [0-9] | "30" )',
    '"02-" ( "0" [1-9] | "1" [0-9] | "2" [0-8] )',
  ].join(' | '),
  zone: '"Z" | [+-] ( [01] [0-9] | "2" [0-3] ) ":" [0-5] [0-9]',
}

/** The rule of a string that meets the conjunction. */
export function stringRule(rules: RuleSet, conjunction: Conjunction, loosened: Loosened): string {
  const length = lengthBounds(conjunction, loosened)
  const patterns = conjunction.filter((node) => typeof keyword(node, 'pattern') === 'string')
  const formatted = conjunction.filter((node) => typeof keyword(node, 'format') === 'string')
  const body = patternBody(rules, patterns, length, loosened)
  if (body !== null) {
    noteAll(formatted, 'format', loosened)
    return body
  }
  return formatBody(rules, formatted, conjunction, length, loosened) ?? plainString(rules, length)
}

function plainString(rules: RuleSet, length: Bounds): string {
  if (length.min === 0 && length.max === null) return 'string'
  const name = `string-${length.min}-to-${length.max ?? 'any'}-characters`
  return rules.share(name, () => `"\\"" ${repeatShared(rules, 'char', length)} "\\""`)
}

/** The first pattern that can be followed; the others, and lengths that it does not imply, are loosened. */
function patternBody(
  rules: RuleSet,
  patterns: readonly SchemaNode[],
  length: Bounds,
  loosened: Loosened,
): string | null {
  for (const [index, node] of patterns.entries()) {
    const pattern = patternRule(rules, String(keyword(node, 'pattern')), length)
    if (pattern === null) {
      loosened.add(node.pointer, 'pattern')
      continue
    }
    noteAll(patterns.slice(index + 1), 'pattern', loosened)
    if (pattern.length.min < length.min) loosened.add(node.pointer, 'minLength')
    if (length.max !== null && (pattern.length.max ?? Number.POSITIVE_INFINITY) > length.max) {
      loosened.add(node.pointer, 'maxLength')
    }
    return rules.define(rules.reserve('string'), `"\\"" ( ${pattern.body} ) "\\""`, pattern.repetitions)
  }
  return null
}

/** Lengths beside a format are there for databases; the format decides. */
function formatBody(
  rules: RuleSet,
  formatted: readonly SchemaNode[],
  conjunction: Conjunction,
  length: Bounds,
  loosened: Loosened,
): string | null {
  const known = formatted.find((node) => Object.hasOwn(formats, String(keyword(node, 'format'))))
  noteAll(
    formatted.filter((node) => node !== known),
    'format',
    loosened,
  )
  if (known === undefined) return null
  if (length.min > 0) noteAll(withKeyword(conjunction, 'minLength'), 'minLength', loosened)
  if (length.max !== null) noteAll(withKeyword(conjunction, 'maxLength'), 'maxLength', loosened)
  const format = String(keyword(known, 'format'))
  return rules.share(`${format}-string`, () => `"\\"" ${defineFormat(rules, format)} "\\""`)
}

function defineFormat(rules: RuleSet, format: string): string {
  for (const [name, body] of Object.entries(formatParts)) rules.share(name, () => body)
  if (format === 'date-time') for (const part of ['date', 'time']) defineFormat(rules, part)
  return rules.share(format, () => formats[format] ?? 'char*')
}

function lengthBounds(conjunction: Conjunction, loosened: Loosened): Bounds {
  const lower = withKeyword(conjunction, 'minLength')
  const upper = withKeyword(conjunction, 'maxLength')
  const min = Math.max(0, ...lower.map((node) => Number(keyword(node, 'minLength'))))
  const max = Math.min(...upper.map((node) => Number(keyword(node, 'maxLength'))))
  if (min > lengthMax) noteAll(lower, 'minLength', loosened)
  if (min > max || max < 0) {
    noteAll(upper, 'maxLength', loosened)
    return { min: Math.min(min, lengthMax), max: null }
  }
  if (max > lengthMax && max !== Number.POSITIVE_INFINITY) noteAll(upper, 'maxLength', loosened)
  return { min: Math.min(min, lengthMax), max: max > lengthMax ? null : max }
}

function withKeyword(conjunction: Conjunction, name: string): readonly SchemaNode[] {
  return conjunction.filter((node) => Number.isInteger(keyword(node, name)))
}

function noteAll(nodes: readonly SchemaNode[], name: string, loosened: Loosened): void {
  for (const node of nodes) loosened.add(node.pointer, name)
}
