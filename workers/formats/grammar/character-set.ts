import { escapeForGrammar } from './literals.ts'

/** Code points from first to last, both included; ascending and apart. */
export type CharacterSet = readonly (readonly [first: number, last: number])[]

const codePointMax = 0x10ffff

export const digitSet: CharacterSet = [[0x30, 0x39]]
export const wordSet: CharacterSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
]
/** https://tc39.es/ecma262/#sec-white-space and line terminators. */
export const spaceSet: CharacterSet = union([
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
])
/** What `.` matches. */
export const lineSet: CharacterSet = complement([
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
])

/** What may stand in a JSON string as it is. */
const rawSet: CharacterSet = [
  [0x20, 0x21],
  [0x23, 0x5b],
  [0x5d, 0xd7ff],
  [0xe000, codePointMax],
]
/** The rest, as far as it has a short escape. Other control characters are left out: no pattern is about them. */
const shortEscapes: readonly (readonly [code: number, letter: string])[] = [
  [0x22, '\\"'],
  [0x5c, '\\\\'],
  [0x08, 'b'],
  [0x0c, 'f'],
  [0x0a, 'n'],
  [0x0d, 'r'],
  [0x09, 't'],
]

export function union(ranges: CharacterSet): CharacterSet {
  const merged: [number, number][] = []
  for (const [first, last] of [...ranges].sort((one, other) => one[0] - other[0])) {
    const before = merged.at(-1)
    if (before !== undefined && first <= before[1] + 1) before[1] = Math.max(before[1], last)
    else merged.push([first, last])
  }
  return merged
}

export function complement(ranges: CharacterSet): CharacterSet {
  const gaps: [number, number][] = []
  let first = 0
  for (const [start, end] of union(ranges)) {
    if (start > first) gaps.push([first, start - 1])
    first = end + 1
  }
  if (first <= codePointMax) gaps.push([first, codePointMax])
  return gaps
}

/** The one character of a set of one, when it is written into JSON as it is. */
export function soleCharacter(set: CharacterSet): string | null {
  const [range] = set
  if (set.length !== 1 || range === undefined || range[0] !== range[1]) return null
  return contains(rawSet, range[0]) ? String.fromCodePoint(range[0]) : null
}

/** GBNF for one character of the set as it is written in a JSON string; `null` for a set without any such. */
export function characterBody(set: CharacterSet): string | null {
  const raw = intersection(set, rawSet)
  const letters = shortEscapes.filter(([code]) => contains(set, code)).map(([, letter]) => letter)
  const escaped = letters.length === 0 ? '' : `"\\\\" [${letters.join('')}]`
  if (raw.length === 0) return escaped === '' ? null : `( ${escaped} )`
  const plain = `[${raw.map(printRange).join('')}]`
  return escaped === '' ? plain : `( ${plain} | ${escaped} )`
}

function printRange([first, last]: readonly [number, number]): string {
  return first === last ? printCode(first) : `${printCode(first)}-${printCode(last)}`
}

/** Beyond ASCII in hexadecimal, so that a grammar can be read in any log. */
function printCode(code: number): string {
  if (code < 0x7f) return escapeForGrammar(String.fromCodePoint(code))
  const hex = code.toString(16)
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`
}

function contains(set: CharacterSet, code: number): boolean {
  return set.some(([first, last]) => first <= code && code <= last)
}

function intersection(one: CharacterSet, other: CharacterSet): CharacterSet {
  const shared = one.flatMap(([first, last]) =>
    other.map(([start, end]): readonly [number, number] => [Math.max(first, start), Math.min(last, end)]),
  )
  return shared.filter(([first, last]) => first <= last)
}
