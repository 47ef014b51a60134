import type { Protocol } from '../contract/protocol.ts'
import { createAnthropicProtocol } from './anthropic/protocol.ts'
import type { StreamSettings } from './anthropic/stream-encoder.ts'

/** Every inbound format that headend speaks. */
export function createProtocols(settings: StreamSettings): { readonly anthropic: Protocol } {
  return { anthropic: createAnthropicProtocol(settings) }
}
