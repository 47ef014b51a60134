import { createHash } from 'node:crypto'
import type { Session } from './backend.ts'
import type { GenerateRequest } from './request.ts'

/** A conversation is known by how it begins: clients send all of it each time, and name none. Side requests of a session begin otherwise. */
export function conversationKey(request: GenerateRequest, session: Session): string {
  const hash = createHash('sha1').update(session.named ? session.key : '')
  for (const { name } of request.tools) hash.update('\0').update(name)
  for (const { text } of request.system) hash.update('\0').update(text)
  for (const block of request.turns[0]?.content ?? []) if (block.kind === 'text') hash.update('\0').update(block.text)
  return hash.digest('base64')
}
