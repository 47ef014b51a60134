import type { EventSink } from './events.ts'
import type { Exchange } from './exchange.ts'
import type { Reply } from './reply.ts'
import type { GenerateRequest } from './request.ts'
import type { Signal } from './signal.ts'

/** Who asks. */
export interface Call {
  /** The request-id. */
  readonly id: string
  /** Whose turn it is: what the queue is fair to. */
  readonly session: Session
  readonly signal: Signal
  /** The client's headers, and what its response is to say beside the answer itself. */
  readonly client: Pick<Exchange, 'header' | 'headerNames' | 'addHeader'>
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

/** What requests wait for: the slots of a model, the connections of an upstream. All targets of one upstream share one. */
export interface Lane {
  /** Requests at once: slots of the workers that are up, or connections. */
  readonly capacity: number
  /** Called whenever `capacity` changed, so that the queue moves on. */
  watchCapacity(listener: () => void): void
}

/** The request as the client wrote it. */
export interface RawRequest {
  readonly body: Uint8Array
  /** As the client named it: what the answer calls it, too. */
  readonly model: string
  /** Put before the client's own system text. */
  readonly system: string | null
  /** A larger `max_tokens` is lowered to it. */
  readonly outputTokensMax: number | null
  readonly stream: boolean
}

/** The one way around the event protocol: the client's bytes go up, the upstream's come down, watched for usage and the end. */
export interface Relay {
  /** Name of the protocol of these bytes. */
  readonly protocol: string
  /** @param model what the upstream calls it; takes the place of the client's name for it */
  generate(request: RawRequest, model: string, reply: Reply, call: Call): Promise<void>
  /** @returns prompt tokens, as the upstream counts them; `null`: it does not count */
  countTokens(request: RawRequest, model: string, call: Call): Promise<number | null>
}

/** A model that an upstream says it has. */
export interface ListedModel {
  readonly id: string
  readonly displayName: string | null
  readonly facts: ModelFacts
  readonly outputTokensMax: number | null
}

export interface Backend {
  readonly name: string
  readonly lane: Lane
  facts(): ModelFacts
  /** Whether its server says that it has this model; `null`: it does not say. */
  readonly exists: boolean | null
  /** `false`: nothing can be answered now (no worker is up). */
  readonly ready: boolean
  /** What `/status` shows; plain JSON. */
  status(): Readonly<Record<string, unknown>>
  /** Renders and tokenises (local) or estimates (upstream); refuses what cannot fit. Needs no slot, so it runs before admission. */
  prepare(request: GenerateRequest, call: Call): Promise<Prepared>
  /** Prompt tokens, also of prompts that would not fit. Needs no slot. */
  countTokens(request: GenerateRequest, call: Call): Promise<number>
  generate(prepared: Prepared, sink: EventSink, call: Call): Promise<void>
  /** Both sides may speak the same protocol. */
  readonly relay?: Relay
  /** Ends politely: running requests finish. */
  close(): Promise<void>
  /** Ends now. */
  destroy(): Promise<void>
}
