import type { ContentBlock, ImageSource } from '../../contract/request.ts'
import { type ContentParam, chatPartSchemas, type KnownPartParam, type PartParam } from '../../wire/openai-inbound.ts'
import { excerpt, refuseField } from '../schema-error.ts'

/**
 * The blocks of one message, in order; empty texts are none.
 * @param takes types of parts that may stand in a message of this role
 * @param path of the content, such as `messages.3.content`
 * @throws HeadendError invalid-request: parts that no model here takes
 */
export function toBlocks(
  content: ContentParam | null | undefined,
  takes: readonly KnownPartParam['type'][],
  path: string,
): ContentBlock[] {
  const blocks: ContentBlock[] = []
  if (content == null) return blocks
  if (typeof content === 'string') {
    pushText(blocks, content)
    return blocks
  }
  for (const [index, part] of content.entries()) {
    const here = `${path}.${index}`
    if (!isKnown(part)) throw refuseUnknown(part.type, here)
    if (!takes.includes(part.type)) throw refuseField(here, `a part of type '${part.type}' cannot stand here`)
    pushPart(blocks, part, here)
  }
  return blocks
}

export function pushText(blocks: ContentBlock[], text: string): void {
  if (text !== '') blocks.push({ kind: 'text', text, cacheMark: null })
}

function isKnown(part: PartParam): part is KnownPartParam {
  return Object.hasOwn(chatPartSchemas, part.type)
}

function refuseUnknown(type: string, path: string): Error {
  return refuseField(path, `parts of type '${excerpt(type)}' are not supported by this server; send text or images`)
}

function pushPart(blocks: ContentBlock[], part: KnownPartParam, path: string): void {
  switch (part.type) {
    case 'text':
      pushText(blocks, part.text)
      return
    case 'refusal':
      pushText(blocks, part.refusal)
      return
    case 'image_url':
      blocks.push({ kind: 'image', source: toSource(part.image_url.url, path), path, cacheMark: null })
      return
    default:
      part satisfies never
  }
}

/** https://platform.openai.com/docs/guides/images: `data:image/png;base64,...` or an address. */
function toSource(url: string, path: string): ImageSource {
  if (/^https?:\/\//i.test(url)) return { kind: 'url', url }
  const comma = url.indexOf(',')
  const mediaType = /^data:(image\/[\w.+-]+)(?:;[^,]*)?;base64$/i.exec(url.slice(0, comma))?.[1]
  if (mediaType !== undefined && comma < url.length - 1) {
    return { kind: 'base64', mediaType: mediaType.toLowerCase(), data: url.slice(comma + 1) }
  }
  throw refuseField(`${path}.image_url.url`, 'Input should be an http(s) URL, or data:image/TYPE;base64, and the image')
}
