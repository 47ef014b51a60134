import assert from 'node:assert/strict'
import { decodeAnswer } from '../../../src/backends/upstream/answer-decoder.ts'
import type { AnswerOptions } from '../../../src/backends/upstream/answer-options.ts'
import { ChunkDecoder } from '../../../src/backends/upstream/chunk-decoder.ts'
import type { FinishReason, StreamEvent, Usage } from '../../../src/contract/events.ts'

export function answerOptions(some: Partial<AnswerOptions> = {}): AnswerOptions {
  return {
    stopSequences: [],
    stopsReported: false,
    parallelCalls: true,
    toolNames: new Map(),
    discardsThinking: false,
    thinkTags: { mode: 'auto' },
    promptTokens: 100,
    ...some,
  }
}

/** An answer as its reader sees it. Blocks are short: `text: Hello`, `thinking: Hm`, `call f: {"a":1}`. */
export interface Seen {
  readonly blocks: readonly string[]
  readonly ids: readonly string[]
  readonly reason: FinishReason
  readonly stopSequence: string | null
  readonly explanation: string | null
  readonly startUsage: Usage | null
  readonly usage: Usage | null
}

/** Checks the grammar of the events on the way. */
export function see(events: readonly StreamEvent[]): Seen {
  assertLegal(events)
  const [start, finish] = [events[0], events.at(-1)]
  assert.ok(start?.type === 'start' && finish?.type === 'finish')
  const blocks: string[] = []
  const ids: string[] = []
  for (const event of events) {
    if (event.type === 'block-start') {
      blocks.push(event.block.kind === 'tool-call' ? `call ${event.block.name}: ` : `${event.block.kind}: `)
      if (event.block.kind === 'tool-call') ids.push(event.block.id)
    } else if (event.type === 'block-delta') blocks[event.index] += event.text
  }
  const { reason, stopSequence, explanation, usage } = finish
  return { blocks, ids, reason, stopSequence, explanation, usage, startUsage: start.usage }
}

/** start (block-start block-delta* block-end)* finish, or a beginning of it; no block of prose is empty. */
export function assertLegal(events: readonly StreamEvent[]): void {
  const letters = { start: 's', 'block-start': '(', 'block-delta': '.', 'block-end': ')', finish: 'f' } as const
  const order = events.map(({ type }) => letters[type]).join('')
  assert.match(order, /^(s(\(\.*\))*(\(\.*|f)?)?$/)
  let index = -1
  for (const [at, event] of events.entries()) {
    if (event.type === 'block-start') {
      index++
      const isProse = event.block.kind !== 'tool-call'
      if (isProse && at + 1 < events.length) assert.equal(events[at + 1]?.type, 'block-delta', order)
    }
    if ('index' in event) assert.equal(event.index, index, order)
    if (event.type === 'block-delta') assert.notEqual(event.text, '')
  }
}

/** Strings are sent as they are, everything else as JSON. */
export function push(decoder: ChunkDecoder, chunks: readonly unknown[]): void {
  for (const chunk of chunks) decoder.push('', typeof chunk === 'string' ? chunk : JSON.stringify(chunk))
}

/** The events of a stream that ends with `[DONE]`. */
export function decode(chunks: readonly unknown[], some: Partial<AnswerOptions> = {}): StreamEvent[] {
  const events: StreamEvent[] = []
  const decoder = new ChunkDecoder((event) => events.push(event), answerOptions(some))
  push(decoder, chunks)
  decoder.push('', '[DONE]')
  decoder.end()
  return events
}

export function decodeWhole(answer: unknown, some: Partial<AnswerOptions> = {}): StreamEvent[] {
  const events: StreamEvent[] = []
  const text = typeof answer === 'string' ? answer : JSON.stringify(answer)
  decodeAnswer(Buffer.from(text), (event) => events.push(event), answerOptions(some))
  return events
}

const head = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_700_000_000, model: 'm' } as const

/** A chunk with one choice. */
export function chunk(delta: unknown, finish: unknown = null, more: object = {}): object {
  return { ...head, choices: [{ index: 0, delta, finish_reason: finish }], ...more }
}

export function content(text: unknown, finish: unknown = null): object {
  return chunk({ content: text }, finish)
}

export function reasoning(text: string): object {
  return chunk({ reasoning_content: text })
}

/** A chunk with pieces of calls. */
export function calls(...pieces: readonly object[]): object {
  return chunk({ tool_calls: pieces })
}

/** The piece of a call; what is left out is not sent. */
export function piece(index?: number | null, id?: unknown, name?: unknown, input?: unknown): object {
  return { index: index ?? undefined, id, type: 'function', function: { name, arguments: input } }
}

export function finished(reason: string): object {
  return chunk({}, reason)
}
