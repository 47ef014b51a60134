import { randomBytes } from 'node:crypto'

const alphabet = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `msg_` and 24 alphanumerics. */
export function newMessageId(): string {
  let id = 'msg_'
  // The modulo favours a few letters slightly: with 140 bits left that makes no collision.
  for (const byte of randomBytes(24)) id += alphabet[byte % alphabet.length]
  return id
}
