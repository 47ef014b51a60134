/**
 * How many requests of a target may be sent once more. Without it every request of an outage is sent three times, which keeps the
 * upstream down. Counted for each target; a second target that is asked beside a slow one costs as much as a retry.
 */
export interface RetryBudget {
  readonly retries: number
  readonly atMs: number
}

/** So much is saved up at most, and there to begin with. */
const retriesMax = 10
/** Every request earns a fifth of a retry: retries are at most a fifth of the load when everything fails. */
const perRequest = 0.2
/** Who asks once in a while has retries, too. */
const perSecond = 0.1

export function createRetryBudget(nowMs: number): RetryBudget {
  return { retries: retriesMax, atMs: nowMs }
}

/** A request is sent for the first time. */
export function earn(budget: RetryBudget, nowMs: number): RetryBudget {
  return { retries: Math.min(savedAt(budget, nowMs) + perRequest, retriesMax), atMs: nowMs }
}

/** `null`: there is none left. */
export function spend(budget: RetryBudget, nowMs: number): RetryBudget | null {
  const saved = savedAt(budget, nowMs)
  return saved < 1 ? null : { retries: saved - 1, atMs: nowMs }
}

function savedAt({ retries, atMs }: RetryBudget, nowMs: number): number {
  return Math.min(retries + (Math.max(nowMs - atMs, 0) / 1000) * perSecond, retriesMax)
}
