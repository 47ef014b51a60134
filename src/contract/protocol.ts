import type { ModelFacts } from './backend.ts'
import type { HeadendError } from './errors.ts'
import type { Exchange } from './exchange.ts'
import type { Reply } from './reply.ts'
import type { GenerateRequest } from './request.ts'

/** A request whose shape is right. What it means is looked at when its model is known, because an unknown model is told first. */
export interface Draft {
  readonly model: string
  readonly stream: boolean
  readonly maxTokens: number | null
  /** Thinking blocks of the answer carry their text. */
  readonly showsThinking: boolean
  /** A session that the body names (the session part of `metadata.user_id`, `prompt_cache_key`). */
  readonly sessionHint: string | null
  /** How the conversation begins: what stays the same in all of its requests. */
  opening(): readonly string[]
  /**
   * It asks for what only the hosted service has, as far as its shape tells: an upstream may well serve that, nobody else can.
   * `complete` throws it, too.
   */
  readonly fault: HeadendError | null
  /** @throws HeadendError invalid-request, naming the field */
  complete(): GenerateRequest
}

/** One inbound format. No I/O inside but through the exchange. */
export interface Protocol {
  readonly name: string
  /** @throws HeadendError invalid-request, naming the field */
  parse(body: Uint8Array, exchange: Exchange): Draft
  /** @param draft as `parse` made it */
  openReply(exchange: Exchange, draft: Draft): Reply
  refuse(exchange: Exchange, error: HeadendError): void
  /** The JSON of an error, for answers to what never became an exchange. */
  errorBody(error: HeadendError, requestId: string): string
}

/** A format that has a route to count tokens, too. */
export interface CountingProtocol extends Protocol {
  /** As `parse`: fields of generation may be missing. */
  parseCount(body: Uint8Array, exchange: Exchange): Draft
  replyCount(exchange: Exchange, inputTokens: number): void
}

/** What the model routes show of one entry. */
export interface ModelEntry extends ModelFacts {
  readonly id: string
  readonly displayName: string
  readonly outputTokensMax: number | null
}
