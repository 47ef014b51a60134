import type { HeadendError } from './errors.ts'
import type { EventSink } from './events.ts'
import type { FrameWriter } from './exchange.ts'

/** The answer to one exchange: a stream encoder or a message builder. Sends nothing before it must. */
export interface Reply extends EventSink {
  /** The first event is out: another backend would contradict it. */
  readonly started: boolean
  /** Called once, as soon as `started` is true. */
  onStarted: () => void
  /** A JSON error body while nothing is committed, else the stream's own error event. */
  fail(error: HeadendError): void
  /** For an upstream that speaks this protocol: its bytes take the place of events. */
  readonly relay: ReplyRelay
}

/** Using it starts the reply. */
export type ReplyRelay =
  | { readonly kind: 'stream'; begin(headers: Readonly<Record<string, string>>): FrameWriter }
  | { readonly kind: 'whole'; respond(headers: Readonly<Record<string, string>>, body: Uint8Array): void }
