import assert from 'node:assert/strict'
import type Anthropic from '@anthropic-ai/sdk'

export type SseEvent = Anthropic.RawMessageStreamEvent | { readonly type: 'ping' } | SseError

export interface SseError {
  readonly type: 'error'
  readonly error: { readonly type: string; readonly message: string }
  readonly request_id: string
}

/** A whole stream as events. */
export function readSseEvents(text: string): readonly SseEvent[] {
  const frames = text.split(frameEnd)
  assert.equal(frames.pop(), '', 'the last frame is whole')
  return frames.map(readFrame)
}

/** The events of a response as they come. To stop reading is to go away. */
export async function* sseEventsOf(response: Response): AsyncGenerator<SseEvent> {
  assert.ok(response.body !== null)
  let text = ''
  for await (const piece of response.body.pipeThrough(new TextDecoderStream())) {
    const frames = (text + piece).split(frameEnd)
    text = frames.pop() ?? ''
    for (const frame of frames) yield readFrame(frame)
  }
  assert.equal(text, '', 'the last frame is whole')
}

const frameEnd = '\n\n'

/** Exactly one event line and one data line that agree. */
function readFrame(frame: string): SseEvent {
  const [, name, data] = /^event: ([a-z_]+)\ndata: ([^\n]*)$/.exec(frame) ?? []
  assert.ok(name !== undefined && data !== undefined, `no frame: ${frame}`)
  const event = JSON.parse(data) as SseEvent
  assert.equal(event.type, name)
  return event
}

/** The grammar of api-surface.md section 8, for a stream that ended well. */
export function assertWholeStream(events: readonly SseEvent[]): void {
  const told = events.filter(({ type }) => type !== 'ping')
  const order = told.map(({ type }) => type).join(' ')
  const block = 'content_block_start (content_block_delta )*content_block_stop '
  assert.match(order, new RegExp(`^message_start (${block})*message_delta message_stop$`))
  let index = -1
  for (const event of told) {
    if (event.type === 'content_block_start') index++
    if ('index' in event) assert.equal(event.index, index, order)
  }
}
