import type { UpstreamResponse } from './response.ts'

/** `ended`: the upstream has said its last word. `enough`: it would go on, and nobody wants more. */
export type Progress = 'reading' | 'ended' | 'enough'

/** How long an upstream that has said all gets to end its response, so that its connection can be used again. */
const lingerMs = 1000

/**
 * Passes on the body until the reader has what it wants, and does not wait for the end of the response then.
 * @param onBytes a promise pauses the socket; what it throws ends the upstream's request
 * @returns whether the reader has what it wants; else the body is over
 */
export function readUntil(
  response: UpstreamResponse,
  onBytes: (bytes: Uint8Array) => Promise<void> | null,
  progress: () => Progress,
): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let linger: NodeJS.Timeout | undefined
    response
      .pump((bytes) => {
        if (progress() !== 'reading') return null // waiting for the end of the response
        const waiting = onBytes(bytes)
        const state = progress()
        if (state === 'reading') return waiting
        resolve(true)
        if (state === 'ended') linger = setTimeout(() => response.cancel(), lingerMs)
        else response.cancel()
        return null
      })
      .then(() => resolve(false), reject) // without effect once the reader had it all
      .finally(() => clearTimeout(linger))
  })
}
