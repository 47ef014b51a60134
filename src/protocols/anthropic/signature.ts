import { createHmac, randomBytes } from 'node:crypto'

// One key per process: a signature only has to be opaque and non-empty (some clients drop thinking blocks without one),
// and signatures that come back are not verified.
const key = randomBytes(32)

/** What a finished thinking block carries; `hd1.` names the scheme. */
export function signThinking(text: string): string {
  return `hd1.${createHmac('sha256', key).update(text).digest('base64url')}`
}
