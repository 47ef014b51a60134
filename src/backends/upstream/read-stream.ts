import { HeadendError } from '../../contract/errors.ts'
import type { EventSink } from '../../contract/events.ts'
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
  readonly response: UpstreamResponse
  readonly decoder: EventDecoder
  readonly sink: EventSink
  readonly recording: StreamRecording | null
  /** Whether this event is the last one that the upstream sends. */
  isLast(event: string, data: string): boolean
  /** More is an upstream that never ends. */
  readonly bytesMax: number
}

/**
 * Passes an event stream through a decoder, which writes to the sink; a slow reader pauses the upstream's socket. Resolves as soon
 * as the answer is complete. What the decoder throws ends the upstream's request.
 */
export async function readStream(reading: StreamReading): Promise<void> {
  const { response, decoder, sink, recording } = reading
  let hasEnded = false
  let bytesLeft = reading.bytesMax
  const parser = new SseParser((event, data) => {
    hasEnded ||= reading.isLast(event, data)
    if (!decoder.done) decoder.push(event, data)
  })
  const onBytes = (bytes: Uint8Array): Promise<void> | null => {
    recording?.bytes(bytes)
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
  parser.end()
  if (!decoder.done) decoder.end()
}
