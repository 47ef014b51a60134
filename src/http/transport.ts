import type { HeadendError } from '../contract/errors.ts'
import type { Exchange } from '../contract/exchange.ts'

/** Limits hold for each listener; every time is in milliseconds, every size in bytes. */
export interface TransportOptions {
  readonly host: string
  /** 0: any free port; `Transport.port` tells which. */
  readonly port: number
  readonly tls: { readonly certFile: string; readonly keyFile: string } | null
  /** One request body, as sent and as decoded. More: 413 body-too-large. */
  readonly bodyBytesMax: number
  /** The bodies of all open exchanges together. More: 503 unavailable, `retry-after: 1`. */
  readonly bodiesBytesMax: number
  /** One header block, request line included. node:http only: uWebSockets.js has limits of its own. */
  readonly headerBytesMax: number
  /** From the first byte of a connection or request to the end of its headers. node:http only: uWebSockets.js closes after 10 s. */
  readonly headerTimeoutMs: number
  /** Without a further piece of a body that is waited for: 408 body-timeout. */
  readonly bodyTimeoutMs: number
  /** Between two requests of one connection. node:http only: uWebSockets.js closes after 10 s. */
  readonly keepAliveTimeoutMs: number
  /** Silence of a stream before its ping. */
  readonly pingIntervalMs: number
  /** A reader that takes nothing for so long is cut off. */
  readonly stallTimeoutMs: number
}

/** What the transports hand out: whoever lets it in sets these two, everything behind sees the contract's view. */
export interface IncomingExchange extends Exchange {
  path: string
  /** Go out with whatever answers this exchange, behind its own headers; `null`: none. */
  extraHeaders: Readonly<Record<string, string>> | null
}

export interface Finished {
  readonly exchange: Exchange
  /** 499 when the client left before a status was sent. */
  readonly status: number
  /** Body bytes handed to the socket. */
  readonly bytesSent: number
  readonly durationMs: number
  readonly aborted: boolean
}

export interface Hooks {
  /** Never throws. */
  handle(exchange: IncomingExchange): void
  /** The JSON body of an answer to something that never became an exchange: a malformed request, a header block too large or too slow. */
  refuseRaw(status: number, message: string, requestId: string): string
  /** Once per exchange, at the end of its response or when it is aborted; for logs and metrics. */
  finished(report: Finished): void
}

export interface Transport {
  readonly name: 'uws' | 'node'
  readonly port: number
  /** Drain: no new connections; open ones are told `connection: close` with their next response. */
  stopListening(): void
  /** Exchanges that have not ended. */
  readonly openCount: number
  /** Ends the work of all exchanges for a reason of ours; their responses stay open for the error. */
  cancelAll(reason: HeadendError): void
  /** Resolves when every exchange has ended and every connection is closed. */
  close(): Promise<void>
  /** Cuts everything now; the signals of open exchanges abort with `unavailable`. */
  destroy(): void
}
