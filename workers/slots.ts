/** What `chooseSlot` needs to know of a slot; the worker's own slots have more. */
export interface SlotState {
  readonly busy: boolean
  /** Tokens whose keys and values this slot holds, in order; only the first `residentCount` count. */
  readonly resident: ArrayLike<number>
  readonly residentCount: number
  /** Whose tokens they are; `null`: nobody's yet. */
  readonly conversation: string | null
  /** Monotonic; the larger, the more recent. */
  readonly lastUsed: number
  /**
   * How much of a shared prefix can really be kept. Models whose state cannot be cut at any point (hybrid, recurrent,
   * sliding-window) keep it only up to a checkpoint.
   */
  reusable(sharedCount: number): number
}

/** What a token that would be thrown away counts against a token that need not be read again: its conversation may never come back. */
const lostTokenWeight = 0.5

/**
 * The idle slot that costs least: prefill saved by what it shares with the prompt, less what of another conversation would be
 * lost. A turn of the same conversation loses nothing: what it does not share, it writes anew (templates render an old answer
 * otherwise than they began it). An empty slot is worth nothing either way, so it goes before one that would have to be emptied.
 * Ties go to the least recently used. `null` when every slot is busy.
 */
export function chooseSlot<Slot extends SlotState>(
  slots: readonly Slot[],
  prompt: ArrayLike<number>,
  conversation: string,
): Slot | null {
  let best: Slot | null = null
  let bestValue = Number.NEGATIVE_INFINITY
  for (const slot of slots) {
    if (slot.busy) continue
    const shared = sharedPrefixCount(slot.resident, slot.residentCount, prompt)
    const lost = slot.conversation === conversation ? 0 : slot.residentCount - shared
    const value = slot.reusable(shared) - lost * lostTokenWeight
    if (value > bestValue || (value === bestValue && best !== null && slot.lastUsed < best.lastUsed)) {
      best = slot
      bestValue = value
    }
  }
  return best
}

/** Length of the longest common prefix, tokens. */
export function sharedPrefixCount(
  resident: ArrayLike<number>,
  residentCount: number,
  prompt: ArrayLike<number>,
): number {
  const limit = Math.min(residentCount, prompt.length)
  let index = 0
  while (index < limit && resident[index] === prompt[index]) index++
  return index
}
