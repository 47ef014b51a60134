import type { Call } from '../../contract/backend.ts'
import { toHeadendError } from '../../contract/errors.ts'
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
    await read(recording ?? null)
    recording?.end(null)
  } catch (cause) {
    recording?.end(toHeadendError(cause))
    throw cause
  }
}
