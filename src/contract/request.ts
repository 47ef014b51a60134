/** A cache mark of the client closes a prefix worth keeping: `short` for five minutes, `long` for an hour. */
export type CacheMark = 'short' | 'long' | null

/** One block of a turn. `path` is where the client wrote it, for errors that are found only after parsing. */
export type ContentBlock =
  | { readonly kind: 'text'; readonly text: string; readonly cacheMark: CacheMark }
  | { readonly kind: 'image'; readonly source: ImageSource; readonly path: string; readonly cacheMark: CacheMark }
  | { readonly kind: 'thinking'; readonly text: string; readonly signature: string }
  | {
      readonly kind: 'tool-call'
      readonly id: string
      readonly name: string
      readonly input: Readonly<Record<string, unknown>>
      readonly cacheMark: CacheMark
    }
  | {
      readonly kind: 'tool-result'
      readonly callId: string
      readonly content: readonly ContentBlock[] // text and images only
      readonly isError: boolean
      readonly cacheMark: CacheMark
    }

export type ImageSource =
  | { readonly kind: 'base64'; readonly mediaType: string; readonly data: string }
  | { readonly kind: 'url'; readonly url: string }

/** Consecutive messages of one role are one turn already. A `system` turn stands in the middle of the conversation. */
export interface Turn {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: readonly ContentBlock[]
}

export interface SystemBlock {
  readonly text: string
  readonly cacheMark: CacheMark
}

export interface Tool {
  readonly name: string
  readonly description: string | null
  readonly inputSchema: Readonly<Record<string, unknown>>
  /** Calls must fit the schema exactly. Local models' calls always do. */
  readonly strict: boolean
  readonly cacheMark: CacheMark
}

export type ToolChoice =
  | { readonly kind: 'auto' | 'any' | 'none'; readonly parallel: boolean }
  | { readonly kind: 'tool'; readonly name: string; readonly parallel: boolean }

/**
 * `unset`: the client said nothing; thinking stays off, but what a model thinks all the same is shown. `shown: false`: the
 * client wants to know that there was a thought, and not its text.
 */
export type Thinking =
  | { readonly kind: 'unset' }
  | { readonly kind: 'off' }
  | { readonly kind: 'adaptive'; readonly shown: boolean }
  | { readonly kind: 'budget'; readonly budgetTokens: number; readonly shown: boolean }

export type Effort = 'low' | 'medium' | 'high' | 'xhigh' | 'max'

/** `null`: the client did not say; the backend's default holds. */
export interface Sampling {
  readonly temperature: number | null
  readonly topP: number | null
  readonly topK: number | null
  readonly minP: number | null
  readonly seed: number | null
  readonly penalties: Penalties | null
  /** Added to the logits of tokens, which go by their numbers in the model's own vocabulary. -100 is never, 100 always. */
  readonly logitBias: Readonly<Record<string, number>> | null
}

/** Of tokens that the answer holds already. A negative penalty is a preference. */
export interface Penalties {
  /** Their logits are divided by it; 1: no penalty. */
  readonly repeat: number | null
  /** Taken off for each time that a token has come; 0: no penalty. */
  readonly frequency: number | null
  /** Taken off once; 0: no penalty. */
  readonly presence: number | null
}

/** What a client asks for, free of any protocol. */
export interface GenerateRequest {
  readonly model: string
  /** Leading system text; joined with a blank line. */
  readonly system: readonly SystemBlock[]
  /** At least one turn. A final `assistant` turn is a prefill, which the answer continues. */
  readonly turns: readonly Turn[]
  readonly tools: readonly Tool[]
  readonly toolChoice: ToolChoice
  readonly thinking: Thinking
  /** How much to think, as a hint; `null`: the client did not say. */
  readonly effort: Effort | null
  readonly outputSchema: Readonly<Record<string, unknown>> | null
  /** `null`: as many as the context holds. 0: read the prompt into the cache and generate nothing. */
  readonly maxTokens: number | null
  /** Prompt and `maxTokens` together must fit the context, or the request is refused; else generation ends at its edge. */
  readonly outputMustFit: boolean
  readonly sampling: Sampling
  readonly stopSequences: readonly string[]
  readonly stream: boolean
  /** Who uses the client, as the client says (`metadata.user_id`); only upstreams that ask for it are told, and then a hash. */
  readonly userId: string | null
}
