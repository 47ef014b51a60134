export type AbortListener = (() => void) | { handleEvent(): void }

/**
 * What this house uses of an AbortSignal; every AbortSignal is one. Requests have a lighter one: Node 20 gives each AbortSignal a
 * prototype after it was made, so that V8 knows none of their shapes: 9 us to make one, and then eight slow look-ups a request.
 */
export interface Signal {
  readonly aborted: boolean
  readonly reason: unknown
  /** @throws the reason, once it is aborted */
  throwIfAborted(): void
  addEventListener(type: 'abort', listener: AbortListener, options?: { readonly once?: boolean }): void
  removeEventListener(type: 'abort', listener: AbortListener): void
}
