import { type ErrorKind, errorKinds, type HeadendError } from '../../contract/errors.ts'
import type { Exchange } from '../../contract/exchange.ts'
import type { ChatErrorCode, ChatErrorType } from '../../wire/openai-reply.ts'
import { type ErrorShape, refuseIn } from '../refusal.ts'
import { encodeErrorBody } from './serializers.ts'

interface Words {
  readonly type: ChatErrorType
  readonly code: ChatErrorCode
}

const invalid: Words = { type: 'invalid_request_error', code: null }
const server: Words = { type: 'server_error', code: null }
const limited: Words = { type: 'rate_limit_error', code: 'rate_limit_exceeded' }

/** https://platform.openai.com/docs/guides/error-codes */
const errorWords = {
  'invalid-request': invalid,
  'context-overflow': { type: 'invalid_request_error', code: 'context_length_exceeded' },
  unauthenticated: { type: 'authentication_error', code: 'invalid_api_key' },
  forbidden: invalid,
  'not-found': { type: 'not_found_error', code: null },
  'upstream-not-found': { type: 'not_found_error', code: 'model_not_found' },
  'method-not-allowed': invalid,
  'body-timeout': invalid,
  'body-too-large': invalid,
  'session-busy': limited,
  'upstream-limited': limited,
  'client-gone': server, // never sent, as the next one
  'reader-stalled': server,
  internal: server,
  'worker-lost': server,
  'upstream-unauthorized': server,
  'upstream-unreachable': server,
  'upstream-failed': server,
  'upstream-malformed': server,
  unavailable: server,
  'deadline-passed': server,
  'upstream-timeout': server,
  'upstream-overloaded': server,
  'queue-full': server,
  'queue-timeout': server,
} as const satisfies Record<ErrorKind, Words>

const shape: ErrorShape = { protocol: 'openai', status: statusOf, encode: encodeError }

/** 529 is Anthropic's own. */
function statusOf({ kind }: HeadendError): number {
  const { status } = errorKinds[kind]
  return status === 529 ? 503 : status
}

/** The JSON body of an error, also the last data of a stream that failed. */
export function encodeError({ kind, message, field }: HeadendError): string {
  const { type, code } = errorWords[kind]
  const isModel = kind === 'not-found' && field === 'model'
  return encodeErrorBody({ error: { message, type, param: field, code: isModel ? 'model_not_found' : code } })
}

/** Answers with the error's status and JSON body; does nothing when the client has gone. */
export function refuse(exchange: Exchange, error: HeadendError): void {
  refuseIn(shape, exchange, error)
}
