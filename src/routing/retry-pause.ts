const shortestMs = 250
const longestMs = 8000

/** An upstream that wants to be left alone for longer is not waited for: its client learns when to come back. */
export const waitMaxMs = 10_000

/**
 * Decorrelated jitter (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter): anything between the shortest
 * pause and three times the pause before. Requests that failed together do not come back together.
 * @param previousMs the pause before; 0: there was none
 * @param random 0 to 1
 * @returns milliseconds; `null`: too long to wait
 */
export function retryPauseMs(previousMs: number, retryAfterSeconds: number | null, random: number): number | null {
  const upperMs = Math.max(previousMs, shortestMs) * 3
  const pauseMs = Math.min(shortestMs + random * (upperMs - shortestMs), longestMs)
  if (retryAfterSeconds === null) return pauseMs
  const demandedMs = retryAfterSeconds * 1000
  // Behind the demanded time, too, they come one after the other.
  return demandedMs > waitMaxMs ? null : Math.max(pauseMs, demandedMs + random * shortestMs)
}
