import { HeadendError } from '../../contract/errors.ts'

/** How far a request had come when its connection failed. */
export type Progress =
  /** On a connection that had served others, and nothing came: the upstream may have closed it before it saw the request. */
  | 'unnoticed'
  /** No status line, or not all headers. */
  | 'unanswered'
  /** Amid the body. */
  | 'answering'

/** A connection had been idle and was closed by its upstream as the request went out: it was not looked at, so it may be sent again. */
export class UnnoticedRequest extends HeadendError {
  constructor(name: string, cause: unknown) {
    const why = 'it closed an idle connection as it was to be used again'
    super('upstream-unreachable', `Upstream ${name} cannot be reached: ${why}`, { cause })
  }
}

/** There is no connection. The cause, for the log, says to which address. */
export function explainUnreachable(name: string, cause: NodeJS.ErrnoException): HeadendError {
  return unreachable(name, connectProblem(cause.code ?? ''), cause)
}

export function explainSlowConnect(name: string, limitMs: number): HeadendError {
  return unreachable(name, `no connection within ${limitMs} ms`)
}

/** There was a connection. */
export function explainBroken(name: string, progress: Progress, cause: NodeJS.ErrnoException): HeadendError {
  const code = cause.code ?? ''
  if (isMalformed(cause)) {
    return new HeadendError('upstream-malformed', `Upstream ${name} does not speak HTTP/1.1: ${malformation(cause)}`, {
      cause,
    })
  }
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH') {
    return new HeadendError(
      'upstream-failed',
      `The answer of upstream ${name} is not as long as its Content-Length says`,
      { cause },
    )
  }
  if (code === 'UND_ERR_DESTROYED' || code === 'UND_ERR_CLOSED') return stopping(cause)
  switch (progress) {
    case 'unnoticed':
      return new UnnoticedRequest(name, cause)
    case 'unanswered':
      return new HeadendError('upstream-failed', `Upstream ${name} closed the connection without an answer`, { cause })
    case 'answering':
      return new HeadendError(
        'upstream-failed',
        `Upstream ${name} closed the connection before its answer was complete`,
        { cause },
      )
    default:
      return progress satisfies never
  }
}

export function stopping(cause?: unknown): HeadendError {
  return new HeadendError('unavailable', 'This server is stopping: try another one, or again in a moment', { cause })
}

function unreachable(name: string, why: string, cause?: unknown): HeadendError {
  return new HeadendError('upstream-unreachable', `Upstream ${name} cannot be reached: ${why}`, { cause })
}

/** Codes of Node, libuv and OpenSSL: https://nodejs.org/docs/latest-v20.x/api/errors.html#common-system-errors */
const connectProblems = new Map([
  ['ECONNREFUSED', 'the connection was refused; is it running, and is the port of its URL right?'],
  ['ENOTFOUND', 'the host name of its URL was not found'],
  ['EAI_AGAIN', 'the name service does not answer for the host name of its URL'],
  ['EHOSTUNREACH', 'there is no route to its host'],
  ['ENETUNREACH', 'there is no route to its network'],
  ['ETIMEDOUT', 'its host does not answer'],
  ['ECONNRESET', 'the connection was closed before it was set up; are http and https mixed up in its URL?'],
  ['EMFILE', 'this process has too many open files; raise its limit (ulimit -n)'],
  ['EPROTO', 'it does not speak TLS; are http and https mixed up in its URL?'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'its certificate is for another host name'],
  ['CERT_HAS_EXPIRED', 'its certificate has expired'],
])

/** Of a certificate that nobody here knows. */
const untrusted = /^(?:DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_)/

function connectProblem(code: string): string {
  const problem = connectProblems.get(code)
  if (problem !== undefined) return problem
  if (untrusted.test(code)) return 'its certificate is not trusted; name its authority in NODE_EXTRA_CA_CERTS'
  if (code.startsWith('ERR_SSL_')) return 'TLS failed; are http and https mixed up in its URL?'
  return code === '' ? 'the connection failed' : `the connection failed (${code})`
}

/** An end at the wrong place is a parse error to undici, too, but it is a cut. */
function isMalformed({ code = '', message }: NodeJS.ErrnoException): boolean {
  if (code === 'HPE_INVALID_EOF_STATE' || /Invalid EOF state/.test(message)) return false
  return isParseError(code, message) || code === 'UND_ERR_HEADERS_OVERFLOW' || isUnasked(code, message)
}

/** undici leaves the code of some parse errors out. */
function isParseError(code: string, message: string): boolean {
  return code.startsWith('HPE_') || message.startsWith('Response does not match the HTTP/1.1 protocol')
}

/** `100 Continue` and `101 Switching Protocols`, for which nobody asked. */
function isUnasked(code: string, message: string): boolean {
  return code === 'UND_ERR_SOCKET' && (message === 'bad response' || message === 'bad upgrade')
}

function malformation({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return 'its headers are too large'
  return /\((.+)\)$/.exec(message)?.[1] ?? message
}
