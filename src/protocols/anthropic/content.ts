import type { ContentBlock } from '../../contract/request.ts'
import type { ContentBlockParam, HostedBlockParam, MessageParam, ToolResultBlockParam } from '../../wire/anthropic.ts'
import { refuseDeep } from '../json-depth.ts'
import { refuseField } from '../schema-error.ts'
import { appendAttachment, cacheMark, lastMark, textBlock } from './attachments.ts'
import { hostedBlockText } from './hosted-blocks.ts'

export type Role = MessageParam['role']

/** Where each block may stand; the first role is the one that a refusal names. */
const rolesByBlock: ReadonlyMap<string, readonly Role[]> = new Map(
  Object.entries({
    text: ['user', 'assistant', 'system'],
    image: ['user'],
    document: ['user', 'assistant'],
    search_result: ['user'],
    tool_use: ['assistant'],
    tool_result: ['user'],
    thinking: ['assistant'],
    redacted_thinking: ['assistant'],
  } satisfies Record<ContentBlockParam['type'], readonly Role[]>),
)

/**
 * The blocks of one message, in order.
 * @param path of the message, such as `messages.3`
 * @throws HeadendError invalid-request
 */
export function toContentBlocks({ role, content }: MessageParam, path: string): ContentBlock[] {
  if (typeof content === 'string') return content === '' ? [] : [textBlock(content, null)]
  const blocks: ContentBlock[] = []
  for (let index = 0; index < content.length; index++) {
    const block = content[index] as ContentBlockParam | HostedBlockParam
    const roles = rolesByBlock.get(block.type) // hosted blocks are history, wherever they stand
    if (roles !== undefined && !roles.includes(role)) throw refuseRole(block.type, roles[0] as Role, path)
    appendBlock(blocks, block, `${path}.content.${index}`)
  }
  return blocks
}

function refuseRole(type: string, role: Role, path: string): Error {
  return refuseField(path, `\`${type}\` blocks can only be in \`${role}\` messages`)
}

function appendBlock(blocks: ContentBlock[], block: ContentBlockParam | HostedBlockParam, path: string): void {
  switch (block.type) {
    case 'text':
      if (block.text === '') throw refuseField('messages', 'text content blocks must be non-empty')
      blocks.push(textBlock(block.text, cacheMark(block.cache_control)))
      return
    case 'tool_use':
      refuseDeep(block.input, `${path}.tool_use.input`)
      blocks.push({
        kind: 'tool-call',
        id: block.id,
        name: block.name,
        input: block.input,
        cacheMark: cacheMark(block.cache_control),
      })
      return
    case 'tool_result':
      blocks.push(toolResult(block, path))
      return
    case 'thinking':
      blocks.push({ kind: 'thinking', text: block.thinking, signature: block.signature })
      return
    case 'redacted_thinking':
      return // encrypted for the hosted service: no other model can read it
    case 'image':
    case 'document':
    case 'search_result':
      appendAttachment(blocks, block, path)
      return
    default:
      appendHosted(blocks, block, path)
  }
}

function toolResult(block: ToolResultBlockParam, path: string): ContentBlock {
  const content: ContentBlock[] = []
  const parts = typeof block.content === 'object' ? block.content : []
  if (typeof block.content === 'string' && block.content !== '') content.push(textBlock(block.content, null))
  for (const [index, part] of parts.entries()) appendAttachment(content, part, `${path}.tool_result.content.${index}`)
  return {
    kind: 'tool-result',
    callId: block.tool_use_id,
    content,
    isError: block.is_error === true,
    cacheMark: cacheMark(block.cache_control) ?? lastMark(parts),
  }
}

function appendHosted(blocks: ContentBlock[], block: HostedBlockParam, path: string): void {
  refuseDeep(block, path)
  const text = hostedBlockText(block)
  if (text !== '') blocks.push(textBlock(text, null))
}
