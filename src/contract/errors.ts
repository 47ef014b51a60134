/** Whose fault a failure is decides its log level: `client` is info, `upstream` warn, `headend` error. */
export type ErrorSource = 'client' | 'headend' | 'upstream'

/**
 * Every way in which a request can fail. `retry`: another target may do better, as long as nothing was sent to the client yet.
 * Protocols map kinds to their wire words with `satisfies Record<ErrorKind, ...>`, so no kind can be forgotten.
 */
export const errorKinds = {
  'invalid-request': { status: 400, source: 'client', retry: false },
  'context-overflow': { status: 400, source: 'client', retry: true },
  unauthenticated: { status: 401, source: 'client', retry: false },
  forbidden: { status: 403, source: 'client', retry: false },
  'not-found': { status: 404, source: 'client', retry: false },
  'upstream-not-found': { status: 404, source: 'upstream', retry: true }, // this upstream does not know its model; another may
  'method-not-allowed': { status: 405, source: 'client', retry: false },
  'body-timeout': { status: 408, source: 'client', retry: false },
  'body-too-large': { status: 413, source: 'client', retry: false },
  'session-busy': { status: 429, source: 'client', retry: false },
  'upstream-limited': { status: 429, source: 'upstream', retry: true },
  'client-gone': { status: 499, source: 'client', retry: false }, // for logs only: nobody is left to read it
  'reader-stalled': { status: 499, source: 'client', retry: false }, // for logs only, too
  internal: { status: 500, source: 'headend', retry: true },
  'worker-lost': { status: 500, source: 'headend', retry: true },
  'upstream-unauthorized': { status: 500, source: 'upstream', retry: true }, // our credential is wrong, not the client's
  'upstream-unreachable': { status: 502, source: 'upstream', retry: true }, // no connection, no name, no TLS
  'upstream-failed': { status: 502, source: 'upstream', retry: true }, // it answered with a failure of its own
  'upstream-malformed': { status: 502, source: 'upstream', retry: true }, // what it sent is not what its protocol says
  unavailable: { status: 503, source: 'headend', retry: true }, // starting, draining, or no worker is up
  'deadline-passed': { status: 504, source: 'headend', retry: true }, // only after work began
  'upstream-timeout': { status: 504, source: 'upstream', retry: true },
  'upstream-overloaded': { status: 529, source: 'upstream', retry: true },
  'queue-full': { status: 529, source: 'headend', retry: true },
  'queue-timeout': { status: 529, source: 'headend', retry: true },
} as const satisfies Record<string, { status: number; source: ErrorSource; retry: boolean }>

export type ErrorKind = keyof typeof errorKinds

export interface ErrorDetails {
  /** Dotted path of the offending field, for protocols that report it apart from the message. */
  readonly field?: string
  /** Sent as `retry-after`; whole seconds, at least 1. */
  readonly retryAfterSeconds?: number
  /** Further response headers, such as `allow` on a 405. */
  readonly headers?: Readonly<Record<string, string>>
  /** The upstream's own answer, for clients of its protocol: they get it as it came. */
  readonly relayed?: RelayedError
  readonly cause?: unknown
}

export interface RelayedError {
  /** Name of the protocol that the body is in. */
  readonly protocol: string
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** The only error class that crosses a layer. Its message is shown to the client, so it never holds a path or a stack. */
export class HeadendError extends Error {
  readonly kind: ErrorKind
  readonly field: string | null
  readonly retryAfterSeconds: number | null
  readonly headers: Readonly<Record<string, string>>
  readonly relayed: RelayedError | null

  constructor(kind: ErrorKind, message: string, details: ErrorDetails = {}) {
    super(message, { cause: details.cause })
    this.name = 'HeadendError'
    this.kind = kind
    this.field = details.field ?? null
    this.retryAfterSeconds = details.retryAfterSeconds ?? null
    this.headers = details.headers ?? {}
    this.relayed = details.relayed ?? null
  }
}

/** Anything that is not a HeadendError is a bug of ours: the client learns only that, the log gets the cause. */
export function toHeadendError(cause: unknown): HeadendError {
  return cause instanceof HeadendError
    ? cause
    : new HeadendError('internal', 'Internal server error: see the log of headend for this request-id', { cause })
}

/** The server cannot start, and the user can mend it: the message is the one line that he sees. */
export class StartError extends Error {
  readonly expected = true
}
