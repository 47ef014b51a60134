// What single values look like, as options and inside the structures of a config file.

import { nearest } from './nearest.ts'

export interface ValueKind<Value> {
  /** The values that are accepted, in words: the end of "expected ...". */
  readonly accepts: string
  /** Flags and environment bring text; a file brings numbers, lists and null, too. @throws Refusal */
  readonly parse: (input: unknown) => Value
}

/** A value that is not accepted. The message is the end of a sentence that begins with what was to be set. */
export class Refusal extends Error {}

export interface Range {
  readonly min: number
  readonly max: number
}

/** `setTimeout` takes 31 bits; anything longer would fire at once. */
const durationMsMax = 2_147_483_647

const byteUnits: Readonly<Record<string, number>> = {
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
}

const durationUnits: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

/** Trimmed. */
export const textKind: ValueKind<string> = {
  accepts: 'a text that is not empty',
  parse(input) {
    const trimmed = typeof input === 'string' ? input.trim() : ''
    if (trimmed === '') throw refuse(textKind.accepts, input)
    return trimmed
  },
}

export const booleanKind: ValueKind<boolean> = {
  accepts: 'true or false',
  parse(input) {
    if (input === true || input === 'true' || input === '1') return true
    if (input === false || input === 'false' || input === '0') return false
    throw refuse(booleanKind.accepts, input)
  },
}

/** `accepts`: where more than these integers is accepted, all of it in words. */
export function integerKind(range: Range, accepts = `an integer from ${range.min} to ${range.max}`): ValueKind<number> {
  const parse = (input: unknown): number => {
    const value = typeof input === 'string' && /^\s*-?\d+\s*$/.test(input) ? Number(input) : input
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw refuse(accepts, input)
    return within(value, range, accepts, input)
  }
  return { accepts, parse }
}

export function numberKind(range: Range): ValueKind<number> {
  const accepts = `a number from ${range.min} to ${range.max}`
  const parse = (input: unknown): number => {
    const value = typeof input === 'string' && /^\s*\d*\.?\d+\s*$/.test(input) ? Number(input) : input
    if (typeof value !== 'number' || Number.isNaN(value)) throw refuse(accepts, input)
    return within(value, range, accepts, input)
  }
  return { accepts, parse }
}

/** Milliseconds, or a number with a unit: 250, 10s, 5m, 1h. */
export function durationKind(min: number): ValueKind<number> {
  const accepts = `milliseconds from ${min} to ${durationMsMax}, such as 250, 10s, 5m or 1h`
  const parse = (input: unknown): number => {
    const value = asMeasure(input, durationUnits)
    if (value === null) throw refuse(accepts, input)
    return within(value, { min, max: durationMsMax }, accepts, input)
  }
  return { accepts, parse }
}

/** Bytes, or a number with a unit: 65536, 64KiB, 32MiB, 1GiB. */
export function bytesKind(range: Range): ValueKind<number> {
  const accepts = `bytes from ${inBinaryUnits(range.min)} to ${inBinaryUnits(range.max)}, such as 65536, 64KiB or 32MiB`
  const parse = (input: unknown): number => {
    const value = asMeasure(input, byteUnits)
    if (value === null) throw refuse(accepts, input)
    return within(value, range, accepts, input)
  }
  return { accepts, parse }
}

export function choiceKind<const Value extends string>(choices: readonly Value[]): ValueKind<Value> {
  const accepts = `one of ${choices.join(', ')}`
  const parse = (input: unknown): Value => {
    const found = choices.find((name) => name === input)
    if (found !== undefined) return found
    throw refuse(accepts, input, typeof input === 'string' ? nearest(input, choices) : null)
  }
  return { accepts, parse }
}

/** `null`, as a file writes it, says that there is none. */
export function orNone<Value>({ accepts, parse }: ValueKind<Value>): ValueKind<Value | null> {
  return { accepts, parse: (input) => (input === null ? null : parse(input)) }
}

export function refuse(accepts: string, input: unknown, guess: string | null = null): Refusal {
  const hint = guess === null ? '' : ` (did you mean ${guess}?)`
  return new Refusal(`expected ${accepts}, got ${JSON.stringify(input)}${hint}`)
}

/** 33554432 -> 32MiB, in the spelling that `bytesKind` accepts. */
export function inBinaryUnits(value: number): string {
  if (value % 1024 ** 3 === 0) return `${value / 1024 ** 3}GiB`
  if (value % 1024 ** 2 === 0) return `${value / 1024 ** 2}MiB`
  return value % 1024 === 0 ? `${value / 1024}KiB` : String(value)
}

/** A bare number, or a number followed by one of the units; whole after conversion. */
function asMeasure(input: unknown, units: Readonly<Record<string, number>>): number | null {
  if (typeof input === 'number') return Number.isSafeInteger(input) ? input : null
  const match = typeof input === 'string' ? /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(input.trim()) : null
  if (match === null) return null
  const [, amount = '', unit = ''] = match
  const factor = unit === '' ? 1 : units[unit.toLowerCase()]
  const value = factor === undefined ? Number.NaN : Number(amount) * factor
  return Number.isSafeInteger(value) ? value : null
}

function within(value: number, range: Range, accepts: string, input: unknown): number {
  if (value < range.min || value > range.max) throw refuse(accepts, input)
  return value
}
