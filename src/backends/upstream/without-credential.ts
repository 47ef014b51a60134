import type { UpstreamResponse } from './response.ts'

/** Shorter ones are placeholders such as `none`, which may stand anywhere. */
const credentialCharactersMin = 8

/**
 * Some upstreams repeat the key that they refuse, or the whole request. Whoever reads the answer, the client, the log and recordings
 * among them, does not get to see it. One that is cut by two pieces is missed.
 */
export function withoutCredential(response: UpstreamResponse, credential: string | null): UpstreamResponse {
  if (credential === null || credential.length < credentialCharactersMin) return response
  return {
    status: response.status,
    header: (name) => response.header(name),
    headerNames: () => response.headerNames(),
    pump: (onBytes) => response.pump((bytes) => onBytes(scrub(bytes, credential))),
    whole: async (bytesMax) => scrub(await response.whole(bytesMax), credential),
    cancel: () => response.cancel(),
  }
}

function scrub(bytes: Uint8Array, credential: string): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (!buffer.includes(credential)) return bytes
  return Buffer.from(buffer.toString('latin1').replaceAll(credential, '[key]'), 'latin1')
}
