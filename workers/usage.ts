import type { Usage } from '../src/contract/events.ts'
import type { PromptMark } from './messages.ts'

/**
 * Splits a prompt by what it cost: read from the cache, evaluated up to the client's last cache mark (by the mark that closes
 * each stretch), and the rest. The three add up to the prompt.
 */
export function countUsage(
  promptTokens: number,
  cachedTokens: number,
  marks: readonly PromptMark[],
  output: { readonly outputTokens: number; readonly thinkingTokens: number },
): Usage {
  const written = { short: 0, long: 0 }
  let counted = cachedTokens
  for (const { position, mark } of marks) {
    if (position <= counted) continue
    written[mark] += position - counted
    counted = position
  }
  return {
    inputTokens: promptTokens - counted,
    cachedTokens,
    cacheWriteTokens: written,
    outputTokens: output.outputTokens,
    thinkingTokens: output.thinkingTokens,
  }
}
