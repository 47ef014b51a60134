import type { Usage } from '../contract/events.ts'

/** Clients read counts unguarded, so what a backend does not know is 0 rather than absent. */
export const unknownUsage: Usage = {
  inputTokens: 0,
  cachedTokens: 0,
  outputTokens: 0,
  cacheWriteTokens: { short: 0, long: 0 },
  thinkingTokens: null,
}
