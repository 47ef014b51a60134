import { HeadendError } from '../../contract/errors.ts'
import type { CacheMark, ContentBlock } from '../../contract/request.ts'
import type { ChatCacheControl, ChatContent, ChatPart } from '../../wire/openai.ts'
import type { UpstreamQuirks } from './settings.ts'

type TextBlock = ContentBlock & { readonly kind: 'text' }
type ImageBlock = ContentBlock & { readonly kind: 'image' }
export type ShownBlock = TextBlock | ImageBlock

/** Images as they are met: what they weigh in JSON says nothing of their tokens. */
export interface ImageTally {
  count: number
  /** Of their base64 or URLs. */
  characters: number
}

/** One string, or parts where a cache mark needs a place. */
export function encodeText(
  blocks: readonly { readonly text: string; readonly cacheMark: CacheMark }[],
  separator: string,
  quirks: UpstreamQuirks,
): ChatContent {
  const [first] = blocks
  if (first === undefined) return ''
  if (quirks.cacheControl && !quirks.textOnly && blocks.some(({ cacheMark }) => cacheMark !== null)) {
    return blocks.map(({ text, cacheMark }) => ({ type: 'text', text, ...cacheControl(cacheMark, quirks) }))
  }
  return blocks.length === 1 ? first.text : blocks.map(({ text }) => text).join(separator)
}

/**
 * What a user shows: one text is a string, anything more a list of parts in the same order.
 * @throws HeadendError invalid-request: an image, where the model takes none
 */
export function encodeShown(blocks: readonly ShownBlock[], quirks: UpstreamQuirks, images: ImageTally): ChatContent {
  const texts = blocks.filter((block) => block.kind === 'text')
  if (texts.length === blocks.length && (texts.length === 1 || quirks.textOnly))
    return encodeText(texts, '\n\n', quirks)
  return blocks.map((block) => {
    const control = cacheControl(block.cacheMark, quirks)
    if (block.kind === 'text') return { type: 'text', text: block.text, ...control } satisfies ChatPart
    const url = imageUrl(block, quirks)
    images.count++
    images.characters += url.length
    return { type: 'image_url', image_url: { url }, ...control } satisfies ChatPart
  })
}

function imageUrl({ source, path }: ImageBlock, quirks: UpstreamQuirks): string {
  if (!quirks.images || quirks.textOnly) {
    throw new HeadendError('invalid-request', `${path}: this model does not accept images`, { field: path })
  }
  return source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`
}

/** As OpenRouter and LiteLLM take it: https://openrouter.ai/docs/features/prompt-caching */
function cacheControl(mark: CacheMark, quirks: UpstreamQuirks): { readonly cache_control?: ChatCacheControl } {
  if (mark === null || !quirks.cacheControl) return {}
  return { cache_control: mark === 'long' ? { type: 'ephemeral', ttl: '1h' } : { type: 'ephemeral' } }
}
