import type { Signal } from './signal.ts'

/** Waits, and no longer than the signal lets it: then it rejects with the signal's reason. */
export function pause(durationMs: number, signal: Signal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason)
    const leave = (): void => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', leave)
      resolve()
    }, durationMs)
    signal.addEventListener('abort', leave, { once: true })
  })
}
