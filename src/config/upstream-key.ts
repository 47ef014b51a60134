// Keys for upstreams: where they are kept, and never a word of what they say.

import { readFileSync } from 'node:fs'
import { readingFailure } from './config-file.ts'
import { parseUpstreamKey } from './option-items.ts'
import { Refusal } from './value-kinds.ts'

/** Other names are not repeated: somebody may have put the key where its name belongs. */
const plainVariable = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/

/** @throws Refusal */
export function keyFromEnvironment(variable: string, env: NodeJS.ProcessEnv): string {
  const key = env[variable]?.trim() ?? ''
  if (key !== '') return parseUpstreamKey(key)
  if (plainVariable.test(variable)) {
    throw new Refusal(`the environment variable ${variable} is not set, or empty: it should hold the key`)
  }
  throw new Refusal('expected the name of an environment variable that is set, such as OPENAI_API_KEY')
}

/** The whole file is the key; white space around it does not count. @throws Refusal */
export function keyFromFile(path: string): string {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    throw new Refusal(`cannot read the file of the key: ${readingFailure(cause)}`)
  }
  const key = text.replace(/^\ufeff/, '').trim()
  if (key === '') throw new Refusal('the file of the key is empty')
  return parseUpstreamKey(key)
}
