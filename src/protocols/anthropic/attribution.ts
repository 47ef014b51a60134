const attributionHeader = 'x-anthropic-billing-header:'

/**
 * Coding clients put a line with a hash of the request in front of their system text. It would change the head of the
 * prompt with every request, and so void the prefix that the KV cache keeps.
 * @returns the text without that line; '' when nothing is left
 */
export function withoutAttribution(text: string): string {
  if (!text.startsWith(attributionHeader)) return text
  const lineEnd = text.indexOf('\n')
  const rest = lineEnd === -1 ? '' : text.slice(lineEnd + 1)
  return rest.trim() === '' ? '' : rest
}
