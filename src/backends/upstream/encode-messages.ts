import { HeadendError } from '../../contract/errors.ts'
import type { ContentBlock, GenerateRequest, Turn } from '../../contract/request.ts'
import { defaultThinkPairs, type ThinkPair } from '../../text/think-tags.ts'
import type { ChatAssistantMessage, ChatContent, ChatMessage, ChatToolCall } from '../../wire/openai.ts'
import { encodeShown, encodeText, type ImageTally, type ShownBlock } from './encode-content.ts'
import { foldSystemTurns, moveSystemOutOfCalls } from './fold-system.ts'
import type { UpstreamQuirks } from './settings.ts'
import { upstreamToolName } from './tool-names.ts'

export interface EncodedMessages {
  readonly messages: readonly ChatMessage[]
  readonly images: Readonly<ImageTally>
}

/**
 * Turns to messages (api-surface.md 12.2).
 * @throws HeadendError invalid-request: images or a prefill, where this upstream takes none
 */
export function encodeMessages(request: GenerateRequest, quirks: UpstreamQuirks): EncodedMessages {
  const encoder = new Encoder(quirks)
  if (request.system.length > 0) encoder.addSystem(encodeText(request.system, '\n\n', quirks))
  const unbroken = moveSystemOutOfCalls(request.turns)
  const turns = quirks.inlineSystem === 'fold' ? foldSystemTurns(unbroken) : unbroken
  if (turns.at(-1)?.role === 'assistant' && quirks.prefill === 'refuse') throw refusePrefill()
  const loopStart = quirks.reasoningHistory === 'drop' ? turns.length : lastQuestion(turns)
  for (const [index, turn] of turns.entries()) encoder.addTurn(turn, index > loopStart)
  return encoder
}

function refusePrefill(): HeadendError {
  const sentence = 'Prefilling assistant messages is not supported for this model.'
  return new HeadendError('invalid-request', `messages: ${sentence} End with a user message.`, { field: 'messages' })
}

/** Thoughts are shown again only behind it, while the calls that they led to are still going on (api-surface.md 12.3). */
function lastQuestion(turns: readonly Turn[]): number {
  return turns.findLastIndex(
    ({ role, content }) => role === 'user' && content.some(({ kind }) => kind !== 'tool-result'),
  )
}

type ToolResult = ContentBlock & { readonly kind: 'tool-result' }

class Encoder implements EncodedMessages {
  readonly messages: ChatMessage[] = []
  readonly images: ImageTally = { count: 0, characters: 0 }
  readonly #quirks: UpstreamQuirks

  constructor(quirks: UpstreamQuirks) {
    this.#quirks = quirks
  }

  addSystem(content: ChatContent): void {
    this.messages.push({ role: this.#quirks.systemRole, content })
  }

  addTurn({ role, content }: Turn, isInLoop: boolean): void {
    switch (role) {
      case 'system':
        this.addSystem(encodeText(content.filter(isText), '\n\n', this.#quirks))
        return
      case 'user':
        this.#addUser(content)
        return
      case 'assistant':
        this.messages.push(encodeAssistant(content, isInLoop, this.#quirks))
        return
      default:
        role satisfies never
    }
  }

  /** Results first: they must follow the calls directly. Images cannot ride in them, so they open the user's message. */
  #addUser(content: readonly ContentBlock[]): void {
    const shown: ShownBlock[] = []
    for (const block of content) {
      if (block.kind === 'tool-result') this.#addResult(block, shown)
    }
    for (const block of content) {
      if (block.kind === 'text' || block.kind === 'image') shown.push(block)
    }
    if (shown.length > 0) this.messages.push({ role: 'user', content: encodeShown(shown, this.#quirks, this.images) })
  }

  #addResult({ callId, content, isError, cacheMark }: ToolResult, shown: ShownBlock[]): void {
    const lines: string[] = []
    for (const block of content) {
      if (block.kind === 'text') lines.push(block.text)
      if (block.kind !== 'image') continue
      lines.push('[image below]')
      shown.push(block)
    }
    const joined = lines.length === 1 ? (lines[0] as string) : lines.join('\n')
    const text = isError && !joined.startsWith('Error: ') ? `Error: ${joined}` : joined
    this.messages.push({
      role: 'tool',
      tool_call_id: callId,
      content: text === '' ? '' : encodeText([{ text, cacheMark }], '', this.#quirks),
    })
  }
}

/** A turn of nothing but thoughts stays as an empty message, because roles alternate. */
function encodeAssistant(
  content: readonly ContentBlock[],
  isInLoop: boolean,
  quirks: UpstreamQuirks,
): ChatAssistantMessage {
  const calls: ChatToolCall[] = []
  for (const block of content) {
    if (block.kind === 'tool-call') calls.push(encodeCall(block))
  }
  const text = encodeText(content.filter(isText), '', quirks)
  const thought = isInLoop ? thoughtOf(content) : ''
  const isSilent = text === '' && calls.length > 0 && quirks.emptyContent === 'null'
  const message = { role: 'assistant' as const, content: isSilent ? null : text }
  return {
    ...(thought === '' ? message : showThought(message, thought, quirks)),
    ...(calls.length > 0 && { tool_calls: calls }),
  }
}

function encodeCall({ id, name, input }: ContentBlock & { readonly kind: 'tool-call' }): ChatToolCall {
  return { id, type: 'function', function: { name: upstreamToolName(name), arguments: JSON.stringify(input) } }
}

function thoughtOf(content: readonly ContentBlock[]): string {
  const thoughts = content.flatMap((block) => (block.kind === 'thinking' && block.text !== '' ? block.text : []))
  return thoughts.join('\n\n')
}

function showThought(message: ChatAssistantMessage, thought: string, quirks: UpstreamQuirks): ChatAssistantMessage {
  switch (quirks.reasoningHistory) {
    case 'drop':
      return message
    case 'reasoning_content':
      return { ...message, reasoning_content: thought }
    case 'reasoning':
      return { ...message, reasoning: thought }
    case 'think_tags':
      return { ...message, content: prepend(tagged(thought, quirks), message.content) }
    default:
      return quirks.reasoningHistory satisfies never
  }
}

function tagged(thought: string, { thinkMarkers }: UpstreamQuirks): string {
  const { open, close } = (thinkMarkers ?? defaultThinkPairs)[0] as ThinkPair
  return `${open}\n${thought}\n${close}\n\n`
}

function prepend(text: string, content: ChatContent | null): ChatContent {
  return typeof content === 'object' && content !== null ? [{ type: 'text', text }, ...content] : text + (content ?? '')
}

function isText(block: ContentBlock): block is ContentBlock & { readonly kind: 'text' } {
  return block.kind === 'text'
}
