import { hash } from 'node:crypto'
import { BlockList, isIP } from 'node:net'
import type { Session } from '../contract/backend.ts'
import type { Exchange } from '../contract/exchange.ts'
import type { Caller } from './authorize.ts'

/** Headers that name a session, first choice first. */
const sessionHeaders = ['x-claude-code-session-id', 'x-session-id'] as const
/** A name is a key of a map that lives on: a longer one is hashed. */
const nameCharactersMax = 128

export type Identify = (caller: Caller, exchange: Exchange, sessionHint: string | null) => Session

/**
 * Whose turn it is (api-surface.md section 16). What a header or the body names is a session with limits of its own. A key or
 * an address is a crowd: 50 parallel calls of one script must not be refused.
 *
 * @param trustedProxies CIDR ranges whose `x-forwarded-for` is believed
 */
export function createIdentify(trustedProxies: readonly string[]): Identify {
  // Asking a list costs more than the rest of this, so one that is empty is not asked.
  const trusted = trustedProxies.length === 0 ? null : toBlockList(trustedProxies)
  return ({ credential, key }, exchange, sessionHint) => {
    const name = sessionHeaders.map((header) => exchange.header(header)).find((value) => value !== null && value !== '')
    const session = name ?? sessionHint
    if (session !== null && session !== undefined) {
      // Names are the client's to choose: where keys tell clients apart, no one can use up the limits of another's session.
      const owner = key === null ? '' : `${credential}:`
      return { key: `session:${owner}${shorten(session)}`, named: true }
    }
    if (credential !== null) return { key: `key:${credential}`, named: false }
    const address = trusted === null ? exchange.remoteAddress : clientAddress(exchange, trusted)
    return { key: `address:${address}`, named: false }
  }
}

/** The peer; behind trusted proxies, the right-most address of `x-forwarded-for` that is none of theirs. */
function clientAddress(exchange: Exchange, trusted: BlockList): string {
  let address = exchange.remoteAddress
  const forwarded = exchange.header('x-forwarded-for')?.split(',') ?? []
  while (isTrusted(trusted, address)) {
    const before = forwarded.pop()?.trim()
    if (before === undefined || isIP(before) === 0) return address
    address = before
  }
  return address
}

function isTrusted(trusted: BlockList, address: string): boolean {
  const version = isIP(address)
  return version !== 0 && trusted.check(address, version === 6 ? 'ipv6' : 'ipv4')
}

function toBlockList(ranges: readonly string[]): BlockList {
  const list = new BlockList()
  for (const range of ranges) {
    const [address = '', prefix] = range.split('/')
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
    list.addSubnet(address, prefix === undefined ? (family === 'ipv6' ? 128 : 32) : Number(prefix), family)
  }
  return list
}

function shorten(name: string): string {
  return name.length <= nameCharactersMax ? name : hash('sha256', name, 'base64url')
}
