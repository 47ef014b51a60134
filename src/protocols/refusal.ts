import { errorKinds, type HeadendError } from '../contract/errors.ts'
import type { Exchange } from '../contract/exchange.ts'

/** Status 499 is for logs only: nobody is left to read it. */
export function hasReader({ kind }: HeadendError): boolean {
  return errorKinds[kind].status !== 499
}

/** How one protocol tells an error. */
export interface ErrorShape {
  readonly protocol: string
  status(error: HeadendError): number
  encode(error: HeadendError, requestId: string): string
}

/** Answers with the error's status and JSON body; does nothing when the client has gone. */
export function refuseIn(shape: ErrorShape, exchange: Exchange, error: HeadendError): void {
  if (!hasReader(error)) return
  const { relayed } = error
  if (relayed?.protocol === shape.protocol) exchange.respond(relayed.status, relayed.headers, relayed.body)
  else exchange.respond(shape.status(error), headersOf(error), shape.encode(error, exchange.id))
}

function headersOf(error: HeadendError): Readonly<Record<string, string>> {
  const headers = { ...error.headers, 'content-type': 'application/json' }
  const seconds = error.retryAfterSeconds ?? briefest(error)
  return seconds === null ? headers : { ...headers, 'retry-after': String(seconds) }
}

/** Whoever is asked to come back is told when, also where the upstream that is busy did not say; unless coming back is no use. */
function briefest({ kind, headers }: HeadendError): number | null {
  const { status } = errorKinds[kind]
  return (status === 429 || status === 529) && headers['x-should-retry'] !== 'false' ? 1 : null
}
