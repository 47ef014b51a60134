import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** The version in package.json, which lies one folder above `src/` and two above `dist/src/`. */
export const version: string = readVersion(import.meta.dirname)

function readVersion(folder: string): string {
  const file = join(folder, 'package.json')
  if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
  return readVersion(dirname(folder))
}
