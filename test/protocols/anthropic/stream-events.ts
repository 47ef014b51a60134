import type { FinishReason, StreamEvent, Usage } from '../../../src/contract/events.ts'

export const usage: Usage = {
  inputTokens: 12,
  cachedTokens: 340,
  outputTokens: 57,
  cacheWriteTokens: { short: 0, long: 0 },
  thinkingTokens: null,
}

export function start(counts: Usage | null = usage): StreamEvent {
  return { type: 'start', usage: counts }
}

export function finish(
  reason: FinishReason,
  more: Partial<Extract<StreamEvent, { type: 'finish' }>> = {},
): StreamEvent {
  return { type: 'finish', reason, stopSequence: null, explanation: null, usage, ...more }
}

/** The events of one text block. */
export function textBlock(index: number, ...pieces: readonly string[]): StreamEvent[] {
  return [
    { type: 'block-start', index, block: { kind: 'text' } },
    ...pieces.map((text): StreamEvent => ({ type: 'block-delta', index, text })),
    { type: 'block-end', index },
  ]
}

export function thinkingBlock(index: number, ...pieces: readonly string[]): StreamEvent[] {
  return [{ type: 'block-start', index, block: { kind: 'thinking' } }, ...textBlock(index, ...pieces).slice(1)]
}

export function callBlock(index: number, id: string, name: string, ...pieces: readonly string[]): StreamEvent[] {
  return [
    { type: 'block-start', index, block: { kind: 'tool-call', id, name } },
    ...textBlock(index, ...pieces).slice(1),
  ]
}
