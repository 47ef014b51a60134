import type { UpstreamSettings } from './settings.ts'
import type { HeaderList } from './upstream-request.ts'

/** Either may hold a credential, whichever the protocol. */
export const credentialHeaders: readonly string[] = ['authorization', 'x-api-key']

/** The header that carries a key to servers of a protocol. */
export function keyHeader(protocol: UpstreamSettings['protocol'], key: string): readonly [name: string, value: string] {
  // Tokens of a subscription are no API keys: the hosted service takes them as bearer only.
  const isToken = key.startsWith('sk-ant-oat')
  return protocol === 'anthropic' && !isToken ? ['x-api-key', key] : ['authorization', `Bearer ${key}`]
}

/**
 * The client's own credential as this upstream wants it, where the settings pass it through; else nothing.
 * @param header of the client's request
 */
export function passedCredentials(
  { protocol, passThroughCredentials }: Pick<UpstreamSettings, 'protocol' | 'passThroughCredentials'>,
  header: (name: string) => string | null,
): HeaderList {
  if (!passThroughCredentials) return nothing
  const key = header('x-api-key') // Anthropic's clients send both at times; this one counts there, too
  if (key !== null) return keyHeader(protocol, key)
  const authorization = header('authorization')
  return authorization === null ? nothing : ['authorization', authorization]
}

const nothing: HeaderList = []
