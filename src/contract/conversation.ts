import { createHash } from 'node:crypto'
import type { Session } from './backend.ts'
import type { GenerateRequest } from './request.ts'

/** A conversation is known by how it begins: clients send all of it each time, and name none. Side requests of a session begin otherwise. */
export function conversationKey(opening: readonly string[], session: Session): string {
  const hash = createHash('sha1').update(session.named ? session.key : '')
  for (const text of opening) hash.update('\0').update(text)
  return hash.digest('base64')
}

/** Names of the tools, the system text and the text of the first turn. */
export function openingOf({ tools, system, turns }: GenerateRequest): readonly string[] {
  const first = turns[0]?.content ?? []
  return [
    ...tools.map(({ name }) => name),
    ...system.map(({ text }) => text),
    ...first.flatMap((block) => (block.kind === 'text' ? block.text : [])),
  ]
}
