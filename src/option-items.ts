// What the items of list options look like: each parser returns the item as it is kept, or throws a Refusal.

import { isIP } from 'node:net'
import { hashLine, parseApiKey } from './admission/api-keys.ts'
import { Refusal, refuse } from './option-kinds.ts'

/** `/anthropic`: a leading slash, none at the end. */
export function parsePathPrefix(prefix: string): string {
  const trimmed = prefix.replace(/\/+$/, '')
  if (!/^(\/[\w.~%-]+)+$/.test(trimmed)) throw refuse('a path such as /anthropic', prefix)
  return trimmed
}

/** `10.0.0.0/8`; a bare address stands for itself alone. */
export function parseCidr(range: string): string {
  const [address = '', bits, ...rest] = range.split('/')
  const family = isIP(address)
  const bitsMax = family === 6 ? 128 : 32
  const isValid =
    family !== 0 && rest.length === 0 && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= bitsMax))
  if (!isValid) throw refuse('an address range such as 10.0.0.0/8', range)
  return `${address}/${bits === undefined ? bitsMax : Number(bits)}`
}

const hostNames = 'a name or an address without a port, such as models.example.com'

/** As the `host` header writes it: lower case, IPv6 in brackets. */
export function parseHostName(name: string): string {
  const bare = name.toLowerCase().replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) === 6) return `[${bare}]`
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/.test(bare)) throw refuse(hostNames, name)
  return bare
}

/** `https://app.example.com`, as the `origin` header writes it; `*` for all. */
export function parseOrigin(origin: string): string {
  const trimmed = origin.toLowerCase().replace(/\/$/, '')
  if (trimmed !== '*' && !/^[a-z][a-z0-9+.-]*:\/\/[^/?#\s]+$/.test(trimmed)) {
    throw refuse('* or an origin such as https://app.example.com', origin)
  }
  return trimmed
}

/** `fast=headend-tiny`: a name that clients use, and the id of the model that answers it. */
export function parseAlias(alias: string): string {
  const [, name = '', id = ''] = /^([^=]+)=([^=]+)$/.exec(alias) ?? []
  if (name.trim() === '' || id.trim() === '') throw refuse('NAME=ID, such as claude-local=headend-tiny', alias)
  return `${name.trim()}=${id.trim()}`
}

/** A key or its hash; only the hash is kept, and what was written is never repeated. */
export function parseKey(text: string): string {
  const key = parseApiKey(text, null)
  if (key === null) throw new Refusal('expected sha256: to be followed by 64 hexadecimal digits')
  return hashLine(key)
}
