import type { LlamaContextSequence, Token } from 'node-llama-cpp'
import { type SlotState, sharedPrefixCount } from './slots.ts'

/** One context sequence with its KV cache, and what is known of its content. */
export class Slot implements SlotState {
  readonly index: number
  readonly sequence: LlamaContextSequence
  readonly resident: Uint32Array
  residentCount = 0
  conversation: string | null = null
  busy = false
  lastUsed = 0

  constructor(index: number, sequence: LlamaContextSequence, contextTokens: number) {
    this.index = index
    this.sequence = sequence
    this.resident = new Uint32Array(contextTokens)
  }

  reusable(sharedCount: number): number {
    if (!this.sequence.needsCheckpoints || sharedCount === 0 || sharedCount >= this.residentCount) return sharedCount
    return sharedCount - this.sequence.getRestoreToPrefixIndexEvaluationSize(sharedCount - 1)
  }

  /**
   * Cuts the cache back to what it shares with the prompt. At least the last token of the prompt is left to evaluate, since its
   * logits are what the answer starts from.
   * @returns tokens that need not be read again, and the ones that do
   */
  async adapt(prompt: Uint32Array): Promise<{ cachedTokens: number; unread: Token[] }> {
    const shared = sharedPrefixCount(this.resident, this.residentCount, prompt.subarray(0, -1))
    // No shift: moved keys and values are not those of a fresh context.
    await this.sequence.adaptStateToTokens(Array.from(prompt.subarray(0, shared)) as Token[], false)
    const cachedTokens = this.sequence.nextTokenIndex
    this.resident.set(prompt)
    return { cachedTokens, unread: Array.from(prompt.subarray(cachedTokens)) as Token[] }
  }

  /** Notes a generated token; `index` is its place after the prompt. */
  note(promptCount: number, index: number, token: Token): void {
    this.resident[promptCount + index] = token // beyond the context it is dropped, as it will never be evaluated
  }

  /** Only what was evaluated is in the cache: a cancelled prompt in part, and never the last token sampled. */
  settle(): void {
    this.residentCount = this.sequence.nextTokenIndex
  }
}
