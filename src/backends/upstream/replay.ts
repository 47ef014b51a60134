import { HeadendError, toHeadendError } from '../../contract/errors.ts'
import type { StreamEvent } from '../../contract/events.ts'
import { decodeAnswer } from './answer-decoder.ts'
import { decodeAnthropicAnswer } from './anthropic-answer.ts'
import { AnthropicDecoder } from './anthropic-decoder.ts'
import { ChunkDecoder } from './chunk-decoder.ts'
import type { EventDecoder } from './read-stream.ts'
import type { Recording } from './recorder.ts'
import { SseParser } from './sse-parser.ts'

/** What a recorded answer was decoded into, line by line: the time of the piece that brought it, and the event. */
export function* replay(recording: Recording): Generator<string> {
  const { head, pieces, failure } = recording
  yield `${head.target}, status ${head.status}, ${head.contentType ?? 'no content type'}, ${head.requestId}`
  const events: StreamEvent[] = []
  const decode = decoderOf(recording, (event) => events.push(event))
  try {
    for (const { atMs, bytes } of pieces) {
      decode.push(bytes)
      yield* shown(events, atMs)
    }
    decode.end()
  } catch (cause) {
    yield* shown(events, pieces.at(-1)?.atMs ?? 0)
    if (!(cause instanceof HeadendError)) throw cause
    yield `fails now with ${describe(toHeadendError(cause))}`
  }
  yield* shown(events, pieces.at(-1)?.atMs ?? 0)
  if (failure !== null) yield `failed then with ${describe(failure)}`
}

interface Decode {
  push(bytes: Uint8Array): void
  end(): void
}

function decoderOf({ head }: Recording, emit: (event: StreamEvent) => void): Decode {
  const options = head.options
  if (!/^text\/event-stream\b/i.test(head.contentType ?? '')) return wholeDecoder(head, emit)
  const decoder: EventDecoder =
    options === null
      ? new AnthropicDecoder(emit, { promptTokens: 0, discardsThinking: false })
      : new ChunkDecoder(emit, options)
  const parser = new SseParser((event, data) => {
    if (!decoder.done) decoder.push(event, data)
  })
  return {
    push: (bytes) => parser.push(bytes),
    end() {
      parser.end()
      if (!decoder.done) decoder.end()
    },
  }
}

function wholeDecoder({ options }: Recording['head'], emit: (event: StreamEvent) => void): Decode {
  const parts: Uint8Array[] = []
  return {
    push: (bytes) => void parts.push(bytes),
    end() {
      const body = Buffer.concat(parts)
      if (options === null) decodeAnthropicAnswer(body, emit, { promptTokens: 0, discardsThinking: false })
      else decodeAnswer(body, emit, options)
    },
  }
}

function* shown(events: StreamEvent[], atMs: number): Generator<string> {
  for (const event of events.splice(0)) yield `${atMs.toFixed(0).padStart(8)} ms  ${JSON.stringify(event)}`
}

function describe({ kind, message }: { readonly kind: string; readonly message: string }): string {
  return `${kind}: ${message}`
}
