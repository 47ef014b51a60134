import { blockSchemas, type CountRequest, type MessageParam } from '../../wire/anthropic.ts'
import { refuseField, refuseTag } from '../schema-error.ts'
import { isHostedType } from './hosted-blocks.ts'

/** A block of any kind, after the schema: what is looked at here. */
interface Block {
  readonly type: string
  readonly id?: string
  readonly text?: string
  readonly content?: unknown
  readonly citations?: unknown
  readonly cache_control?: unknown
}

const callId = /^[a-zA-Z0-9_-]+$/
const messageTags = Object.keys(blockSchemas).filter((tag) => tag !== 'tool_reference')

/** @param isNewest the client speaks version 2026-10-21, which took some blocks away */
export function checkBlocks(messages: readonly MessageParam[], isNewest: boolean): void {
  for (const [index, { role, content }] of messages.entries()) {
    for (const [position, block] of blocksOf(content).entries()) {
      const path = `messages.${index}.content.${position}`
      if (block.type === 'tool_use' && !callId.test(block.id as string)) {
        throw refuseField(`${path}.tool_use.id`, `String should match pattern '${callId.source}'`)
      }
      if (isHostedBlock(block)) throw refuseTag(path, block.type, messageTags)
      if (!isNewest) continue
      if (block.type === 'document' && role === 'assistant') {
        throw refuseField(`messages.${index}`, '`document` blocks can only be in `user` messages')
      }
      if (block.type === 'text' && role === 'user' && hasItems(block.citations)) {
        throw refuseField(`${path}.text.citations`, 'Extra inputs are not permitted')
      }
    }
  }
}

function isHostedBlock({ type }: Block): boolean {
  return isHostedType(type) && !messageTags.includes(type) // `tool_result` has the form of a hosted name
}

export function refuseTrailingSpace(messages: readonly MessageParam[]): void {
  const last = messages.at(-1)
  if (last?.role !== 'assistant') return
  const text = typeof last.content === 'string' ? last.content : (blocksOf(last.content).at(-1)?.text ?? '')
  if (text !== text.trimEnd()) {
    throw refuseField('messages', 'final assistant content cannot end with trailing whitespace')
  }
}

const marksMax = 4

export function refuseManyMarks({ cache_control, system, tools, messages }: CountRequest): void {
  let marks = cache_control == null ? 0 : 1
  for (const part of [system, tools, ...messages.map(({ content }) => content)]) marks += countMarks(part)
  if (marks <= marksMax) return
  throw refuseField(
    'cache_control',
    `A maximum of ${marksMax} blocks with cache_control may be provided. Found ${marks}.`,
  )
}

/** Also inside tool results and documents. */
function countMarks(part: unknown): number {
  let marks = 0
  for (const block of blocksOf(part)) marks += (block.cache_control == null ? 0 : 1) + countMarks(block.content)
  return marks
}

function blocksOf(content: unknown): readonly Block[] {
  return Array.isArray(content) ? content : []
}

function hasItems(value: unknown): boolean {
  return Array.isArray(value) && value.length > 0
}
