import type { UpstreamSettings } from './settings.ts'

/** Either may hold a credential, whichever the protocol. */
export const credentialHeaders: readonly string[] = ['authorization', 'x-api-key']

/** The header that carries a key to servers of a protocol. */
export function keyHeaders(protocol: UpstreamSettings['protocol'], key: string): Readonly<Record<string, string>> {
  // Tokens of a subscription are no API keys: the hosted service takes them as bearer only.
  const isToken = key.startsWith('sk-ant-oat')
  return protocol === 'anthropic' && !isToken ? { 'x-api-key': key } : { authorization: `Bearer ${key}` }
}

/**
 * The client's own credential as this upstream wants it, where the settings pass it through; else nothing.
 * @param header of the client's request
 */
export function passedCredentials(
  { protocol, passThroughCredentials }: Pick<UpstreamSettings, 'protocol' | 'passThroughCredentials'>,
  header: (name: string) => string | null,
): Readonly<Record<string, string>> {
  if (!passThroughCredentials) return {}
  const key = header('x-api-key') // Anthropic's clients send both at times; this one counts there, too
  if (key !== null) return keyHeaders(protocol, key)
  const authorization = header('authorization')
  return authorization === null ? {} : { authorization }
}
