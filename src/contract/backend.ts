import type { EventSink } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { GenerateRequest } from './request.ts'

/** Who asks: names, not rights. */
export interface Call {
  /** The request-id. */
  readonly id: string
  /** Whose turn it is: what the queue is fair to. */
  readonly session: Session
  readonly signal: AbortSignal
}

/** `named`: the client named this session, so its own limits hold. Else it is a crowd: a key or an address. */
export interface Session {
  readonly key: string
  readonly named: boolean
}

/** What `prepare` leaves for `generate`; only its backend knows what else is inside. */
export interface Prepared {
  /** Prompt tokens, exact for local models, estimated for upstreams. */
  readonly promptTokens: number
}

export interface ModelFacts {
  /** Prompt and answer together, tokens. `null`: not known. */
  readonly contextTokens: number | null
  readonly createdAt: Date
  /** `null`: not known. */
  readonly capabilities: ModelCapabilities | null
}

/** What a model can do here, whatever its makers say of it. */
export interface ModelCapabilities {
  readonly imageInput: boolean
  readonly thinking: boolean
  readonly structuredOutputs: boolean
  readonly tools: boolean
}

export interface Backend {
  readonly name: string
  /** Requests at once: slots of the workers that are up, or connections. */
  readonly capacity: number
  /** Called whenever `capacity` changed, so that the queue moves on. */
  watchCapacity(listener: () => void): void
  facts(): ModelFacts
  /** `false`: nothing can be answered now (no worker is up). */
  readonly ready: boolean
  /** What `/status` shows; plain JSON. */
  status(): Readonly<Record<string, unknown>>
  /** Renders and tokenises (local) or estimates (upstream); refuses what cannot fit. Needs no slot, so it runs before admission. */
  prepare(request: GenerateRequest, call: Call): Promise<Prepared>
  /** Prompt tokens, also of prompts that would not fit. Needs no slot. */
  countTokens(request: GenerateRequest, call: Call): Promise<number>
  generate(prepared: Prepared, sink: EventSink, call: Call): Promise<void>
  /** The one way around the event protocol: both sides speak the same protocol, so bytes pass, watched for usage and the end. */
  relay?(exchange: Exchange, call: Call): Promise<void>
  /** Ends politely: running requests finish. */
  close(): Promise<void>
  /** Ends now. */
  destroy(): Promise<void>
}
