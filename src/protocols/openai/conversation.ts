import type { ContentBlock, SystemBlock, Turn } from '../../contract/request.ts'
import type { AssistantParam, ChatMessageParam } from '../../wire/openai-inbound.ts'
import { refuseField } from '../schema-error.ts'
import { OpenCalls } from './call-pairing.ts'
import { pushText, toBlocks } from './content.ts'
import { toInput } from './tools.ts'

export interface Conversation {
  readonly system: readonly SystemBlock[]
  readonly turns: readonly Turn[]
}

/**
 * System messages in front become the system text; later ones stay where they are, because moving them up would rewrite the head of
 * the prompt with every turn, and void the cached prefix. Messages that say nothing are left out.
 * @throws HeadendError invalid-request
 */
export function toConversation(messages: readonly ChatMessageParam[]): Conversation {
  const reader = new ConversationReader()
  for (const [index, message] of messages.entries()) reader.add(message, index)
  reader.end()
  return reader
}

interface OpenTurn {
  readonly role: Turn['role']
  readonly content: ContentBlock[]
}

class ConversationReader implements Conversation {
  readonly system: SystemBlock[] = []
  readonly turns: OpenTurn[] = []
  readonly #calls = new OpenCalls()

  add(message: ChatMessageParam, index: number): void {
    const path = `messages.${index}`
    switch (message.role) {
      case 'system':
      case 'developer':
        this.#addSystem(toBlocks(message.content, ['text'], `${path}.content`))
        return
      case 'user':
        this.#calls.settle()
        this.#addTurn('user', toBlocks(message.content, ['text', 'image_url'], `${path}.content`))
        return
      case 'assistant':
        this.#calls.settle()
        this.#addTurn('assistant', this.#assistantBlocks(message, index))
        return
      case 'tool':
        this.#addResult(this.#calls.answer(message.tool_call_id, path), message.content, path)
        return
      case 'function':
        this.#addResult(this.#calls.answerNamed(message.name, path), message.content ?? '', path)
        return
      default:
        message satisfies never
    }
  }

  end(): void {
    this.#calls.settle()
    if (this.turns.length === 0) throw refuseField('messages', 'at least one message of a user is required')
  }

  #addSystem(content: readonly ContentBlock[]): void {
    if (this.turns.length > 0) this.#addTurn('system', content)
    else for (const block of content) if (block.kind === 'text') this.system.push({ text: block.text, cacheMark: null })
  }

  #addResult(callId: string, content: ChatMessageParam['content'], path: string): void {
    const blocks = toBlocks(content, ['text', 'image_url'], `${path}.content`)
    this.#addTurn('user', [{ kind: 'tool-result', callId, content: blocks, isError: false, cacheMark: null }])
  }

  #assistantBlocks(message: AssistantParam, index: number): ContentBlock[] {
    const path = `messages.${index}`
    const blocks: ContentBlock[] = []
    const thought = message.reasoning_content ?? message.reasoning ?? ''
    if (thought !== '') blocks.push({ kind: 'thinking', text: thought, signature: '' })
    for (const block of toBlocks(message.content, ['text', 'refusal'], `${path}.content`)) blocks.push(block)
    pushText(blocks, message.refusal ?? '')
    for (const [position, { id, function: called }] of (message.tool_calls ?? []).entries()) {
      const callPath = `${path}.tool_calls.${position}`
      this.#calls.open(id, called.name, callPath)
      blocks.push(toCall(id, called, `${callPath}.function.arguments`))
    }
    const { function_call: called } = message
    if (called != null) {
      const id = `function_${index}` // the older form knows no ids
      this.#calls.open(id, called.name, `${path}.function_call`)
      blocks.push(toCall(id, called, `${path}.function_call.arguments`))
    }
    return blocks
  }

  /** Consecutive messages of one role are one turn. */
  #addTurn(role: Turn['role'], content: readonly ContentBlock[]): void {
    if (content.length === 0) return
    const last = this.turns.at(-1)
    if (last?.role === role) last.content.push(...content)
    else this.turns.push({ role, content: [...content] })
  }
}

function toCall(
  id: string,
  { name, arguments: json }: { readonly name: string; readonly arguments: string },
  path: string,
): ContentBlock {
  return { kind: 'tool-call', id, name, input: toInput(json, path), cacheMark: null }
}
