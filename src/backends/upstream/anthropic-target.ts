import { isDeepStrictEqual } from 'node:util'
import type { Backend, Call, Prepared } from '../../contract/backend.ts'
import type { EventSink, StreamEvent } from '../../contract/events.ts'
import type { GenerateRequest } from '../../contract/request.ts'
import { decodeAnthropicAnswer } from './anthropic-answer.ts'
import { AnthropicDecoder } from './anthropic-decoder.ts'
import { answerBytesMax, ask, isJson, isSuccess, readRefusal } from './ask.ts'
import { encodeAnthropicRequest } from './encode-anthropic.ts'
import { withoutAnswer } from './prompt-only.ts'
import { readStream } from './read-stream.ts'
import { recorded } from './recorded.ts'
import type { StreamRecording } from './recorder.ts'
import { createRelay } from './relay.ts'
import { requestHeaders } from './relay-headers.ts'
import type { UpstreamResponse } from './response.ts'
import { defaultQuirks, type UpstreamQuirks } from './settings.ts'
import type { TargetParts } from './target-parts.ts'
import { upstreamTarget } from './upstream-target.ts'

interface AnthropicPrepared extends Prepared {
  readonly request: GenerateRequest
  readonly body: string
}

/**
 * A model behind the Messages API. Clients of that API get its bytes; others, and requests that headend changed, are translated.
 * https://docs.anthropic.com/en/api/messages
 */
export function createAnthropicTarget(parts: TargetParts): Backend {
  const { quirks } = parts

  async function generate({ request, body, promptTokens }: AnthropicPrepared, sink: EventSink, call: Call) {
    const headers = requestHeaders(call.client)
    const streams = request.stream && quirks.streaming
    const response = await ask(parts, { path: '/v1/messages', headers, body, streams }, call)
    if (!isSuccess(response)) throw (await readRefusal(response, parts, promptTokens)).error
    const discardsThinking = request.thinking.kind === 'off' && quirks.unwantedThinking === 'discard'
    const options = { promptTokens, discardsThinking }
    await recorded(parts, response, null, call, (recording) =>
      read(parts.settings.name, response, options, request, sink, recording),
    )
  }

  return upstreamTarget(parts, {
    ...(isPlain(quirks) && { relay: createRelay(parts) }),
    async prepare(request): Promise<AnthropicPrepared> {
      const { body, promptTokens } = encodeAnthropicRequest(request, quirks)
      return { promptTokens, request, body }
    },
    countTokens: async (request) => encodeAnthropicRequest(request, quirks).promptTokens,
    generate: (prepared, sink, call) => generate(prepared as AnthropicPrepared, sink, call),
  })
}

interface AnswerOptions {
  readonly promptTokens: number
  readonly discardsThinking: boolean
}

async function read(
  name: string,
  response: UpstreamResponse,
  options: AnswerOptions,
  { stream, maxTokens }: GenerateRequest,
  sink: EventSink,
  recording: StreamRecording | null,
): Promise<void> {
  const write = (event: StreamEvent): void => void sink.write(event)
  const emit = maxTokens === 0 ? withoutAnswer(write) : write
  const decodeWhole = (body: Uint8Array): void => decodeAnthropicAnswer(body, emit, options)
  if (!isJson(response)) {
    const decoder = new AnthropicDecoder(emit, options)
    const bytesMax = stream ? Number.POSITIVE_INFINITY : answerBytesMax
    return readStream({ name, response, decoder, sink, recording, bytesMax, isLast: () => decoder.done, decodeWhole })
  }
  const body = await response.whole(answerBytesMax)
  recording?.bytes(body)
  decodeWhole(body)
}

/** Bytes are passed on as they are: whatever the upstream wants to have otherwise takes a translation, but for a limit. */
function isPlain({ outputTokensMax, ...quirks }: UpstreamQuirks): boolean {
  return isDeepStrictEqual({ ...quirks, outputTokensMax: null }, defaultQuirks)
}
