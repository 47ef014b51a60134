import { readFileSync } from 'node:fs'
import { isMap, isScalar, LineCounter, type Node, parseDocument } from 'yaml'
import { ConfigError } from './config-error.ts'

export interface ConfigFile {
  /** As the user wrote it; error messages begin with it. */
  readonly path: string
  readonly text: string
}

export interface FileEntry {
  readonly key: string
  readonly value: unknown
  /** Counted from 1. */
  readonly line: number
}

/** @throws ConfigError when the file cannot be read */
export function readConfigFile(path: string): ConfigFile {
  try {
    return { path, text: readFileSync(path, 'utf8') }
  } catch (cause) {
    throw new ConfigError([`--config: cannot read ${path}: ${reason(cause)}`])
  }
}

/** YAML, and with it JSON, which is a subset. @throws ConfigError with file, line and what is wrong */
export function parseConfigFile(file: ConfigFile): readonly FileEntry[] {
  const lines = new LineCounter()
  const document = parseDocument(file.text, { lineCounter: lines, prettyErrors: false })
  const lineOf = (offset: number): number => lines.linePos(offset).line
  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => `${file.path}:${lineOf(error.pos[0])}: ${error.message.replaceAll('\n', ' ')}`),
    )
  }
  const root = document.contents
  if (root === null || (isScalar(root) && root.value === null)) return [] // an empty file, or comments only
  if (!isMap<Node, Node | null>(root)) {
    throw new ConfigError([`${file.path}:1: expected options, one per line, such as port: 8080`])
  }
  return root.items.map(({ key, value }) => ({
    key: isScalar(key) ? String(key.value) : key.toString(),
    value: value === null ? null : value.toJS(document),
    line: lineOf(key.range?.[0] ?? 0),
  }))
}

function reason(cause: unknown): string {
  switch ((cause as NodeJS.ErrnoException).code) {
    case 'ENOENT':
      return 'no such file'
    case 'EISDIR':
      return 'it is a folder'
    case 'EACCES':
      return 'permission denied'
    default:
      return (cause as Error).message
  }
}
