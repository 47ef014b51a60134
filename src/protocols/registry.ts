import type { Protocol } from '../contract/protocol.ts'
import { type AnthropicSettings, createAnthropicProtocol } from './anthropic/protocol.ts'

/** Every inbound format that headend speaks. */
export function createProtocols(settings: AnthropicSettings): { readonly anthropic: Protocol } {
  return { anthropic: createAnthropicProtocol(settings) }
}
