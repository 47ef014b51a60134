/** start (block-start block-delta* block-end)* finish. Blocks never overlap; `index` counts 0, 1, 2... Failures are thrown. */
export type StreamEvent =
  | { readonly type: 'start'; readonly usage: Usage | null } // before prefill; null: this upstream counts only at the end
  | { readonly type: 'block-start'; readonly index: number; readonly block: BlockHead }
  | { readonly type: 'block-delta'; readonly index: number; readonly text: string } // prose, or a fragment of tool-input JSON
  | { readonly type: 'block-end'; readonly index: number }
  | {
      readonly type: 'finish'
      readonly reason: FinishReason
      readonly stopSequence: string | null
      readonly explanation: string | null
      readonly usage: Usage | null
    }

export type BlockHead =
  | { readonly kind: 'text' }
  | { readonly kind: 'thinking' }
  | { readonly kind: 'tool-call'; readonly id: string; readonly name: string }

export type FinishReason = 'end-turn' | 'max-tokens' | 'stop-sequence' | 'tool-call' | 'context-full' | 'refusal'

/** Tokens. Prompt = input + cached + cacheWrite; only `inputTokens` and `cacheWriteTokens` cost prefill. `null`: not known. */
export interface Usage {
  readonly inputTokens: number
  readonly cachedTokens: number
  readonly outputTokens: number
  readonly cacheWriteTokens: { readonly short: number; readonly long: number }
  readonly thinkingTokens: number | null
}

export interface EventSink {
  /** The reader's socket is full. Who can pause at no cost, as a socket can, does so now; a model goes on until `write` says no. */
  readonly congested: boolean
  /** Takes the event in any case; `false` asks the producer to await `drained()` before the next one. */
  write(event: StreamEvent): boolean
  /** Resolves when the sink wants more; rejects once the client has gone. */
  drained(): Promise<void>
}
