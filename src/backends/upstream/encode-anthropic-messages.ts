import { HeadendError } from '../../contract/errors.ts'
import type { CacheMark, ContentBlock, GenerateRequest, ImageSource, Turn } from '../../contract/request.ts'
import type { ContentBlockParam, ImageBlockParam, MessageParam, TextBlockParam } from '../../wire/anthropic.ts'
import type { ImageTally } from './encode-content.ts'
import { foldSystemTurns, moveSystemOutOfCalls } from './fold-system.ts'
import type { UpstreamQuirks } from './settings.ts'

/**
 * Turns to messages: https://docs.anthropic.com/en/api/messages#body-messages
 * @param images counts what it meets
 * @throws HeadendError invalid-request: images or a prefill, where this upstream takes none
 */
export function encodeAnthropicMessages(
  request: GenerateRequest,
  quirks: UpstreamQuirks,
  images: ImageTally,
): readonly MessageParam[] {
  const { inlineSystem, prefill } = quirks
  const turns = inlineSystem === 'fold' ? foldSystemTurns(moveSystemOutOfCalls(request.turns)) : request.turns
  if (prefill === 'refuse' && turns.at(-1)?.role === 'assistant') throw refusePrefill()
  const messages: MessageParam[] = []
  for (const turn of turns) {
    const content = encodeTurn(turn, quirks, images)
    if (content.length > 0) messages.push({ role: turn.role, content }) // empty messages are refused
  }
  return messages
}

export function encodeMark(mark: CacheMark): Pick<TextBlockParam, 'cache_control'> {
  if (mark === null) return {}
  return { cache_control: mark === 'long' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' } }
}

function encodeTurn({ content }: Turn, quirks: UpstreamQuirks, images: ImageTally): MessageParam['content'] {
  const only = content.length === 1 ? content[0] : undefined
  if (only?.kind === 'text' && only.cacheMark === null) return only.text
  const blocks: ContentBlockParam[] = []
  for (const block of content) {
    if (block.kind !== 'thinking') pushShown(blocks, block, quirks, images)
    else if (isWanted(block, quirks)) {
      blocks.push({ type: 'thinking', thinking: block.text, signature: block.signature })
    }
  }
  return blocks
}

/** headend's own signatures, see `src/protocols/anthropic/signature.ts`. */
const ownSignature = 'hd1.'

/**
 * The hosted API refuses thoughts that it did not sign: those of other protocols, which have no signature, and those that headend had
 * to sign. The quirk says that this upstream wants to see them all the same.
 */
function isWanted({ signature }: ContentBlock & { readonly kind: 'thinking' }, quirks: UpstreamQuirks): boolean {
  return quirks.reasoningHistory !== 'drop' || (signature !== '' && !signature.startsWith(ownSignature))
}

type ShownBlock = Exclude<ContentBlock, { readonly kind: 'thinking' }>

function pushShown(blocks: ContentBlockParam[], block: ShownBlock, quirks: UpstreamQuirks, images: ImageTally): void {
  const mark = encodeMark(block.cacheMark)
  switch (block.kind) {
    case 'text':
    case 'image':
      pushPart(blocks, block, mark, quirks, images)
      return
    case 'tool-call':
      blocks.push({ type: 'tool_use', id: cleanId(block.id), name: block.name, input: block.input, ...mark })
      return
    case 'tool-result': {
      const content: (TextBlockParam | ImageBlockParam)[] = []
      // The mark of the whole stands for those inside: of marks there may be four.
      for (const part of block.content) pushPart(content, part, {}, quirks, images)
      blocks.push({
        type: 'tool_result',
        tool_use_id: cleanId(block.callId),
        ...(content.length > 0 && { content }),
        ...(block.isError && { is_error: true }),
        ...mark,
      })
      return
    }
    default:
      block satisfies never
  }
}

type Mark = ReturnType<typeof encodeMark>

/** Text and images; an empty text is refused. */
function pushPart(
  parts: ContentBlockParam[],
  block: ContentBlock,
  mark: Mark,
  quirks: UpstreamQuirks,
  images: ImageTally,
): void {
  if (block.kind === 'text') {
    if (block.text !== '') parts.push({ type: 'text', text: block.text, ...mark })
  } else if (block.kind === 'image') {
    if (!quirks.images) throw refuseImage(block.path)
    images.count++
    if (block.source.kind === 'base64') images.characters += block.source.data.length
    parts.push({ type: 'image', source: encodeSource(block.source), ...mark })
  }
}

function encodeSource(source: ImageSource): ImageBlockParam['source'] {
  if (source.kind === 'url') return { type: 'url', url: source.url }
  const media_type = source.mediaType as 'image/png' // whichever it is: the upstream says what it takes
  return { type: 'base64', media_type, data: source.data }
}

/** Ids of other protocols may have any character. Both ends of a call change alike. */
function cleanId(id: string): string {
  return id.replaceAll(/[^a-zA-Z0-9_-]/g, '_')
}

function refuseImage(path: string): HeadendError {
  return new HeadendError('invalid-request', `${path}: this model does not accept images`, { field: path })
}

function refusePrefill(): HeadendError {
  const sentence = 'Prefilling assistant messages is not supported for this model.'
  return new HeadendError('invalid-request', `messages: ${sentence} End with a user message.`, { field: 'messages' })
}
