/** How much one request moves the estimate. */
const weight = 0.2
const secondsMax = 60

/** How long requests take, to tell a refused client when it is worth coming back. */
export interface ServiceRate {
  served(durationMs: number): void
  /** Whole seconds until `waitingCount` requests have been served by `capacity` at once; 1 to 60. */
  secondsUntilServed(waitingCount: number, capacity: number): number
  /** As `secondsUntilServed`, milliseconds, neither rounded nor bounded; 0 until the first request has been served. */
  msUntilServed(waitingCount: number, capacity: number): number
}

export function createServiceRate(): ServiceRate {
  let meanMs: number | null = null
  const msUntilServed = (waitingCount: number, capacity: number): number =>
    ((meanMs ?? 0) * waitingCount) / Math.max(capacity, 1)
  return {
    msUntilServed,
    served(durationMs) {
      meanMs = meanMs === null ? durationMs : meanMs + (durationMs - meanMs) * weight
    },
    secondsUntilServed(waitingCount, capacity) {
      return Math.min(Math.max(Math.ceil(msUntilServed(waitingCount, capacity) / 1000), 1), secondsMax)
    },
  }
}
