import type { Call } from '../../src/contract/backend.ts'
import type { ContentBlock, GenerateRequest, Turn } from '../../src/contract/request.ts'

/** A request as a protocol would have parsed it: greedy, without tools, of one user turn unless `overrides` say otherwise. */
export function requestOf(text: string, overrides: Partial<GenerateRequest> = {}): GenerateRequest {
  return {
    model: 'headend-tiny',
    system: [],
    turns: [user(text)],
    tools: [],
    toolChoice: { kind: 'auto', parallel: true },
    thinking: { kind: 'off' },
    effort: null,
    outputSchema: null,
    maxTokens: 200,
    outputMustFit: false,
    sampling: { temperature: 0, topP: null, topK: null, minP: null, seed: null, penalties: null, logitBias: null },
    stopSequences: [],
    stream: true,
    userId: null,
    ...overrides,
  }
}

export function user(...texts: readonly string[]): Turn {
  return { role: 'user', content: texts.map(textBlock) }
}

export function assistant(...texts: readonly string[]): Turn {
  return { role: 'assistant', content: texts.map(textBlock) }
}

export function system(...texts: readonly string[]): Turn {
  return { role: 'system', content: texts.map(textBlock) }
}

export function textBlock(text: string): ContentBlock {
  return { kind: 'text', text, cacheMark: null }
}

let calls = 0

export function callOf(signal: AbortSignal = new AbortController().signal, session = 'crowd', named = false): Call {
  calls++
  const client = { header: () => null, headerNames: () => [], addHeader: () => {} }
  return { id: `req_${calls}`, session: { key: session, named }, signal, client }
}
