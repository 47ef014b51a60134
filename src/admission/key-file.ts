import { readFileSync } from 'node:fs'
import { StartError } from '../contract/errors.ts'
import { type ApiKey, isHash, parseApiKey } from './api-keys.ts'

export interface KeyFile {
  readonly keys: readonly ApiKey[]
  /** Lines, counted from 1, that hold a key itself: whoever gets a copy of the file gets these keys. */
  readonly plainLines: readonly number[]
}

/** @throws StartError naming the file and the line; never what the line says */
export function readKeyFile(path: string): KeyFile {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new StartError(`--api-key-file: cannot read ${path} (${code}): check the path and its permissions`, { cause })
  }
  return parseKeyFile(path, text)
}

/** One key on each line: its hash or the key itself, then, if it has one, its name. Lines that begin with # are comments. */
export function parseKeyFile(path: string, text: string): KeyFile {
  const keys: ApiKey[] = []
  const plainLines: number[] = []
  for (const [index, line] of text
    .replace(/^\ufeff/, '')
    .split('\n')
    .entries()) {
    const [word = '', ...name] = line.trim().split(/\s+/)
    if (word === '' || word.startsWith('#')) continue
    const key = parseApiKey(word, name.length === 0 ? null : name.join(' '))
    if (key === null) {
      throw new StartError(
        `${path}:${index + 1}: expected sha256: and 64 hexadecimal digits; \`headend key\` writes such a line`,
      )
    }
    keys.push(key)
    if (!isHash(word)) plainLines.push(index + 1)
  }
  if (keys.length === 0) throw new StartError(`${path}: there is no key in it; \`headend key\` makes one`)
  return { keys, plainLines }
}
