// What the items of list options look like: each parser returns the item as it is kept, or throws a Refusal.

import { isIP } from 'node:net'
import { hashLine, parseApiKey } from '../admission/api-keys.ts'
import { Refusal, refuse } from './value-kinds.ts'

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

export const baseUrls = 'the base URL of a server, such as https://api.openai.com/v1'

/** Paths that are put behind a base URL here, and that people copy along with it. */
const endpoints = /\/(?:chat\/completions|v1\/(?:completions|responses|messages|models))$/

/** Without a slash at its end. What was written is never repeated, because it may hold a credential. */
export function parseBaseUrl(text: string): string {
  if (!URL.canParse(text)) throw new Refusal(`expected ${baseUrls}`)
  const { protocol, username, password, search, hash, origin, pathname } = new URL(text)
  if (protocol !== 'http:' && protocol !== 'https:') throw new Refusal(`expected ${baseUrls}`)
  if (username !== '' || password !== '') {
    throw new Refusal('credentials do not belong in a URL; set HEADEND_UPSTREAM_KEY, or key_env in the file')
  }
  if (search !== '' || hash !== '') throw new Refusal(`expected ${baseUrls}, without a query or a fragment`)
  const path = pathname.replace(/\/+$/, '')
  const endpoint = endpoints.exec(path)
  if (endpoint !== null) throw new Refusal(`expected ${baseUrls}, without ${endpoint[0]}: that is put behind it`)
  return `${origin}${path}`
}

/** A key that is sent on, so it is kept as it is; what was written is never repeated. */
export function parseUpstreamKey(text: string): string {
  if (!/^[\x21-\x7e]+$/.test(text)) {
    throw new Refusal('expected one key: letters, digits and signs without spaces or line breaks')
  }
  return text
}
