import { setImmediate as nextTurn } from 'node:timers/promises'
import { SeededRandom } from '../fuzz/seeded-random.ts'

/** In what pieces an answer leaves: all at once, byte by byte, or cut at random places. */
export type Cut = 'whole' | 'bytes' | { readonly seed: number }

const pieceBytesMax = 40

/** Writes each piece in a turn of its own, so that the reader mostly gets them one by one, too. */
export async function writeInPieces(write: (piece: Buffer) => void, body: Buffer, cut: Cut): Promise<void> {
  const random = new SeededRandom(cut === 'whole' || cut === 'bytes' ? 0 : cut.seed)
  let start = 0
  while (start < body.length) {
    const length = cut === 'whole' ? body.length : cut === 'bytes' ? 1 : 1 + random.below(pieceBytesMax)
    write(body.subarray(start, start + length))
    start += length
    if (cut !== 'whole') await nextTurn()
  }
}
