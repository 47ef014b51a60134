import type { HeadendError } from './errors.ts'
import type { Signal } from './signal.ts'

/** One HTTP request and its response. Made by the http room; everything else sees only this. */
export interface Exchange {
  /** `req_` and 24 alphanumerics: the `request-id` header of the response, repeated in error bodies. */
  readonly id: string
  readonly method: string
  /** Without the configured prefix, without the query, still percent-encoded. */
  readonly path: string
  readonly query: URLSearchParams
  /** Address of the peer as text; IPv4-mapped IPv6 addresses are written as IPv4. */
  readonly remoteAddress: string
  /** Aborted when the client has gone or its reader stalled: the reason is a HeadendError. */
  readonly signal: Signal
  /** `true` once a status line was sent. */
  readonly committed: boolean
  /** `name` in lower case. Repeated headers are joined with ', '. */
  header(name: string): string | null
  /** In lower case. */
  headerNames(): Iterable<string>
  /**
   * Goes out with the response, whoever writes it; without effect once something was sent. Of two with one name the later holds; an
   * empty one takes it away. What is no visible ASCII is percent-encoded.
   */
  addHeader(name: string, value: string): void
  /**
   * The whole body, decoded from gzip where the client says so.
   * @throws HeadendError body-too-large, body-timeout, invalid-request (content-encoding), client-gone
   */
  body(): Promise<Uint8Array>
  /** Sends a whole response. `request-id` and `content-length` are added; HEAD sends no body. A second call is ignored. */
  respond(status: number, headers: Readonly<Record<string, string>>, body: string | Uint8Array): void
  /** Ends the work for a reason of ours: `signal` aborts with it, and the response stays open for the error. */
  cancel(cause: HeadendError): void
  /** Sends a status line and headers and leaves the body open. */
  openStream(status: number, headers: Readonly<Record<string, string>>, options: StreamOptions): FrameWriter
}

export interface StreamOptions {
  /** Written after every `pingIntervalMs` of silence; '' for none. */
  readonly pingFrame: string
}

/** A response body that is written frame by frame. */
export interface FrameWriter {
  /** `false` while the socket is full. */
  readonly writable: boolean
  /** Takes the frame in any case; `false` asks the producer to await `drained()`. All frames of one tick leave in one write. */
  write(frame: string): boolean
  /** As `write`, for bytes that are passed on as they came: whole frames, so that a ping never falls into one. */
  writeBytes(frames: Uint8Array): boolean
  /** Resolves when the socket takes more; rejects with the signal's reason once the client has gone. */
  drained(): Promise<void>
  /** Sends what is pending and ends the response. */
  end(): void
}
