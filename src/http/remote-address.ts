import { SocketAddress } from 'node:net'

const mappedPrefix = '::ffff:'

/** IPv4 clients of a dual-stack socket look like `::ffff:127.0.0.1`; everybody means 127.0.0.1. */
export function unmapAddress(address: string): string {
  return address.startsWith(mappedPrefix) && address.includes('.') ? address.slice(mappedPrefix.length) : address
}

/** Four or sixteen bytes in network order. */
export function formatAddress(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  return groups.length === 8
    ? unmapAddress(new SocketAddress({ address: groups.join(':'), family: 'ipv6' }).address)
    : ''
}
