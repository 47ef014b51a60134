import { type ErrorKind, HeadendError } from '../../contract/errors.ts'
import { type Complaint, readComplaint, readComplaintBody } from './complaint.ts'
import { explainOverflow } from './context-overflow.ts'
import { parseRetryAfter } from './retry-after.ts'

export interface Refusal {
  readonly status: number
  readonly body: Uint8Array
  readonly retryAfter: string | null
  /** The header `retry-after-ms`, which wins. */
  readonly retryAfterMs?: string | null
  /** The context of the model, for upstreams that do not say it when they refuse a prompt; `null`: not known. */
  readonly contextTokens: number | null
  /** The length of the prompt, for upstreams that do not say it; `null`: not estimated. */
  readonly promptTokens: number | null
  /** The credential was the client's own, and so is the fault. */
  readonly passThroughCredentials: boolean
}

/** Statuses that are not what their hundred says (api-surface.md 9). */
const kindsByStatus: Readonly<Record<number, ErrorKind>> = {
  401: 'upstream-unauthorized',
  402: 'upstream-limited', // our account is empty, which others say with a 429
  403: 'upstream-unauthorized',
  404: 'upstream-not-found',
  405: 'upstream-failed', // this and the next two are about our URL and our timing, not about what the client wrote
  408: 'upstream-timeout',
  409: 'upstream-failed',
  410: 'upstream-not-found',
  413: 'body-too-large',
  425: 'upstream-failed',
  429: 'upstream-limited',
  503: 'upstream-overloaded',
  504: 'upstream-timeout',
  524: 'upstream-timeout', // Cloudflare's
  529: 'upstream-overloaded', // Anthropic's
}

/** Codes and types of errors that come without a status. */
const statusByWord: Readonly<Record<string, number>> = {
  authentication_error: 401,
  authenticationerror: 401,
  invalid_api_key: 401,
  billing_error: 402,
  permission_error: 403,
  model_not_found: 404,
  not_found_error: 404,
  notfounderror: 404,
  timeout: 504,
  timeout_error: 504,
  request_too_large: 413,
  insufficient_quota: 429,
  rate_limit_error: 429,
  rate_limit_exceeded: 429,
  requests: 429,
  resource_exhausted: 429,
  slow_down: 429,
  tokens: 429,
  overloaded_error: 529,
  server_is_overloaded: 503,
  service_unavailable: 503,
  service_unavailable_error: 503,
  unavailable: 503,
  unavailable_error: 503,
  badrequesterror: 400,
  invalid_argument: 400,
  invalid_request_error: 400,
  unprocessableentityerror: 422,
}

/** Waiting does not help: somebody has to pay. */
const quotaWords: ReadonlySet<string> = new Set(['billing_error', 'credit_balance_exhausted', 'insufficient_quota'])

/** Statuses of refusals that may be about the length of the prompt; the first llama-servers that said so answered 500. */
const overflowStatuses: ReadonlySet<number> = new Set([400, 413, 422, 500])

/** A refusal by status. `relayed` is set by the caller where clients speak the same protocol. */
export function explainRefusal(refusal: Refusal): HeadendError {
  const { status, body } = refusal
  if (status >= 300 && status < 400) return explainRedirect(status)
  const complaint = readComplaintBody(body)
  const overflow = overflowStatuses.has(status) ? explainOverflow(complaint, refusal) : null
  if (overflow !== null) return new HeadendError('context-overflow', overflow)
  const isClients = refusal.passThroughCredentials && (status === 401 || status === 403)
  const kind = isClients ? (status === 401 ? 'unauthenticated' : 'forbidden') : kindOf(status)
  return explain(kind, complaint, {
    silence: `the upstream answered with status ${status} and no explanation`,
    retryAfterSeconds: parseRetryAfter(refusal.retryAfter, refusal.retryAfterMs ?? null),
    isQuota: status === 402 || isQuota(complaint),
  })
}

/**
 * The `error` value of a stream event or of a body with status 200. Takes objects, strings, anything; the kind comes from its
 * code, type or status where they tell.
 */
export function explainStreamError(error: unknown): HeadendError {
  const complaint = readComplaint(error)
  const overflow = explainOverflow(complaint, { contextTokens: null, promptTokens: null })
  if (overflow !== null) return new HeadendError('context-overflow', overflow)
  const word = complaint.words.find((name) => Object.hasOwn(statusByWord, name))
  const status = complaint.status ?? (word === undefined ? null : statusByWord[word]) ?? 500
  return explain(kindOf(status), complaint, {
    silence: 'the upstream reported an error and no explanation',
    retryAfterSeconds: null,
    isQuota: status === 402 || isQuota(complaint),
  })
}

interface Circumstances {
  /** The message where the upstream has none that can be shown. */
  readonly silence: string
  readonly retryAfterSeconds: number | null
  readonly isQuota: boolean
}

function explain(kind: ErrorKind, complaint: Complaint, circumstances: Circumstances): HeadendError {
  // What it says may hold our key, and the client can do nothing about it.
  if (kind === 'upstream-unauthorized') {
    return new HeadendError(kind, 'upstream authentication failed', { headers: { 'x-should-retry': 'false' } })
  }
  const message = complaint.message === '' ? circumstances.silence : complaint.message
  const { retryAfterSeconds } = circumstances
  const waits = kind === 'upstream-limited' || kind === 'upstream-overloaded'
  return new HeadendError(kind, message, {
    ...(waits && retryAfterSeconds !== null && { retryAfterSeconds }),
    // Official SDKs obey this header over the status, and would come back in vain.
    ...(kind === 'upstream-limited' && circumstances.isQuota && { headers: { 'x-should-retry': 'false' } }),
  })
}

function kindOf(status: number): ErrorKind {
  return kindsByStatus[status] ?? (status >= 400 && status < 500 ? 'invalid-request' : 'upstream-failed')
}

function isQuota({ words }: Complaint): boolean {
  return words.some((word) => quotaWords.has(word))
}

/** Whoever follows a redirect takes the credential along. Where it leads is not told, as it may hold secrets of its own. */
function explainRedirect(status: number): HeadendError {
  const remedy = 'give it the URL that it redirects to'
  return new HeadendError(
    'upstream-failed',
    `the upstream answered with a redirect (${status}), and headend follows none: ${remedy}`,
  )
}
