import type { Usage } from '../../contract/events.ts'

interface PromptCounts {
  readonly input: number
  readonly cached: number
  readonly short: number
  readonly long: number
}

/**
 * What the events of one answer say of its tokens. They are totals, so a later count replaces an earlier one; what an event leaves
 * out stays. https://docs.anthropic.com/en/api/messages#response-usage
 */
export class AnthropicUsage {
  #prompt: PromptCounts | null = null
  #output: number | null = null
  #thinking: number | null = null

  /** @param usage the member of this name, whatever it is */
  add(usage: unknown): void {
    if (typeof usage !== 'object' || usage === null) return
    const wire = usage as Readonly<Record<string, unknown>>
    this.#addPrompt(wire)
    this.#output = countOf(wire.output_tokens) ?? this.#output
    this.#thinking = countOf(memberOf(wire.output_tokens_details, 'thinking_tokens')) ?? this.#thinking
  }

  /** Some servers count the prompt at one end of the stream only, and write zeros at the other. */
  #addPrompt(wire: Readonly<Record<string, unknown>>): void {
    const input = countOf(wire.input_tokens)
    const cached = countOf(wire.cache_read_input_tokens)
    const written = countOf(wire.cache_creation_input_tokens)
    const short = countOf(memberOf(wire.cache_creation, 'ephemeral_5m_input_tokens'))
    const long = countOf(memberOf(wire.cache_creation, 'ephemeral_1h_input_tokens'))
    const split = short === null && long === null ? this.#unsplit(written) : { short: short ?? 0, long: long ?? 0 }
    if ((input ?? 0) + (cached ?? 0) + (written ?? 0) === 0) return
    const before = this.#prompt
    this.#prompt = { input: input ?? before?.input ?? 0, cached: cached ?? before?.cached ?? 0, ...split }
  }

  /** Events at the end tell the sum only: the split that is known already holds while it adds up. */
  #unsplit(written: number | null): Pick<PromptCounts, 'short' | 'long'> {
    const { short = 0, long = 0 } = this.#prompt ?? {}
    return written === null || written === short + long ? { short, long } : { short: written, long: 0 }
  }

  /** `null`: no event has said anything. */
  get told(): Usage | null {
    return this.#prompt === null && this.#output === null ? null : this.read(0, 0)
  }

  /** @param promptTokens estimated, and `outputTokens` too: what holds where nothing was said */
  read(promptTokens: number, outputTokens: number): Usage {
    const { input, cached, short, long } = this.#prompt ?? { input: promptTokens, cached: 0, short: 0, long: 0 }
    return {
      inputTokens: input,
      cachedTokens: cached,
      outputTokens: this.#output ?? outputTokens,
      cacheWriteTokens: { short, long },
      thinkingTokens: this.#thinking,
    }
  }
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : undefined
}

function countOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null
}
