import { randomFillSync } from 'node:crypto'

const alphabet = Buffer.from('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 'latin1')

// A system call for each id would cost more than the id: random bytes are drawn 8 KiB at a time.
const pool = Buffer.allocUnsafeSlow(8192)
let used = pool.length

/** Makes ids of a prefix and 24 alphanumerics, which are 142 random bits. */
export function createIdMaker(prefix: string): () => string {
  const scratch = Buffer.from(prefix + '-'.repeat(24), 'latin1')
  return () => {
    let position = prefix.length
    while (position < scratch.length) {
      if (used === pool.length) {
        randomFillSync(pool)
        used = 0
      }
      // Six bits name 64 values; the two without a letter are drawn again, so that no letter is likelier than another.
      const letter = alphabet[(pool[used++] as number) & 63]
      if (letter !== undefined) scratch[position++] = letter
    }
    return scratch.toString('latin1')
  }
}
