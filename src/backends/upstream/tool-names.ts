import { createHash } from 'node:crypto'

/** https://platform.openai.com/docs/api-reference/chat/create: other servers take longer names, but none shorter ones. */
const charactersMax = 64
const hashCharacters = 12

/**
 * The name under which an upstream knows a tool: clients may use 128 characters. The same name becomes the same one in every
 * request, so that earlier calls still fit, and its beginning stays, as models go by it.
 */
export function upstreamToolName(name: string): string {
  if (name.length <= charactersMax) return name
  const hash = createHash('sha256').update(name).digest('hex').slice(0, hashCharacters)
  return `${name.slice(0, charactersMax - hashCharacters - 1)}_${hash}`
}
