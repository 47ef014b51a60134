import type { HostedBlockParam } from '../../wire/anthropic.ts'

const hostedTypes = /^(server_tool_use|container_upload|compaction|fallback|mcp_.+|.+_tool_result)$/

/** Blocks that tools of the hosted service leave in a history. */
export function isHostedType(type: string): boolean {
  return hostedTypes.test(type)
}

/**
 * What another model can make of such a block; '' where there is nothing to read (encrypted or binary results).
 * Histories are long lived and their shapes many, so nothing is refused here.
 */
export function hostedBlockText(block: HostedBlockParam): string {
  switch (block.type) {
    case 'server_tool_use':
    case 'mcp_tool_use':
      return `[${stringOf(block.name)} was called with ${JSON.stringify(block.input ?? {})}]`
    case 'compaction':
      return stringOf(block.content)
    case 'container_upload':
    case 'fallback':
      return ''
    default:
      return resultText(block.content)
  }
}

/** Results nest (a fetch holds a document, which holds a source): a few levels are enough for all known shapes. */
function resultText(content: unknown, levels = 4): string {
  if (typeof content === 'string') return content
  if (levels === 0 || typeof content !== 'object' || content === null) return ''
  if (Array.isArray(content)) return joinLines(content.map((part) => resultText(part, levels - 1)))
  const {
    title,
    url,
    text,
    stdout,
    stderr,
    data,
    source,
    content: inner,
  } = content as Readonly<Record<string, unknown>>
  const own = [title, url, text, stdout, stderr, data].map(stringOf)
  return joinLines([...own, resultText(source, levels - 1), resultText(inner, levels - 1)])
}

function joinLines(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join('\n')
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
