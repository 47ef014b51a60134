import type { Call, RawRequest, Relay } from '../../contract/backend.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { StreamEvent } from '../../contract/events.ts'
import type { FrameWriter } from '../../contract/exchange.ts'
import type { Reply } from '../../contract/reply.ts'
import { decodeAnthropicAnswer } from './anthropic-answer.ts'
import { answerBytesMax, ask, isEventStream, isSuccess, readRefusal } from './ask.ts'
import { readUntil } from './read-until.ts'
import { recorded } from './recorded.ts'
import type { StreamRecording } from './recorder.ts'
import { requestHeaders, responseHeaders } from './relay-headers.ts'
import { RelayWatcher } from './relay-watcher.ts'
import type { UpstreamResponse } from './response.ts'
import { spliceLimits } from './splice-limits.ts'
import { spliceModel } from './splice-model.ts'
import type { TargetParts } from './target-parts.ts'
import { explainStreamError } from './upstream-error.ts'

const protocol = 'anthropic'

/** One event of the Messages API is far smaller; a larger one is held by nobody. */
const eventBytesMax = 8 * 1024 * 1024

/** Bytes of the Messages API between a client and an upstream that both speak it (api-surface 12.5). */
export function createRelay(parts: TargetParts): Relay {
  const limit = parts.quirks.outputTokensMax

  function send(path: string, request: RawRequest, model: string, call: Call): Promise<UpstreamResponse> {
    const body = spliceLimits(spliceModel(request.body, model), request.system, leastOf(request.outputTokensMax, limit))
    return ask(parts, { path, headers: requestHeaders(call.client), body, streams: request.stream }, call)
  }

  return {
    protocol,
    async generate(request, model, reply, call) {
      const response = await send('/v1/messages', request, model, call)
      if (!isSuccess(response)) throw await relayedRefusal(response, parts)
      await recorded(parts, response, null, call, async (recording) => {
        const { relay } = reply
        if (relay.kind === 'stream' && isEventStream(response)) {
          await relayStream(response, request.model, relay.begin, recording)
        } else {
          await relayWhole(response, request.model, reply, recording)
        }
      })
    },
    async countTokens(request, model, call) {
      const response = await send('/v1/messages/count_tokens', request, model, call)
      if (isSuccess(response)) return readCount(await response.whole(answerBytesMax))
      const refusal = await relayedRefusal(response, parts)
      if (missingRoute.has(response.status) && refusal.relayed === null) return null
      throw refusal
    },
  }
}

function leastOf(one: number | null, other: number | null): number | null {
  return one === null || other === null ? (one ?? other) : Math.min(one, other)
}

/** Clients of this protocol get the upstream's own words; the log and other targets go by the kind. */
async function relayedRefusal(response: UpstreamResponse, parts: TargetParts): Promise<HeadendError> {
  const { error, body } = await readRefusal(response, parts, null)
  // That our credential is wrong is none of the client's business, unless it is the client's own.
  if (error.kind === 'upstream-unauthorized' || !isErrorEnvelope(body)) return error
  const headers = { ...responseHeaders(response), 'content-type': 'application/json' }
  return new HeadendError(error.kind, error.message, {
    ...(error.retryAfterSeconds === null ? {} : { retryAfterSeconds: error.retryAfterSeconds }),
    relayed: { protocol, status: response.status, headers, body },
    cause: error.cause,
  })
}

/** Servers that imitate the API often leave out the counting route; an unknown model is told in the API's own words. */
const missingRoute: ReadonlySet<number> = new Set([404, 405, 501])

/** Servers that speak the protocol only in part answer errors in a shape that its clients cannot read. */
function isErrorEnvelope(body: Uint8Array): boolean {
  const { type, error } = (parseJson(body) ?? {}) as { readonly type?: unknown; readonly error?: unknown }
  const { type: kind, message } = (error ?? {}) as { readonly type?: unknown; readonly message?: unknown }
  return type === 'error' && typeof kind === 'string' && typeof message === 'string'
}

/** Passes whole events on. What comes before the first content is held: until then a failure can still become a status, or another target's answer. */
class RelayedStream {
  readonly #watcher: RelayWatcher
  readonly #begin: () => FrameWriter
  #writer: FrameWriter | null = null
  #held: Uint8Array[] = []

  constructor(watcher: RelayWatcher, begin: () => FrameWriter) {
    this.#watcher = watcher
    this.#begin = begin
  }

  push(bytes: Uint8Array): Promise<void> | null {
    this.#pass(this.#watcher.push(bytes))
    return this.#writer === null || this.#writer.writable ? null : this.#writer.drained()
  }

  end(): void {
    this.#pass(this.#watcher.end())
    this.#writer?.end()
    // The client has seen the error event; nothing more is written for this.
    if (this.#watcher.failure !== null) throw this.#watcher.failure
  }

  #pass(frames: Uint8Array | null): void {
    if (this.#writer !== null) {
      if (frames !== null) this.#writer.writeBytes(frames)
      return
    }
    if (frames !== null) this.#held.push(frames)
    if (!this.#watcher.hasContent) {
      if (this.#watcher.failure !== null) throw this.#watcher.failure
      return
    }
    this.#writer = this.#begin()
    for (const part of this.#held) this.#writer.writeBytes(part)
    this.#held = []
  }
}

async function relayStream(
  response: UpstreamResponse,
  model: string,
  begin: (headers: Readonly<Record<string, string>>) => FrameWriter,
  recording: StreamRecording | null,
): Promise<void> {
  const watcher = new RelayWatcher({ model, eventBytesMax })
  const stream = new RelayedStream(watcher, () => begin(responseHeaders(response)))
  const onBytes = (bytes: Uint8Array): Promise<void> | null => {
    recording?.bytes(bytes)
    return stream.push(bytes)
  }
  await readUntil(response, onBytes, () => (watcher.ended || watcher.failure !== null ? 'ended' : 'reading'))
  stream.end()
}

/** An upstream that answers whole where a stream was asked for is translated: its message becomes events. */
async function relayWhole(
  response: UpstreamResponse,
  model: string,
  reply: Reply,
  recording: StreamRecording | null,
): Promise<void> {
  const body = await response.whole(answerBytesMax)
  recording?.bytes(body)
  refuseOther(body)
  const { relay } = reply
  if (relay.kind === 'whole') {
    relay.respond(responseHeaders(response), spliceModel(body, model))
    return
  }
  const emit = (event: StreamEvent): void => void reply.write(event)
  decodeAnthropicAnswer(body, emit, { promptTokens: 0, discardsThinking: false })
}

/** @throws HeadendError upstream-malformed: no message; or the error that it holds */
function refuseOther(body: Uint8Array): void {
  const answer = parseJson(body)
  if (typeof answer === 'object' && answer !== null) {
    const { type, error } = answer as { readonly type?: unknown; readonly error?: unknown }
    if (type === 'message') return
    if (error !== undefined) throw explainStreamError(error)
  }
  throw new HeadendError('upstream-malformed', 'The upstream answered with something that is not a message')
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
  } catch {
    return null
  }
}

function readCount(body: Uint8Array): number {
  const answer = parseJson(body) as { readonly input_tokens?: unknown } | null
  const tokens = answer?.input_tokens
  if (Number.isSafeInteger(tokens)) return tokens as number
  throw new HeadendError('upstream-malformed', 'The upstream answered with something that is not a count of tokens')
}
