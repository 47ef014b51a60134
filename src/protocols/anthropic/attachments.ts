import type { CacheMark, ContentBlock } from '../../contract/request.ts'
import type {
  CacheControl,
  DocumentBlockParam,
  ImageBlockParam,
  ResultContentParam,
  SearchResultBlockParam,
} from '../../wire/anthropic.ts'
import { refuseField } from '../schema-error.ts'

export function cacheMark(control: CacheControl | null | undefined): CacheMark {
  if (control == null) return null
  return control.ttl === '1h' ? 'long' : 'short'
}

/** What stands inside another block is rendered with it, as one text: the last mark inside is the mark of the whole. */
export function lastMark(parts: readonly ResultContentParam[]): CacheMark {
  return cacheMark(parts.findLast(({ cache_control }) => cache_control != null)?.cache_control)
}

export function textBlock(text: string, mark: CacheMark): ContentBlock {
  return { kind: 'text', text, cacheMark: mark }
}

/**
 * What users and tools attach: everything that can be read becomes text. An empty text from a tool is no text.
 * @param path of the block, such as `messages.3.content.0`
 * @throws HeadendError invalid-request: a file, or a document that is not text
 */
export function appendAttachment(blocks: ContentBlock[], block: ResultContentParam, path: string): void {
  switch (block.type) {
    case 'text':
      if (block.text !== '') blocks.push(textBlock(block.text, cacheMark(block.cache_control)))
      return
    case 'image':
      blocks.push(imageBlock(block, path))
      return
    case 'document':
      appendDocument(blocks, block, path)
      return
    case 'search_result':
      blocks.push(textBlock(searchResultText(block), cacheMark(block.cache_control) ?? lastMark(block.content)))
      return
    case 'tool_reference':
      blocks.push(textBlock(`Tool available: ${block.tool_name}`, cacheMark(block.cache_control)))
      return
    default:
      block satisfies never
  }
}

function imageBlock({ source, cache_control }: ImageBlockParam, path: string): ContentBlock {
  const mark = cacheMark(cache_control)
  switch (source.type) {
    case 'base64': {
      const { media_type: mediaType, data } = source
      return { kind: 'image', source: { kind: 'base64', mediaType, data }, path, cacheMark: mark }
    }
    case 'url':
      return { kind: 'image', source: { kind: 'url', url: source.url }, path, cacheMark: mark }
    case 'file': // no model of this server can see what was uploaded to the hosted service
      throw refuseField(path, 'this model does not accept images by file_id; send the image itself')
    default:
      return source satisfies never
  }
}

/** A document's images stand behind its text, because text blocks cannot hold them. */
function appendDocument(blocks: ContentBlock[], block: DocumentBlockParam, path: string): void {
  const { source } = block
  const mark = cacheMark(block.cache_control)
  switch (source.type) {
    case 'text':
      blocks.push(textBlock(documentText(block, source.data), mark))
      return
    case 'content': {
      const parts = typeof source.content === 'string' ? [] : source.content
      const text = typeof source.content === 'string' ? source.content : joinTexts(parts)
      blocks.push(textBlock(documentText(block, text), mark ?? lastMark(parts)))
      for (const [index, part] of parts.entries()) {
        if (part.type === 'image') blocks.push(imageBlock(part, `${path}.document.source.content.content.${index}`))
      }
      return
    }
    case 'base64':
    case 'url':
    case 'file': {
      const remedy = "extract the text and send it in a source of type 'text'"
      throw refuseField(
        `${path}.document.source`,
        `'${source.type}' documents are not supported by this server; ${remedy}`,
      )
    }
    default:
      source satisfies never
  }
}

function documentText({ title, context }: DocumentBlockParam, text: string): string {
  return `<document${attribute('title', title)}${attribute('context', context)}>${text}</document>`
}

function searchResultText({ title, source, content }: SearchResultBlockParam): string {
  const attributes = `${attribute('title', title)}${attribute('source', source)}`
  return `<search_result${attributes}>${joinTexts(content)}</search_result>`
}

function attribute(name: string, value: string | null | undefined): string {
  return value == null || value === '' ? '' : ` ${name}="${value.replaceAll('"', '&quot;')}"`
}

function joinTexts(parts: readonly ResultContentParam[]): string {
  return parts.flatMap((part) => (part.type === 'text' ? part.text : [])).join('\n')
}
