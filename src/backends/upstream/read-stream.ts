import { HeadendError } from '../../contract/errors.ts'
import type { EventSink } from '../../contract/events.ts'
import { answerBytesMax } from './ask.ts'
import { Gatherer } from './gather.ts'
import { type Progress, readUntil } from './read-until.ts'
import type { StreamRecording } from './recorder.ts'
import type { UpstreamResponse } from './response.ts'
import { SseParser } from './sse-parser.ts'

export interface EventDecoder {
  push(event: string, data: string): void
  /** The body has ended. @throws HeadendError upstream-failed: too early */
  end(): void
  /** The answer is complete: nothing more is wanted. */
  readonly done: boolean
}

export interface StreamReading {
  /** Of the upstream. */
  readonly name: string
  readonly response: UpstreamResponse
  readonly decoder: EventDecoder
  readonly sink: EventSink
  readonly recording: StreamRecording | null
  /** Whether this event is the last one that the upstream sends. */
  isLast(event: string, data: string): boolean
  /** More is an upstream that never ends. */
  readonly bytesMax: number
  /** For a body that is no stream, whatever its upstream calls it. */
  decodeWhole(body: Uint8Array): void
}

/**
 * Passes an event stream through a decoder, which writes to the sink; a slow reader pauses the upstream's socket. Resolves as soon
 * as the answer is complete. What the decoder throws ends the upstream's request.
 */
export async function readStream(reading: StreamReading): Promise<void> {
  const { response, decoder, sink, recording } = reading
  let hasEnded = false
  let bytesLeft = reading.bytesMax
  let whole: Gatherer | null = null
  let isFirst = true
  const parser = new SseParser((event, data) => {
    hasEnded ||= reading.isLast(event, data)
    if (!decoder.done) decoder.push(event, data)
  })
  const onBytes = (bytes: Uint8Array): Promise<void> | null => {
    recording?.bytes(bytes)
    if (isFirst && isWhole(bytes)) whole = new Gatherer(reading.name, answerBytesMax)
    isFirst = false
    if (whole !== null) {
      whole.add(bytes)
      return null
    }
    bytesLeft -= bytes.length
    if (bytesLeft < 0) throw new HeadendError('upstream-malformed', 'The upstream sends an answer without end')
    parser.push(bytes)
    return sink.congested ? sink.drained() : null
  }
  const progress = (): Progress => {
    if (!decoder.done) return 'reading'
    return hasEnded ? 'ended' : 'enough'
  }
  if (await readUntil(response, onBytes, progress)) return
  if (whole !== null) return reading.decodeWhole((whole as Gatherer).bytes)
  parser.end()
  if (!decoder.done) decoder.end()
}

/** No line of an event stream begins with a brace, as JSON does, or with the bracket of a page; servers are seen to mix up the types. */
function isWhole(firstBytes: Uint8Array): boolean {
  const first = firstBytes.find((byte) => byte > space)
  return first === openBrace || first === openAngle
}

const space = 0x20
const openBrace = 0x7b
const openAngle = 0x3c
