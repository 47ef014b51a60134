import type { CountingProtocol, Protocol } from '../contract/protocol.ts'
import { type AnthropicSettings, createAnthropicProtocol } from './anthropic/protocol.ts'
import { createOpenaiProtocol } from './openai/protocol.ts'

export interface Protocols {
  readonly anthropic: CountingProtocol
  readonly openai: Protocol
}

/** Every inbound format that headend speaks. */
export function createProtocols(settings: AnthropicSettings): Protocols {
  return { anthropic: createAnthropicProtocol(settings), openai: createOpenaiProtocol(settings) }
}
