import type { Call } from '../../contract/backend.ts'
import { HeadendError, toHeadendError } from '../../contract/errors.ts'
import type { AnswerOptions } from './answer-options.ts'
import { upstreamRequestId } from './ask.ts'
import type { StreamRecording } from './recorder.ts'
import type { UpstreamResponse } from './response.ts'
import type { TargetParts } from './target-parts.ts'

/**
 * Reads an answer, and keeps its bytes where the configuration asks for that.
 * @param options `null`: it is relayed, or its decoder knows none
 */
export async function recorded(
  { recorder, settings, model }: TargetParts,
  response: UpstreamResponse,
  options: AnswerOptions | null,
  call: Call,
  read: (recording: StreamRecording | null) => Promise<void>,
): Promise<void> {
  const recording = recorder?.open({
    protocol: settings.protocol,
    target: `${settings.name}/${model}`,
    requestId: call.id,
    upstreamRequestId: upstreamRequestId(response, settings),
    status: response.status,
    contentType: response.header('content-type'),
    options,
  })
  try {
    await read(recording == null ? null : withoutKeyIn(recording, settings.key))
    recording?.end(null)
  } catch (cause) {
    const error = withoutKey(toHeadendError(cause), settings.key)
    recording?.end(error)
    throw error
  }
}

/** An error amid an answer may repeat the key, too. */
function withoutKey(error: HeadendError, key: string | null): HeadendError {
  if (key === null || !error.message.includes(key)) return error
  return new HeadendError(error.kind, error.message.replaceAll(key, '[key]'), { headers: error.headers })
}

/** Credentials do not belong into what is attached to reports. */
function withoutKeyIn(recording: StreamRecording, key: string | null): StreamRecording {
  if (key === null) return recording
  return {
    bytes(piece) {
      const text = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
      recording.bytes(text.includes(key) ? Buffer.from(text.toString().replaceAll(key, '[key]')) : piece)
    },
    end: (failure) => recording.end(failure),
  }
}
