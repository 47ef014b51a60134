import type { LlamaContextSequence, Token } from 'node-llama-cpp'

/** A piece costs a batch of its own, so tiny ones waste more than they win. */
const pieceTokensMin = 16
/** The first piece, before any speed was measured. */
const pieceTokensFirst = 64
/** How fast the estimate of the prefill speed follows the last piece. */
const speedWeight = 0.5

/** What prefill needs of a sequence. */
export type PromptReader = Pick<LlamaContextSequence, 'evaluateWithoutGeneratingNewTokens'>

/**
 * Reads prompts in pieces, because one long evaluation neither lets the streams beside it go on nor notices a cancel
 * (design fact 2). One piece at a time over all slots of a worker: with two prompts being read, the streams still wait for one.
 */
export interface Prefill {
  /**
   * Evaluates tokens piece by piece until `left` of them remain: none, or what one last piece takes.
   * @returns how many were evaluated; fewer when `cancelled` said so in between
   */
  feed(
    sequence: PromptReader,
    tokens: readonly Token[],
    left: 'none' | 'last-piece',
    cancelled: () => boolean,
  ): Promise<number>
  /** Runs the evaluation of one piece, such as the last one with the first decode step, in its turn. */
  inTurn<Result>(pieceTokens: number, evaluate: () => Promise<Result>): Promise<Result>
}

export interface PrefillOptions {
  readonly stallTargetMs: number
  /** The most that one batch takes, tokens. */
  readonly batchTokens: number
}

export function createPrefill({ stallTargetMs, batchTokens }: PrefillOptions): Prefill {
  let tokensPerMs: number | null = null
  let turn: Promise<void> = Promise.resolve()

  async function timed<Result>(pieceTokens: number, evaluate: () => Promise<Result>): Promise<Result> {
    const startedAt = performance.now()
    const result = await evaluate()
    if (pieceTokens < pieceTokensMin) return result // mostly overhead: it says nothing of the speed
    const measured = pieceTokens / Math.max(performance.now() - startedAt, 0.01)
    tokensPerMs = tokensPerMs === null ? measured : tokensPerMs + (measured - tokensPerMs) * speedWeight
    return result
  }

  function inTurn<Result>(pieceTokens: number, evaluate: () => Promise<Result>): Promise<Result> {
    const mine = turn.then(() => timed(pieceTokens, evaluate))
    turn = mine.then(noop, noop) // a failed piece fails its own request only
    return mine
  }

  return {
    inTurn,
    async feed(sequence, tokens, left, cancelled) {
      let fed = 0
      while (!cancelled()) {
        const pieceTokens = choosePieceTokens(tokensPerMs, stallTargetMs, batchTokens)
        const remaining = tokens.length - fed
        if (remaining === 0 || (left === 'last-piece' && remaining <= pieceTokens)) break
        const piece = tokens.slice(fed, fed + pieceTokens)
        await inTurn(piece.length, () => sequence.evaluateWithoutGeneratingNewTokens(piece))
        fed += piece.length
      }
      return fed
    },
  }
}

function noop(): void {}

/** Tokens of the next piece: what the measured speed reads within the stall target. */
export function choosePieceTokens(tokensPerMs: number | null, stallTargetMs: number, batchTokens: number): number {
  if (tokensPerMs === null) return Math.min(pieceTokensFirst, batchTokens)
  return Math.min(Math.max(Math.floor(tokensPerMs * stallTargetMs), pieceTokensMin), batchTokens)
}
