import { nearest } from './nearest.ts'

/** One option: what it accepts, what holds without it, and how it is explained. */
export interface Option<Value> {
  readonly group: string
  /** One or two sentences; shown by `--help` and in the table of options. */
  readonly help: string
  /** What `--help` writes for the value, such as `<integer>`. */
  readonly placeholder: string
  /** The values that are accepted, in words: the end of "expected ...". */
  readonly accepts: string
  /** Lists: the flag may be repeated, and the environment variable is split at commas. */
  readonly repeatable: boolean
  /** A switch: the flag takes no value. */
  readonly isSwitch: boolean
  /** Never a flag, which others on this machine can read, and never shown or repeated in a message. */
  readonly isSecret: boolean
  /** The default in words, where the value itself says too little or depends on the machine; else `null`. */
  readonly defaultText: string | null
  readonly fallback: (env: NodeJS.ProcessEnv) => Value
  /** Flags and environment bring text; a file brings numbers, lists and null, too. @throws Refusal */
  readonly parse: (input: unknown) => Value
}

/** A value that an option does not accept. The message is the end of a sentence that begins with the option's name. */
export class Refusal extends Error {}

interface Common {
  readonly group: string
  readonly help: string
}

interface Range {
  readonly min: number
  readonly max: number
}

export const anyText = 'a text that is not empty'

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

export function text(spec: Common & { readonly default: string; readonly placeholder: string }): Option<string> {
  return build(spec, spec.placeholder, anyText, () => spec.default, asText)
}

/** A text that is absent unless it is given. */
export function optionalText(spec: Common & { readonly placeholder: string }): Option<string | null> {
  const parse = (input: unknown): string | null => (input === null ? null : asText(input))
  return build(spec, spec.placeholder, anyText, () => null, parse)
}

/** A text whose default depends on the machine. */
export function machineText(
  spec: Common & {
    readonly placeholder: string
    readonly defaultText: string
    readonly fallback: (env: NodeJS.ProcessEnv) => string
  },
): Option<string> {
  const option = build(spec, spec.placeholder, anyText, spec.fallback, asText)
  return { ...option, defaultText: spec.defaultText }
}

export function switchedOff(spec: Common): Option<boolean> {
  const accepts = 'true or false'
  const parse = (input: unknown): boolean => {
    if (input === true || input === 'true' || input === '1') return true
    if (input === false || input === 'false' || input === '0') return false
    throw refuse(accepts, input)
  }
  return { ...build(spec, '', accepts, () => false, parse), isSwitch: true, defaultText: 'off' }
}

export function integer(spec: Common & Range & { readonly default: number }): Option<number> {
  const accepts = `an integer from ${spec.min} to ${spec.max}`
  const parse = (input: unknown): number => within(asInteger(input, accepts), spec, accepts, input)
  return build(spec, '<integer>', accepts, () => spec.default, parse)
}

/** `auto`, the default, becomes `null`: the part that knows the hardware and the model decides. */
export function autoInteger(spec: Common & Range): Option<number | null> {
  const accepts = `auto or an integer from ${spec.min} to ${spec.max}`
  const parse = (input: unknown): number | null =>
    isAuto(input) ? null : within(asInteger(input, accepts), spec, accepts, input)
  return { ...build(spec, '<integer>', accepts, () => null, parse), defaultText: 'auto' }
}

/** As `autoInteger`; `max` stands for all there are. */
export function autoIntegerOrMax(spec: Common & Range): Option<number | 'max' | null> {
  const accepts = `auto, max or an integer from ${spec.min} to ${spec.max}`
  const parse = (input: unknown): number | 'max' | null => {
    if (isAuto(input)) return null
    if (input === 'max') return 'max'
    return within(asInteger(input, accepts), spec, accepts, input)
  }
  return { ...build(spec, '<integer>', accepts, () => null, parse), defaultText: 'auto' }
}

export function choice<const Value extends string>(
  spec: Common & { readonly placeholder: string; readonly choices: readonly Value[]; readonly default: NoInfer<Value> },
): Option<Value> {
  const accepts = `one of ${spec.choices.join(', ')}`
  const parse = (input: unknown): Value => {
    const found = spec.choices.find((name) => name === input)
    if (found !== undefined) return found
    const guess = typeof input === 'string' ? nearest(input, spec.choices) : null
    throw refuse(accepts, input, guess)
  }
  return build(spec, spec.placeholder, accepts, () => spec.default, parse)
}

/** Milliseconds, or a number with a unit: 250, 10s, 5m, 1h. */
export function duration(spec: Common & { readonly min: number; readonly default: number }): Option<number> {
  const accepts = `milliseconds from ${spec.min} to ${durationMsMax}, such as 250, 10s, 5m or 1h`
  const parse = (input: unknown): number => {
    const value = asMeasure(input, durationUnits)
    if (value === null) throw refuse(accepts, input)
    return within(value, { min: spec.min, max: durationMsMax }, accepts, input)
  }
  return build(spec, '<ms>', accepts, () => spec.default, parse)
}

/** Bytes, or a number with a unit: 65536, 64KiB, 32MiB, 1GiB. */
export function bytes(spec: Common & Range & { readonly default: number }): Option<number> {
  const accepts = `bytes from ${inBinaryUnits(spec.min)} to ${inBinaryUnits(spec.max)}, such as 65536, 64KiB or 32MiB`
  const parse = (input: unknown): number => {
    const value = asMeasure(input, byteUnits)
    if (value === null) throw refuse(accepts, input)
    return within(value, spec, accepts, input)
  }
  const option = build(spec, '<bytes>', accepts, () => spec.default, parse)
  return { ...option, defaultText: inBinaryUnits(spec.default) }
}

interface ListSpec extends Common {
  readonly placeholder: string
  readonly accepts: string
  readonly default: readonly string[]
  /** Returns the item as it is kept. @throws Refusal */
  readonly item: (text: string) => string
}

export function list(spec: ListSpec): Option<readonly string[]> {
  const parse = (input: unknown): readonly string[] => {
    const items: readonly unknown[] = Array.isArray(input) ? input : [input]
    return items.map((item) => spec.item(asText(item)))
  }
  const option = build(spec, spec.placeholder, spec.accepts, () => spec.default, parse)
  return { ...option, repeatable: true }
}

/** A list whose items are refused without being repeated. */
export function secretList(spec: ListSpec): Option<readonly string[]> {
  const parse = (input: unknown): readonly string[] => {
    const items: readonly unknown[] = Array.isArray(input) ? input : [input]
    return items.map((item) => {
      if (typeof item !== 'string' || item.trim() === '') throw new Refusal(`expected ${spec.accepts}`)
      return spec.item(item.trim())
    })
  }
  const option = build(spec, spec.placeholder, spec.accepts, () => spec.default, parse)
  return { ...option, repeatable: true, isSecret: true }
}

function build<Value>(
  common: Common,
  placeholder: string,
  accepts: string,
  fallback: Option<Value>['fallback'],
  parse: Option<Value>['parse'],
): Option<Value> {
  return {
    ...common,
    placeholder,
    accepts,
    repeatable: false,
    isSwitch: false,
    isSecret: false,
    defaultText: null,
    fallback,
    parse,
  }
}

export function refuse(accepts: string, input: unknown, guess: string | null = null): Refusal {
  const hint = guess === null ? '' : ` (did you mean ${guess}?)`
  return new Refusal(`expected ${accepts}, got ${JSON.stringify(input)}${hint}`)
}

function asText(input: unknown): string {
  const trimmed = typeof input === 'string' ? input.trim() : ''
  if (trimmed === '') throw refuse(anyText, input)
  return trimmed
}

function asInteger(input: unknown, accepts: string): number {
  const value = typeof input === 'string' && /^\s*-?\d+\s*$/.test(input) ? Number(input) : input
  if (!Number.isSafeInteger(value)) throw refuse(accepts, input)
  return value as number
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

/** 33554432 -> 32MiB, in the spelling that `bytes` accepts. */
function inBinaryUnits(value: number): string {
  if (value % 1024 ** 3 === 0) return `${value / 1024 ** 3}GiB`
  if (value % 1024 ** 2 === 0) return `${value / 1024 ** 2}MiB`
  return value % 1024 === 0 ? `${value / 1024}KiB` : String(value)
}

function isAuto(input: unknown): boolean {
  return input === 'auto' || input === null
}
