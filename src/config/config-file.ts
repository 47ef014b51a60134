import { readFileSync } from 'node:fs'
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'

export interface ConfigFile {
  /** As the user wrote it; error messages begin with it. */
  readonly path: string
  readonly text: string
}

/** One value somewhere in a file, and where. */
export interface Written {
  readonly value: unknown
  /** File and line, counted from 1: `headend.yaml:12`. */
  readonly place: string
  /** Keys as they are written, and indices: `models.1.targets.0`. */
  readonly path: string
  /** Of a mapping; `null`: it is none. */
  readonly fields: () => readonly WrittenField[] | null
  /** Of a list; `null`: it is none. */
  readonly items: () => readonly Written[] | null
}

export interface WrittenField {
  readonly key: string
  readonly written: Written
}

/** How a message calls it: `headend.yaml:12: models.1.targets.0`. */
export function labelOf({ place, path }: Written): string {
  return path === '' ? place : `${place}: ${path}`
}

/** What a message says of a value that it does not repeat. */
export function shapeOf(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a mapping' : `a ${typeof value === 'string' ? 'text' : typeof value}`
}

/** @throws ConfigError when the file cannot be read */
export function readConfigFile(path: string): ConfigFile {
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch (cause) {
    throw new ConfigError([`--config: cannot read ${path}: ${readingFailure(cause)}`])
  }
}

/** @throws ConfigError with file, line and what is wrong */
export function parseConfigFile(file: ConfigFile): readonly WrittenField[] {
  const root = parseWritten(file.text, (line) => `${file.path}:${line}`)
  if (root.value === null) return [] // an empty file, or comments only
  const fields = root.fields()
  if (fields === null) throw new ConfigError([`${root.place}: expected options, one per line, such as port: 8080`])
  return fields
}

/**
 * YAML, and with it JSON, which is a subset.
 * @param placeOf the beginning of every message about a line
 * @throws ConfigError with the place and what is wrong
 */
export function parseWritten(text: string, placeOf: (line: number) => string): Written {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const placeAt = (offset: number): string => placeOf(lines.linePos(offset).line)
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${placeAt(error.pos[0])}: ${error.message.replaceAll('\n', ' ')}`),
    )
  }
  const written = (node: Node | null, place: string, path: string): Written => {
    const target = isAlias(node) ? (node.resolve(document) ?? null) : node
    const below = (key: string | number): string => (path === '' ? `${key}` : `${path}.${key}`)
    const fields = (): readonly WrittenField[] | null =>
      isMap<Node, Node | null>(target)
        ? target.items.map(({ key: name, value }) => {
            const key = isScalar(name) ? String(name.value) : name.toString()
            return { key, written: written(value, name.range ? placeAt(name.range[0]) : place, below(key)) }
          })
        : null
    const items = (): readonly Written[] | null =>
      isSeq<Node>(target)
        ? target.items.map((item, index) => written(item, item.range ? placeAt(item.range[0]) : place, below(index)))
        : null
    return { value: target?.toJS(document) ?? null, place, path, fields, items }
  }
  return written(document.contents, placeOf(1), '')
}

/** Why the system did not let a file be read, in words. */
export function readingFailure(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file'
    case 'EISDIR':
      return 'it is a folder'
    case 'EACCES':
      return 'permission denied'
    default:
      return (cause as Error).message.replace(/, .*$/s, '') // the rest repeats the path
  }
}
