import type { ModelFacts } from './backend.ts'
import type { HeadendError } from './errors.ts'
import type { EventSink } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { GenerateRequest } from './request.ts'

/** The answer to one exchange: a stream encoder or a message builder. Sends nothing before it must. */
export interface Reply extends EventSink {
  /** The first event is out: another backend would contradict it. */
  readonly started: boolean
  /** A JSON error body while nothing is committed, else the stream's own error event. */
  fail(error: HeadendError): void
}

/** A request whose shape is right. What it means is looked at when its model is known, because an unknown model is told first. */
export interface Draft {
  readonly model: string
  /** @throws HeadendError invalid-request, naming the field */
  complete(): GenerateRequest
}

/** One inbound format. No I/O inside but through the exchange. */
export interface Protocol {
  readonly name: string
  /** @throws HeadendError invalid-request, naming the field */
  parse(body: Uint8Array, exchange: Exchange): Draft
  /** As `parse`, for the counting route: fields of generation may be missing. */
  parseCount(body: Uint8Array, exchange: Exchange): Draft
  openReply(exchange: Exchange, request: GenerateRequest): Reply
  replyCount(exchange: Exchange, inputTokens: number): void
  refuse(exchange: Exchange, error: HeadendError): void
  /** The JSON of an error, for answers to what never became an exchange. */
  errorBody(error: HeadendError, requestId: string): string
}

/** What the model routes show of one entry. */
export interface ModelEntry extends ModelFacts {
  readonly id: string
  readonly displayName: string
  readonly outputTokensMax: number | null
}
