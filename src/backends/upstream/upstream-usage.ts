import type { Usage } from '../../contract/events.ts'
import { type Fields, fieldsOf } from './fields.ts'

/** Of English text and of code alike, roughly. */
const bytesPerToken = 3.6

/**
 * The tokens of one answer: what the upstream says of them, the last word counts, else an estimate. Zeros are no counts: some servers
 * write them into early chunks, or into all. https://platform.openai.com/docs/api-reference/chat-streaming
 */
export class UpstreamUsage {
  readonly #promptEstimate: number
  #prompt = 0
  #cached = 0
  #output = 0
  #thinking: number | null = null
  #outputBytes = 0

  /** @param promptEstimate tokens */
  constructor(promptEstimate: number) {
    this.#promptEstimate = promptEstimate
  }

  /** What a model wrote, in whatever channel: counted for upstreams that do not. */
  countOutput(text: string): void {
    this.#outputBytes += Buffer.byteLength(text)
  }

  /** Looks in all places of a chunk, or of a whole answer, that servers are known to use. */
  read(chunk: Fields): void {
    if (chunk.timings) this.#readTimings(fieldsOf(chunk.timings))
    if (chunk.x_groq) this.#readUsage(fieldsOf(fieldsOf(chunk.x_groq)?.usage))
    if (chunk.usage) this.#readUsage(fieldsOf(chunk.usage))
  }

  #readUsage(usage: Fields | null): void {
    if (usage === null) return
    const prompt = countOf(usage.prompt_tokens)
    if (prompt > 0) {
      this.#prompt = prompt
      // DeepSeek: https://api-docs.deepseek.com/guides/kv_cache
      this.#cached =
        countOf(fieldsOf(usage.prompt_tokens_details)?.cached_tokens) || countOf(usage.prompt_cache_hit_tokens)
    }
    const completion = countOf(usage.completion_tokens)
    if (completion === 0) return
    const thinking = fieldsOf(usage.completion_tokens_details)?.reasoning_tokens
    const thinkingCount = countOf(thinking)
    // Some add the thoughts to the total only (https://docs.x.ai/docs/guides/reasoning).
    const isApart = thinkingCount > 0 && countOf(usage.total_tokens) === prompt + completion + thinkingCount
    this.#output = isApart ? completion + thinkingCount : completion
    this.#thinking = typeof thinking === 'number' ? thinkingCount : null
  }

  /** llama-server's own counts, which it also sends where it leaves `usage` out. */
  #readTimings(timings: Fields | null): void {
    const evaluated = countOf(timings?.prompt_n)
    const cached = countOf(timings?.cache_n)
    if (evaluated + cached > 0) {
      this.#prompt = evaluated + cached
      this.#cached = cached
    }
    this.#output = countOf(timings?.predicted_n) || this.#output
  }

  /** While the answer is being written. */
  atStart(): Usage {
    return this.#with(0, null)
  }

  /** Even an answer that says nothing has taken the token that ends it. */
  atEnd(): Usage {
    return this.#with(this.#output || Math.max(Math.ceil(this.#outputBytes / bytesPerToken), 1), this.#thinking)
  }

  #with(outputTokens: number, thinkingTokens: number | null): Usage {
    const prompt = this.#prompt || this.#promptEstimate
    return {
      inputTokens: Math.max(0, prompt - this.#cached),
      cachedTokens: this.#cached,
      outputTokens,
      cacheWriteTokens: { short: 0, long: 0 },
      thinkingTokens,
    }
  }
}

/** 0 where there is no count. */
function countOf(value: unknown): number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : 0
}
