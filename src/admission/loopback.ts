import { isIPv4 } from 'node:net'

/** Whether this name or address (IPv6 with or without brackets) means this machine and is reached from nowhere else. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase()
  return name === 'localhost' || name === '::1' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))
}
