import assert from 'node:assert/strict'
import type { ChatErrorBody, Chunk, ChunkDelta } from '../../src/wire/openai-reply.ts'

/** Also the pieces of text, which are framed by hand. */
export type ReadDelta = Omit<ChunkDelta, 'tool_calls'> & {
  readonly reasoning_content?: string
  readonly tool_calls?: readonly ReadCall[]
}

export interface ReadCall {
  readonly index: number
  readonly id?: string
  readonly type?: 'function'
  readonly function: { readonly name?: string; readonly arguments?: string }
}

/** A stream of chunks, read frame by frame. */
export interface ReadChunks {
  readonly chunks: readonly Chunk[]
  readonly deltas: readonly ReadDelta[]
  readonly comments: number
  readonly isDone: boolean
  readonly error: ChatErrorBody['error'] | null
}

export function readChunks(text: string): ReadChunks {
  const frames = text.split('\n\n')
  assert.equal(frames.pop(), '', 'the last frame is whole')
  const comments = frames.filter((frame) => frame.startsWith(':')).length
  const data = frames.filter((frame) => !frame.startsWith(':')).map(dataOf)
  const isDone = data.at(-1) === '[DONE]'
  const values = (isDone ? data.slice(0, -1) : data).map((json) => JSON.parse(json))
  const error = 'error' in (values.at(-1) ?? {}) ? values.pop().error : null
  const chunks = values as Chunk[]
  return { chunks, deltas: chunks.flatMap(({ choices }) => choices.map(({ delta }) => delta)), comments, isDone, error }
}

function dataOf(frame: string): string {
  const data = /^data: ([^\n]*)$/.exec(frame)?.[1]
  assert.ok(data !== undefined, `no frame: ${frame}`)
  return data
}

export interface ReadAnswer {
  readonly text: string
  readonly thought: string
  readonly calls: readonly { readonly id: string; readonly name: string; readonly input: unknown }[]
  readonly finishReason: string | null
}

/** What the chunks add up to, and that they keep the rules of api-surface.md 15.3. */
export function assembleChunks({ chunks, deltas, isDone }: ReadChunks): ReadAnswer {
  assert.ok(isDone, 'a stream that ended well says so')
  assert.deepEqual(deltas[0], { role: 'assistant', content: '' })
  const [first] = chunks
  for (const { id, object, created, model } of chunks) {
    assert.deepEqual([id, object, created, model], [first?.id, 'chat.completion.chunk', first?.created, first?.model])
  }
  const reasons = chunks.flatMap(({ choices }) => choices.map(({ finish_reason }) => finish_reason))
  assert.equal(reasons.filter((reason) => reason !== null).length, 1)
  assert.deepEqual(deltas[reasons.findIndex((reason) => reason !== null)], {}, 'the last chunk has no content')
  assert.notEqual(reasons.at(-1), null)
  return {
    text: deltas.map(({ content = '' }) => content).join(''),
    thought: deltas.map(({ reasoning_content: thought = '' }) => thought).join(''),
    calls: assembleCalls(deltas.flatMap(({ tool_calls: calls = [] }) => calls)),
    finishReason: reasons.at(-1) ?? null,
  }
}

function assembleCalls(pieces: readonly ReadCall[]): ReadAnswer['calls'] {
  const calls: { id: string; name: string; json: string }[] = []
  for (const { index, id, type, function: called } of pieces) {
    if (index === calls.length) {
      assert.ok(
        id !== undefined && type === 'function' && called.name !== undefined,
        'a call begins with all its names',
      )
      calls.push({ id, name: called.name, json: '' })
    } else {
      assert.equal(index, calls.length - 1, 'calls come one after the other')
      assert.deepEqual([id, type, called.name], [undefined, undefined, undefined])
    }
    const last = calls.at(-1)
    if (last !== undefined) last.json += called.arguments ?? ''
  }
  return calls.map(({ id, name, json }) => ({ id, name, input: JSON.parse(json) }))
}
