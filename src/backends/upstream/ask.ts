import type { Call } from '../../contract/backend.ts'
import { type HeadendError, toHeadendError } from '../../contract/errors.ts'
import { passedCredentials } from './credentials.ts'
import type { UpstreamResponse } from './response.ts'
import type { UpstreamSettings } from './settings.ts'
import type { TargetParts } from './target-parts.ts'
import { explainRefusal } from './upstream-error.ts'
import type { HeaderList } from './upstream-request.ts'
import { withoutCredential } from './without-credential.ts'

export interface Question {
  readonly path: string
  readonly headers: HeaderList
  readonly body: string | Uint8Array
  /** An event stream is hoped for. */
  readonly streams: boolean
}

/** Error bodies are read this far: more is no message. */
const refusalBytesMax = 1024 * 1024

/** What a whole answer may weigh: the largest that any model gives is far below. */
export const answerBytesMax = 64 * 1024 * 1024

/** Headers that follow a request through every service: https://www.w3.org/TR/trace-context */
const traceHeaders = ['traceparent', 'tracestate'] as const

/** Sends a request, and tells the client the id that the upstream gave it. */
export async function ask(
  { client, settings }: TargetParts,
  question: Question,
  call: Call,
): Promise<UpstreamResponse> {
  const credentials = passedCredentials(settings, (name) => call.client.header(name))
  const headers = [...question.headers, ...credentials]
  for (const name of traceHeaders) {
    const value = call.client.header(name)
    if (value !== null) headers.push(name, value)
  }
  const { path, body, streams } = question
  const response = await client.send({ method: 'POST', path, headers, body, signal: call.signal, streams })
  const id = upstreamRequestId(response, settings)
  if (id !== null) call.client.addHeader('x-upstream-request-id', id)
  const passed = credentials[1]?.replace(/^bearer\s+/i, '') ?? null
  return withoutCredential(response, passed ?? settings.key)
}

/** A gateway in front may add one of its own in the other header. */
const requestIdHeaders = {
  openai: ['x-request-id', 'request-id'],
  anthropic: ['request-id', 'x-request-id'],
} as const

export function upstreamRequestId(response: UpstreamResponse, { protocol }: UpstreamSettings): string | null {
  const [own, other] = requestIdHeaders[protocol]
  const id = response.header(own) ?? response.header(other)
  return id === null || id.length > 200 ? null : id
}

export function isSuccess({ status }: UpstreamResponse): boolean {
  return status >= 200 && status < 300
}

export interface Refused {
  readonly error: HeadendError
  readonly body: Uint8Array
}

/**
 * What an answer with another status than 2xx means.
 * @param promptTokens as estimated here; `null`: not estimated
 */
export async function readRefusal(
  response: UpstreamResponse,
  { settings, facts }: TargetParts,
  promptTokens: number | null,
): Promise<Refused> {
  const body = await readWords(response)
  const error = explainRefusal({
    status: response.status,
    body,
    retryAfter: response.header('retry-after'),
    retryAfterMs: response.header('retry-after-ms'),
    contextTokens: facts().contextTokens,
    promptTokens,
    passThroughCredentials: settings.passThroughCredentials,
  })
  return { error, body }
}

export function isEventStream(response: UpstreamResponse): boolean {
  return /^text\/event-stream\b/i.test(response.header('content-type') ?? '')
}

/** Only where it is said in so many words: whoever says nothing, or something else, is looked at. */
export function isJson(response: UpstreamResponse): boolean {
  return /^application\/(?:[\w.-]+\+)?json\b/i.test(response.header('content-type') ?? '')
}

/** A body that is too long or cut short takes nothing from what the status says. */
async function readWords(response: UpstreamResponse): Promise<Uint8Array> {
  try {
    return await response.whole(refusalBytesMax)
  } catch (cause) {
    const { kind } = toHeadendError(cause)
    if (kind === 'client-gone' || kind === 'reader-stalled') throw cause
    return new Uint8Array()
  }
}
