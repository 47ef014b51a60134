import { type ErrorKind, errorKinds, type HeadendError } from '../../contract/errors.ts'
import type { Exchange } from '../../contract/exchange.ts'
import type { ErrorType } from '../../wire/anthropic-reply.ts'
import { type ErrorShape, refuseIn } from '../refusal.ts'
import { ThreadRefusal } from './hosted-fields.ts'
import { encodeErrorBody } from './serializers.ts'

/** https://docs.anthropic.com/en/api/errors */
const errorTypes = {
  'invalid-request': 'invalid_request_error',
  'context-overflow': 'invalid_request_error',
  unauthenticated: 'authentication_error',
  forbidden: 'permission_error',
  'not-found': 'not_found_error',
  'upstream-not-found': 'not_found_error',
  'method-not-allowed': 'invalid_request_error',
  'body-timeout': 'invalid_request_error',
  'body-too-large': 'request_too_large',
  'session-busy': 'rate_limit_error',
  'upstream-limited': 'rate_limit_error',
  'client-gone': 'api_error', // never sent, as the next one
  'reader-stalled': 'api_error',
  internal: 'api_error',
  'worker-lost': 'api_error',
  'upstream-unauthorized': 'api_error',
  'upstream-unreachable': 'api_error',
  'upstream-failed': 'api_error',
  'upstream-malformed': 'api_error',
  unavailable: 'overloaded_error',
  'deadline-passed': 'timeout_error',
  'upstream-timeout': 'timeout_error',
  'upstream-overloaded': 'overloaded_error',
  'queue-full': 'overloaded_error',
  'queue-timeout': 'overloaded_error',
} as const satisfies Record<ErrorKind, ErrorType>

/** The JSON body of an error, also the data of a stream's error event. */
export function encodeError(failure: HeadendError, requestId: string): string {
  const error = { type: errorTypes[failure.kind], message: failure.message }
  const told = failure instanceof ThreadRefusal ? { ...error, details: failure.details } : error
  return encodeErrorBody({ type: 'error', error: told, request_id: requestId })
}

const shape: ErrorShape = {
  protocol: 'anthropic',
  status: ({ kind }) => errorKinds[kind].status,
  encode: encodeError,
}

/** Answers with the error's status and JSON body; does nothing when the client has gone. */
export function refuse(exchange: Exchange, error: HeadendError): void {
  refuseIn(shape, exchange, error)
}
