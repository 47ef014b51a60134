import type { Lane } from '../contract/backend.ts'
import { type ErrorKind, errorKinds, type HeadendError } from '../contract/errors.ts'
import type { Target } from '../router.ts'
import { type Breaker, check, closedForMs, conclude, createBreaker, type Outcome } from './breaker.ts'
import { failureRules } from './failure-rules.ts'
import { RecentMap } from './recent-map.ts'
import { createRetryBudget, type RetryBudget } from './retry-budget.ts'

/** What all requests together know of one target. */
export interface TargetHealth {
  readonly id: string
  readonly lane: Lane
  breaker: Breaker
  budget: RetryBudget
  /** Requests that run on it or wait for it. */
  outstanding: number
  /** It has said when to come back, so others are asked until then. */
  restsUntilMs: number
  requests: number
  failures: number
  lastFailure: { readonly kind: ErrorKind; readonly atMs: number } | null
  /** Mean time until it begins to answer; `null`: it never did. */
  firstEventMs: number | null
}

/** What `/status` shows of a target; plain JSON. */
export interface TargetStatus {
  readonly id: string
  readonly breaker: Breaker['kind']
  /** When it may be asked again; 0: now. */
  readonly closedForMs: number
  readonly outstanding: number
  readonly requests: number
  readonly failures: number
  readonly lastFailure: ErrorKind | null
  readonly lastFailureAgoMs: number | null
  readonly firstEventMs: number | null
}

export interface HealthBook {
  of(target: Target): TargetHealth
  /** An active health check of everything that stands in this lane. */
  note(lane: Lane, up: boolean): void
  status(): readonly TargetStatus[]
}

/** Clients invent names where an upstream takes any; those that were used last are known. */
const targetsMax = 4096

/** Nobody rests longer than this, whatever he asked for. */
const restMaxMs = 60_000

/** How much one request moves the mean. */
const weight = 0.2

export function createHealthBook(now: () => number, random: () => number): HealthBook {
  const known = new RecentMap<TargetHealth>(targetsMax)
  /** Lanes whose last check failed: targets that are asked for the first time are not tried either. */
  const down = new WeakSet<Lane>()

  function open({ id, backend: { lane } }: Target): TargetHealth {
    const closed = createBreaker(now())
    const health: TargetHealth = {
      id,
      lane,
      breaker: down.has(lane) ? check(closed, false, now(), random()) : closed,
      budget: createRetryBudget(now()),
      outstanding: 0,
      restsUntilMs: 0,
      requests: 0,
      failures: 0,
      lastFailure: null,
      firstEventMs: null,
    }
    known.set(id, health)
    return health
  }

  return {
    of: (target) => known.get(target.id) ?? open(target),
    note(lane, up) {
      if (up) down.delete(lane)
      else down.add(lane)
      for (const health of known.values()) {
        if (health.lane === lane) health.breaker = check(health.breaker, up, now(), random())
      }
    },
    status: () => known.values().map((health) => describe(health, now())),
  }
}

/** Notes how a request ended; `null`: well. */
export function noteEnd(
  health: TargetHealth,
  generation: number,
  failure: HeadendError | null,
  nowMs: number,
  random: number,
  counts = true,
): void {
  const outcome: Outcome = failure === null ? 'answered' : counts ? failureRules[failure.kind].health : 'none'
  health.breaker = conclude(health.breaker, generation, outcome, nowMs, random)
  if (failure === null) {
    health.restsUntilMs = 0 // it has come back before its time
    return
  }
  if (errorKinds[failure.kind].source !== 'client') {
    health.failures++
    health.lastFailure = { kind: failure.kind, atMs: nowMs }
  }
  const isDemand = errorKinds[failure.kind].source === 'upstream' && failure.retryAfterSeconds !== null
  if (isDemand) health.restsUntilMs = nowMs + Math.min((failure.retryAfterSeconds ?? 0) * 1000, restMaxMs)
}

/** Notes how long it took to begin. */
export function noteStart(health: TargetHealth, durationMs: number): void {
  const mean = health.firstEventMs ?? durationMs
  health.firstEventMs = mean + (durationMs - mean) * weight
}

function describe(health: TargetHealth, nowMs: number): TargetStatus {
  const { id, breaker, outstanding, requests, failures, lastFailure, firstEventMs } = health
  return {
    id,
    breaker: breaker.kind,
    closedForMs: Math.round(closedForMs(breaker, nowMs)),
    outstanding,
    requests,
    failures,
    lastFailure: lastFailure?.kind ?? null,
    lastFailureAgoMs: lastFailure === null ? null : Math.round(nowMs - lastFailure.atMs),
    firstEventMs: firstEventMs === null ? null : Math.round(firstEventMs),
  }
}
