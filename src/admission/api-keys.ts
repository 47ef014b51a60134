import { hash, randomBytes, timingSafeEqual } from 'node:crypto'

/** A key that opens this server, as far as it is kept: nobody can read it back. */
export interface ApiKey {
  /** For the log; `null`: it was given none. */
  readonly name: string | null
  readonly hash: Buffer
}

const hashPrefix = 'sha256:'

export function isHash(text: string): boolean {
  return /^sha256:[0-9a-fA-F]{64}$/.test(text)
}

/**
 * A key as people write it: its hash, or the key itself.
 * @returns `null`: it begins like a hash and is none
 */
export function parseApiKey(text: string, name: string | null): ApiKey | null {
  if (isHash(text)) return { name, hash: Buffer.from(text.slice(hashPrefix.length), 'hex') }
  return text.startsWith(hashPrefix) ? null : { name, hash: hashKey(text) }
}

export function hashKey(key: string): Buffer {
  return hash('sha256', key, 'buffer')
}

/** What a file of keys holds in place of the key. */
export function hashLine({ hash, name }: ApiKey): string {
  return `${hashPrefix}${hash.toString('hex')}${name === null ? '' : ` ${name}`}`
}

/** 256 random bits: such a key cannot be guessed from its hash, so the hash needs no salt and no slow function. */
export function newKey(): string {
  return `hd-${randomBytes(32).toString('base64url')}`
}

/** Takes the same time whichever key it is, and when it is none: every one is compared, and no comparison ends early. */
export function findKey(keys: readonly ApiKey[], presented: Buffer): ApiKey | null {
  let found: ApiKey | null = null
  for (const key of keys) if (timingSafeEqual(key.hash, presented)) found = key
  return found
}
