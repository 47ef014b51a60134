import type { Backend, Call, Prepared } from '../../contract/backend.ts'
import type { EventSink, StreamEvent } from '../../contract/events.ts'
import type { GenerateRequest } from '../../contract/request.ts'
import { decodeAnswer } from './answer-decoder.ts'
import type { AnswerOptions } from './answer-options.ts'
import { answerBytesMax, ask, isJson, isSuccess, readRefusal } from './ask.ts'
import { ChunkDecoder } from './chunk-decoder.ts'
import { type EncodedRequest, encodeRequest } from './encode-request.ts'
import { learnFrom } from './learned-quirks.ts'
import { withoutAnswer } from './prompt-only.ts'
import { readStream } from './read-stream.ts'
import { recorded } from './recorded.ts'
import type { StreamRecording } from './recorder.ts'
import type { UpstreamResponse } from './response.ts'
import type { UpstreamQuirks } from './settings.ts'
import type { TargetParts } from './target-parts.ts'
import { countByTokenizer } from './tokenizer-route.ts'
import { upstreamTarget } from './upstream-target.ts'

interface OpenaiPrepared extends Prepared {
  readonly request: GenerateRequest
  readonly encoded: EncodedRequest
  /** What it was encoded by: others may learn meanwhile. */
  readonly quirks: UpstreamQuirks
}

/** A model behind the chat completions API: https://platform.openai.com/docs/api-reference/chat */
export function createOpenaiTarget(parts: TargetParts): Backend {
  /** As configured, and what this model's refusals have told since. */
  let { quirks } = parts
  const thinkTags = {
    mode: quirks.thinkTags,
    interleaved: quirks.interleavedThinking,
    openInPrompt: quirks.thinkingOpenInPrompt,
    ...(quirks.thinkMarkers === null ? {} : { pairs: quirks.thinkMarkers }),
  }

  function encode(request: GenerateRequest): EncodedRequest {
    const limitField = quirks.maxTokensField === 'auto' ? 'max_tokens' : quirks.maxTokensField
    return encodeRequest(request, quirks, limitField)
  }

  /** @throws HeadendError what the upstream refused it for */
  async function post({ request, encoded, ...prepared }: OpenaiPrepared, call: Call): Promise<UpstreamResponse> {
    let sentQuirks = prepared.quirks
    const streams = request.stream && quirks.streaming
    let { body } = encoded
    for (;;) {
      const response = await ask(parts, { path: '/v1/chat/completions', headers: [], body, streams }, call)
      if (isSuccess(response)) return response
      const { error } = await readRefusal(response, parts, encoded.promptTokens)
      const lesson = learnFrom(error, sentQuirks)
      if (lesson === null) throw error
      quirks = { ...quirks, ...lesson }
      sentQuirks = quirks // never the same lesson twice, so this ends
      body = encode(request).body
    }
  }

  function optionsOf({ request, encoded }: OpenaiPrepared): AnswerOptions {
    return {
      stopSequences: request.stopSequences,
      stopsReported: quirks.reportsStop,
      parallelCalls: request.toolChoice.parallel,
      toolNames: encoded.toolNames,
      discardsThinking: request.thinking.kind === 'off' && quirks.unwantedThinking === 'discard',
      thinkTags,
      promptTokens: encoded.promptTokens,
    }
  }

  return upstreamTarget(parts, {
    async prepare(request): Promise<OpenaiPrepared> {
      const encoded = encode(request)
      return { promptTokens: encoded.promptTokens, request, encoded, quirks }
    },
    async countTokens(request, call) {
      const { body, promptTokens } = encode(request)
      const path = quirks.tokenizePath
      const exact = path === null ? null : await countByTokenizer(parts, path, request, body, call)
      return exact ?? promptTokens
    },
    async generate(prepared, sink, call) {
      const own = prepared as OpenaiPrepared
      const response = await post(own, call)
      const options = optionsOf(own)
      await recorded(parts, response, options, call, (recording) =>
        read(parts.settings.name, response, options, own.request, sink, recording),
      )
    },
  })
}

/** An upstream may answer whole where a stream was asked for, and the other way round: what it says it sends is read. */
async function read(
  name: string,
  response: UpstreamResponse,
  options: AnswerOptions,
  request: GenerateRequest,
  sink: EventSink,
  recording: StreamRecording | null,
): Promise<void> {
  const write = (event: StreamEvent): void => void sink.write(event)
  const emit = request.maxTokens === 0 ? withoutAnswer(write) : write
  const decodeWhole = (body: Uint8Array): void => decodeAnswer(body, emit, options)
  if (!isJson(response)) {
    const decoder = new ChunkDecoder(emit, options)
    const bytesMax = request.stream ? Number.POSITIVE_INFINITY : answerBytesMax
    const isLast = (_event: string, data: string): boolean => data === '[DONE]'
    return readStream({ name, response, decoder, sink, recording, bytesMax, isLast, decodeWhole })
  }
  const body = await response.whole(answerBytesMax)
  recording?.bytes(body)
  decodeWhole(body)
}
