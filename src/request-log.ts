import { errorKinds, toHeadendError } from './contract/errors.ts'
import type { Finished } from './http/server.ts'
import type { Log } from './observe/log.ts'
import { probePaths } from './routes.ts'

export type LogRequest = (report: Finished, keyName: string | null, failure: unknown) => void

/** One line per request, at its end. A fault of ours brings its cause. */
export function createRequestLog(log: Log): LogRequest {
  // These lines hold no header, so looking for credentials in them, which costs as much as writing them, is left out.
  const lines = log.child({}, { redact: [] })
  return (report, keyName, failure) => logFinished(log, lines, report, keyName, failure)
}

function logFinished(log: Log, lines: Log, report: Finished, keyName: string | null, failure: unknown): void {
  const { exchange, status, bytesSent, durationMs, aborted } = report
  const line = {
    requestId: exchange.id,
    method: exchange.method,
    path: exchange.path,
    ...(keyName === null ? {} : { key: keyName }),
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    bytesSent,
    aborted,
    traceparent: exchange.header('traceparent') ?? undefined, // https://www.w3.org/TR/trace-context
  }
  if (failure === undefined) {
    if (probePaths.has(exchange.path)) lines.debug(line, 'request')
    else lines.info(line, 'request')
    return
  }
  const error = toHeadendError(failure)
  const failed = { ...line, error: error.kind, message: error.message }
  if (errorKinds[error.kind].source === 'client') log.info(failed, 'request')
  else if (error.cause === undefined)
    log.warn(failed, 'request') // refused, as when the queue is full: no fault to look into
  else log.error({ ...failed, err: error.cause }, 'request')
}
