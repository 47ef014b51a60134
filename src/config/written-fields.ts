// Reads structures of a config file by tables of readers: unknown keys, wrong types and keys given twice are noted with file and line.

import { labelOf, shapeOf, type Written } from './config-file.ts'
import { nearest } from './nearest.ts'
import { Refusal, type ValueKind } from './value-kinds.ts'

/** What is wrong inside goes to `problems`, so that all of it is told at once. @throws Refusal when the value itself is wrong */
export type Reader<Value> = (written: Written, problems: string[]) => Value

/** By names in camel case; files may write them in snake_case and kebab-case, too. */
type Readers = Readonly<Record<string, Reader<unknown>>>

export type Given<Table extends Readers> = {
  readonly [Name in keyof Table]?: Table[Name] extends Reader<infer Value> ? Value : never
}

export interface FieldRules<Table extends Readers> {
  readonly required?: readonly (keyof Table & string)[]
  /** Other names of a field, by these names. */
  readonly synonyms?: Readonly<Record<string, keyof Table & string>>
}

/** What is given and accepted of a mapping. @throws Refusal when it is none */
export function readGiven<Table extends Readers>(
  written: Written,
  readers: Table,
  problems: string[],
  { required = [], synonyms = {} }: FieldRules<Table> = {},
): Given<Table> {
  const fields = written.fields()
  const names = spellings([...Object.keys(readers), ...Object.keys(synonyms)])
  if (fields === null) {
    throw new Refusal(`expected a mapping with keys such as ${snakeNames(readers)}, got ${shapeOf(written.value)}`)
  }
  const seen = new Map<string, string>()
  const given: Record<string, unknown> = {}
  for (const { key, written: field } of fields) {
    const spelt = names.get(key)
    if (spelt === undefined) {
      problems.push(`${labelOf({ ...field, path: written.path })}: ${unknownKey(key, [...names.keys()])}`)
      continue
    }
    const name = synonyms[spelt] ?? spelt
    const earlier = seen.get(name)
    seen.set(name, key)
    if (earlier !== undefined) problems.push(`${labelOf(field)}: this says the same as ${earlier}: give one of them`)
    else attempt(field, readers[name], problems, (value) => Object.assign(given, { [name]: value }))
  }
  const missing = required.filter((name) => !seen.has(name))
  if (missing.length > 0) problems.push(`${labelOf(written)}: needs ${missing.map(snakeCase).join(' and ')}`)
  return given as Given<Table>
}

/** Which fields are there, refused ones as well. */
export function namesIn<Table extends Readers>(
  written: Written,
  readers: Table,
  { synonyms = {} }: FieldRules<Table> = {},
): ReadonlySet<keyof Table & string> {
  const names = spellings([...Object.keys(readers), ...Object.keys(synonyms)])
  const spelt = (written.fields() ?? []).map(({ key }) => names.get(key)).filter((name) => name !== undefined)
  return new Set(spelt.map((name) => synonyms[name] ?? name))
}

/** One value. A mapping or a list in its place is not repeated: it may hold what nobody should see. */
export function single<Value>({ accepts, parse }: ValueKind<Value>): Reader<Value> {
  return ({ value }) => {
    if (typeof value === 'object' && value !== null) throw new Refusal(`expected ${accepts}, got ${shapeOf(value)}`)
    return parse(value)
  }
}

/** Items that are refused are left out. */
export function listOf<Value>(read: Reader<Value>): Reader<readonly Value[]> {
  return (written, problems) => {
    const items = written.items()
    if (items === null) throw new Refusal(`expected a list, got ${shapeOf(written.value)}`)
    const values: Value[] = []
    for (const item of items) attempt(item, read, problems, (value) => values.push(value))
    return values
  }
}

/** A list of one may be written as its item. */
export function oneOrMore<Value>(read: Reader<Value>): Reader<readonly Value[]> {
  const readList = listOf(read)
  return (written, problems) => (Array.isArray(written.value) ? readList(written, problems) : [read(written, problems)])
}

/** Reads, and notes a refusal with the place that it is about. */
export function attempt<Value>(
  written: Written,
  read: Reader<Value> | undefined,
  problems: string[],
  accept: (value: Value) => void,
): void {
  try {
    if (read !== undefined) accept(read(written, problems))
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    problems.push(`${labelOf(written)}: ${cause.message}`)
  }
}

/** `keyEnv` -> `key_env` */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known)
  return guess === null ? `unknown key ${key}` : `unknown key ${key} (did you mean ${guess}?)`
}

/** Every accepted spelling, and the name that it stands for. Snake case comes first: guesses name it. */
function spellings(names: readonly string[]): ReadonlyMap<string, string> {
  const snake = names.map((name) => [snakeCase(name), name] as const)
  const others = names.flatMap((name) => [[name, name] as const, [snakeCase(name).replaceAll('_', '-'), name] as const])
  return new Map([...snake, ...others])
}

function snakeNames(readers: Readers): string {
  return Object.keys(readers).slice(0, 3).map(snakeCase).join(', ')
}
