import type { MessageParam, ToolResultBlockParam, ToolUseBlockParam } from '../../wire/anthropic.ts'
import { excerpt, refuseField } from '../schema-error.ts'

/** The calls of one assistant turn and the results that the user turn after it brings. */
interface Round {
  /** Index of the message that made the call, by call id. */
  readonly open: Map<string, number>
  readonly answered: Set<string>
  /** A user message came after the calls: the next assistant message begins a new round. */
  answering: boolean
}

/**
 * Every call is answered in the next user turn, and every result answers a call of the assistant turn before it. System
 * messages between them count for nothing.
 * @throws HeadendError invalid-request
 */
export function checkToolPairing(messages: readonly MessageParam[]): void {
  let round = newRound()
  for (const [index, message] of messages.entries()) {
    if (message.role === 'assistant') {
      if (round.answering) {
        refuseUnanswered(round)
        round = newRound()
      }
      collectCalls(round, message, index)
    } else if (message.role === 'user') {
      round.answering = true
      collectResults(round, message, index)
    }
  }
  refuseUnanswered(round)
}

function newRound(): Round {
  return { open: new Map(), answered: new Set(), answering: false }
}

function collectCalls({ open }: Round, { content }: MessageParam, index: number): void {
  if (typeof content === 'string') return
  for (const [position, block] of content.entries()) {
    if (block.type !== 'tool_use') continue
    const { id } = block as ToolUseBlockParam
    if (open.has(id)) throw refuseField(`messages.${index}.content.${position}`, '`tool_use` ids must be unique')
    open.set(id, index)
  }
}

function collectResults({ open, answered }: Round, { content }: MessageParam, index: number): void {
  if (typeof content === 'string') return
  for (const [position, block] of content.entries()) {
    if (block.type !== 'tool_result') continue
    const { tool_use_id: id } = block as ToolResultBlockParam
    const path = `messages.${index}.content.${position}`
    if (answered.has(id)) throw refuseSecondResult(path, id)
    if (!open.delete(id)) throw refuseUnexpected(path, id)
    answered.add(id)
  }
}

function refuseSecondResult(path: string, id: string): Error {
  const found = `Found multiple \`tool_result\` blocks with id: ${excerpt(id)}`
  return refuseField(path, `each \`tool_use\` must have a single result. ${found}`)
}

function refuseUnexpected(path: string, id: string): Error {
  const rule = 'Each `tool_result` block must have a corresponding `tool_use` block in the previous message.'
  return refuseField(path, `unexpected \`tool_use_id\` found in \`tool_result\` blocks: ${excerpt(id)}. ${rule}`)
}

function refuseUnanswered({ open }: Round): void {
  const first = open.values().next().value
  if (first === undefined) return
  const ids = excerpt([...open.keys()].join(', '))
  const rule = 'Each `tool_use` block must have a corresponding `tool_result` block in the next message.'
  const found = `\`tool_use\` ids were found without \`tool_result\` blocks immediately after: ${ids}`
  throw refuseField(`messages.${first}`, `${found}. ${rule}`)
}
