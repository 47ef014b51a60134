import type { Signal } from '../../contract/signal.ts'

/** What is asked of an upstream. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST'
  /** Behind the base URL, such as `/v1/chat/completions`. */
  readonly path: string
  /** Names in lower case. A credential among them goes up only where the upstream's settings pass credentials through. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array | null
  /** Its end closes the connection at once. */
  readonly signal: Signal
  /** An event stream is hoped for. */
  readonly streams: boolean
}
