import type { Signal } from '../../contract/signal.ts'

/** Names, in lower case, and values in turn: objects of changing names are what V8 is slowest at. No name comes twice. */
export type HeaderList = readonly string[]

/** What is asked of an upstream. */
export interface UpstreamRequest {
  readonly method: 'GET' | 'POST'
  /** Behind the base URL, such as `/v1/chat/completions`. */
  readonly path: string
  /** A credential among them goes up only where the upstream's settings pass credentials through. */
  readonly headers: HeaderList
  readonly body: string | Uint8Array | null
  /** Its end closes the connection at once. */
  readonly signal: Signal
  /** An event stream is hoped for. */
  readonly streams: boolean
}
