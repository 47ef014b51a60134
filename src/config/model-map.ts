import { readFileSync } from 'node:fs'
import { ConfigError } from './config-error.ts'
import { parseWritten, readingFailure, type Written } from './config-file.ts'

/**
 * A list of model entries outside the config file.
 * @param given the path of a JSON (or YAML) file, or the JSON itself, which begins with `[`
 * @param label what messages call the option
 * @throws ConfigError
 */
export function parseModelMap(given: string, label: string): Written {
  if (given.startsWith('[')) return parseWritten(given, () => label)
  try {
    return parseWritten(readFileSync(given, 'utf8'), (line) => `${given}:${line}`)
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause
    throw new ConfigError([`${label}: cannot read ${given}: ${readingFailure(cause)}`])
  }
}
