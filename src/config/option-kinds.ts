import {
  booleanKind,
  bytesKind,
  choiceKind,
  durationKind,
  inBinaryUnits,
  integerKind,
  numberKind,
  orNone,
  type Range,
  Refusal,
  textKind,
  type ValueKind,
} from './value-kinds.ts'

/** One option: what it accepts, what holds without it, and how it is explained. */
export interface Option<Value> extends ValueKind<Value> {
  readonly group: string
  /** One or two sentences; shown by `--help` and in the table of options. */
  readonly help: string
  /** What `--help` writes for the value, such as `<integer>`. */
  readonly placeholder: string
  /** Lists: the flag may be repeated, and the environment variable is split at commas. */
  readonly repeatable: boolean
  /** A switch: the flag takes no value. */
  readonly isSwitch: boolean
  /** Never a flag, which others on this machine can read, and never shown or repeated in a message. */
  readonly isSecret: boolean
  /** The default in words, where the value itself says too little or depends on the machine; else `null`. */
  readonly defaultText: string | null
  readonly fallback: (env: NodeJS.ProcessEnv) => Value
}

interface Common {
  readonly group: string
  readonly help: string
}

export const anyText = textKind.accepts

export function text(spec: Common & { readonly default: string; readonly placeholder: string }): Option<string> {
  return build(spec, spec.placeholder, textKind, () => spec.default)
}

/** A text that is absent unless it is given. */
export function optionalText(spec: Common & { readonly placeholder: string }): Option<string | null> {
  return build(spec, spec.placeholder, orNone(textKind), () => null)
}

interface ItemSpec extends Common {
  readonly placeholder: string
  readonly accepts: string
  /** Returns the item as it is kept. @throws Refusal */
  readonly item: (text: string) => string
}

/** A text of a certain form that is absent unless it is given. */
export function optionalItem(spec: ItemSpec): Option<string | null> {
  const kind = { accepts: spec.accepts, parse: (input: unknown) => spec.item(textKind.parse(input)) }
  return build(spec, spec.placeholder, orNone(kind), () => null)
}

/** One secret, refused without being repeated. */
export function optionalSecret(spec: ItemSpec): Option<string | null> {
  const kind = { accepts: spec.accepts, parse: (input: unknown) => spec.item(asSecret(input, spec.accepts)) }
  return { ...build(spec, spec.placeholder, orNone(kind), () => null), isSecret: true }
}

/** A text whose default depends on the machine. */
export function machineText(
  spec: Common & {
    readonly placeholder: string
    readonly defaultText: string
    readonly fallback: (env: NodeJS.ProcessEnv) => string
  },
): Option<string> {
  return { ...build(spec, spec.placeholder, textKind, spec.fallback), defaultText: spec.defaultText }
}

export function switchedOff(spec: Common): Option<boolean> {
  return { ...build(spec, '', booleanKind, () => false), isSwitch: true, defaultText: 'off' }
}

export function integer(spec: Common & Range & { readonly default: number }): Option<number> {
  return build(spec, '<integer>', integerKind(spec), () => spec.default)
}

/** `auto`, the default, becomes `null`: the part that knows the hardware and the model decides. */
export function autoInteger(spec: Common & Range): Option<number | null> {
  const { accepts, parse } = integerKind(spec, `auto or an integer from ${spec.min} to ${spec.max}`)
  const kind = { accepts, parse: (input: unknown) => (isAuto(input) ? null : parse(input)) }
  return { ...build(spec, '<integer>', kind, () => null), defaultText: 'auto' }
}

/** As `autoInteger`; `max` stands for all there are. */
export function autoIntegerOrMax(spec: Common & Range): Option<number | 'max' | null> {
  const { accepts, parse } = integerKind(spec, `auto, max or an integer from ${spec.min} to ${spec.max}`)
  const kind: ValueKind<number | 'max' | null> = {
    accepts,
    parse: (input) => (isAuto(input) ? null : input === 'max' ? 'max' : parse(input)),
  }
  return { ...build(spec, '<integer>', kind, () => null), defaultText: 'auto' }
}

export function choice<const Value extends string>(
  spec: Common & { readonly placeholder: string; readonly choices: readonly Value[]; readonly default: NoInfer<Value> },
): Option<Value> {
  return build(spec, spec.placeholder, choiceKind(spec.choices), () => spec.default)
}

/** Milliseconds, or a number with a unit: 250, 10s, 5m, 1h. */
export function duration(spec: Common & { readonly min: number; readonly default: number }): Option<number> {
  return build(spec, '<ms>', durationKind(spec.min), () => spec.default)
}

/** A duration that follows another option unless it is given. */
export function optionalDuration(
  spec: Common & { readonly min: number; readonly defaultText: string },
): Option<number | null> {
  return { ...build(spec, '<ms>', orNone(durationKind(spec.min)), () => null), defaultText: spec.defaultText }
}

/** Bytes, or a number with a unit: 65536, 64KiB, 32MiB, 1GiB. */
export function bytes(spec: Common & Range & { readonly default: number }): Option<number> {
  const option = build(spec, '<bytes>', bytesKind(spec), () => spec.default)
  return { ...option, defaultText: inBinaryUnits(spec.default) }
}

/** A share: 0 for none, 1 for all. */
export function fraction(spec: Common & { readonly default: number }): Option<number> {
  return build(spec, '<fraction>', numberKind({ min: 0, max: 1 }), () => spec.default)
}

interface ListSpec extends ItemSpec {
  readonly default: readonly string[]
  /** Where it depends on other options: the default in words. */
  readonly defaultText?: string
}

export function list(spec: ListSpec): Option<readonly string[]> {
  return { ...buildList(spec, (item) => spec.item(textKind.parse(item))), defaultText: spec.defaultText ?? null }
}

/** A list whose items are refused without being repeated. */
export function secretList(spec: ListSpec): Option<readonly string[]> {
  return { ...buildList(spec, (item) => spec.item(asSecret(item, spec.accepts))), isSecret: true }
}

function buildList(spec: ListSpec, parseItem: (item: unknown) => string): Option<readonly string[]> {
  const parse = (input: unknown): readonly string[] => (Array.isArray(input) ? input : [input]).map(parseItem)
  const option = build(spec, spec.placeholder, { accepts: spec.accepts, parse }, () => spec.default)
  return { ...option, repeatable: true }
}

function build<Value>(
  { group, help }: Common,
  placeholder: string,
  { accepts, parse }: ValueKind<Value>,
  fallback: Option<Value>['fallback'],
): Option<Value> {
  return {
    group,
    help,
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

function asSecret(input: unknown, accepts: string): string {
  if (typeof input !== 'string' || input.trim() === '') throw new Refusal(`expected ${accepts}`)
  return input.trim()
}

function isAuto(input: unknown): boolean {
  return input === 'auto' || input === null
}
