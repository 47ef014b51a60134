import type { CacheMark, ContentBlock, SystemBlock, Turn } from '../../contract/request.ts'
import type { MessageParam, TextBlockParam } from '../../wire/anthropic.ts'
import { refuseField } from '../schema-error.ts'
import { cacheMark } from './attachments.ts'
import { withoutAttribution } from './attribution.ts'
import { type Role, toContentBlocks } from './content.ts'
import { checkToolPairing } from './tool-pairing.ts'

export interface Conversation {
  readonly system: readonly SystemBlock[]
  readonly turns: readonly Turn[]
}

interface OpenTurn {
  readonly role: Role
  readonly content: ContentBlock[]
}

/**
 * System messages in front of the conversation join the system text; later ones stay where they are, because moving
 * them up would rewrite the head of the prompt with every turn, and void the cached prefix.
 * @throws HeadendError invalid-request
 */
export function toConversation(
  system: string | readonly TextBlockParam[] | undefined,
  messages: readonly MessageParam[],
  lastMark: CacheMark,
): Conversation {
  const head = systemBlocks(system)
  const turns: OpenTurn[] = []
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index] as MessageParam
    const path = `messages.${index}`
    if (isEmpty(message)) {
      if (message.role === 'assistant' && index === messages.length - 1) continue // a prefill of nothing
      throw refuseEmpty(message.role, path)
    }
    const content = toContentBlocks(message, path)
    if (message.role === 'system' && turns.length === 0) appendSystem(head, content)
    else appendTurn(turns, message.role, content)
  }
  if (turns.length === 0) throw refuseField('messages', 'at least one message is required')
  checkToolPairing(messages)
  if (lastMark !== null) markEnd(turns, lastMark)
  return { system: head, turns }
}

function systemBlocks(system: string | readonly TextBlockParam[] | undefined): SystemBlock[] {
  const blocks: SystemBlock[] = []
  if (typeof system === 'string') {
    pushSystem(blocks, system, null)
  } else if (system !== undefined) {
    for (const { text, cache_control } of system) {
      if (text === '') throw refuseField('system', 'text content blocks must be non-empty')
      pushSystem(blocks, text, cacheMark(cache_control))
    }
  }
  return blocks
}

function appendSystem(blocks: SystemBlock[], content: readonly ContentBlock[]): void {
  for (const block of content) {
    if (block.kind === 'text') pushSystem(blocks, block.text, block.cacheMark)
  }
}

function pushSystem(blocks: SystemBlock[], text: string, mark: CacheMark): void {
  const kept = withoutAttribution(text)
  if (kept !== '') blocks.push({ text: kept, cacheMark: mark })
}

function isEmpty({ content }: MessageParam): boolean {
  return content.length === 0
}

function refuseEmpty(role: Role, path: string): Error {
  const sentence =
    role === 'assistant'
      ? 'all messages must have non-empty content except for the optional final assistant message'
      : `${role} messages must have non-empty content`
  return refuseField(path, sentence)
}

/** Consecutive messages of one role are one turn. */
function appendTurn(turns: OpenTurn[], role: Role, content: ContentBlock[]): void {
  const last = turns.at(-1)
  if (last?.role !== role) {
    turns.push({ role, content })
    return
  }
  for (const block of content) last.content.push(block)
}

/** The top-level `cache_control` marks the last block that can carry a mark, unless it has one of its own. */
function markEnd(turns: readonly OpenTurn[], mark: CacheMark): void {
  const content = turns.at(-1)?.content ?? []
  const index = content.findLastIndex((block) => block.kind !== 'thinking')
  const block = content[index]
  if (block !== undefined && block.kind !== 'thinking' && block.cacheMark === null) {
    content[index] = { ...block, cacheMark: mark }
  }
}
