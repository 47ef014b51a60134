/**
 * Leaves a target alone that keeps failing: who asks it would only wait for another failure, and it could not recover. A pure state
 * machine; `target-health.ts` holds the states.
 *
 * `generation` grows whenever it opens or closes. Who is let in remembers it, and an outcome counts only while it is still the same:
 * what was asked before the breaker opened says nothing about the probe that is under way now.
 */
export type Breaker =
  | {
      readonly kind: 'closed'
      readonly generation: number
      readonly sinceMs: number
      /** How often it opened before, without a quiet minute between. */
      readonly openings: number
      readonly failuresInRow: number
      readonly window: Window
    }
  | { readonly kind: 'open'; readonly generation: number; readonly openings: number; readonly untilMs: number }
  /** One request is let in to look; its outcome decides. The next one may look when the first took too long. */
  | { readonly kind: 'half-open'; readonly generation: number; readonly openings: number; readonly untilMs: number }

/** What became of the requests of the last 15 to 30 seconds: this half window and the one before it. */
interface Window {
  readonly startMs: number
  readonly asked: number
  readonly failed: number
  readonly askedBefore: number
  readonly failedBefore: number
}

/** What a request learnt about its target. `none`: nothing, as when its client left. */
export type Outcome = 'answered' | 'failed' | 'none'

const failuresInRowMax = 10
const windowMs = 30_000
/** Fewer requests say nothing about a rate. */
const askedMin = 20
const failedShareMax = 0.5

const openMinMs = 1000
const openMaxMs = 60_000
/** Closed for so long, it has recovered; one that falls down again sooner is left alone for longer each time. */
const recoveredMs = 60_000
/** A probe may hang as long as its upstream may be silent, and the upstream may be well again long before. */
const probeMs = 30_000

export function createBreaker(nowMs: number): Breaker {
  return closed(0, 0, nowMs)
}

/** How long nothing may be sent, milliseconds. */
export function closedForMs(breaker: Breaker, nowMs: number): number {
  return breaker.kind === 'closed' ? 0 : Math.max(breaker.untilMs - nowMs, 0)
}

/** Whether a request may be sent now. */
export function isPassable(breaker: Breaker, nowMs: number): boolean {
  return closedForMs(breaker, nowMs) === 0
}

/** A passable breaker lets a request in. */
export function pass(breaker: Breaker, nowMs: number): Breaker {
  return breaker.kind === 'closed' ? breaker : { ...breaker, kind: 'half-open', untilMs: nowMs + probeMs }
}

/** @param random 0 to 1, for the time that it stays open */
export function conclude(
  breaker: Breaker,
  generation: number,
  outcome: Outcome,
  nowMs: number,
  random: number,
): Breaker {
  if (generation !== breaker.generation || breaker.kind === 'open') return breaker
  if (breaker.kind === 'half-open') {
    if (outcome === 'answered') return closed(generation + 1, breaker.openings, nowMs)
    if (outcome === 'failed') return opened(breaker, nowMs, random)
    return { ...breaker, untilMs: nowMs } // the next one may look
  }
  if (outcome === 'none') return breaker
  const failed = outcome === 'failed'
  const window = noted(breaker.window, failed, nowMs)
  const failuresInRow = failed ? breaker.failuresInRow + 1 : 0
  if (failed && (failuresInRow >= failuresInRowMax || isBad(window))) return opened(breaker, nowMs, random)
  const { kind, sinceMs, openings } = breaker
  // Written out: each object that begins with a spread had a shape of its own here, and whoever reads it pays for that.
  return { kind, generation, sinceMs, openings, failuresInRow, window }
}

/** An active health check has asked for itself: down opens, up lets a request look at once. */
export function check(breaker: Breaker, up: boolean, nowMs: number, random: number): Breaker {
  if (!up) return breaker.kind === 'open' && nowMs < breaker.untilMs ? breaker : opened(breaker, nowMs, random)
  return breaker.kind === 'open' ? { ...breaker, kind: 'half-open', untilMs: nowMs } : breaker
}

function closed(generation: number, openings: number, nowMs: number): Breaker {
  const window = { startMs: nowMs, asked: 0, failed: 0, askedBefore: 0, failedBefore: 0 }
  return { kind: 'closed', generation, sinceMs: nowMs, openings, failuresInRow: 0, window }
}

/** Each time twice as long, less up to a quarter, so that several servers in front of one upstream do not come back together. */
function opened(breaker: Breaker, nowMs: number, random: number): Breaker {
  const hasRecovered = breaker.kind === 'closed' && nowMs - breaker.sinceMs >= recoveredMs
  const openings = hasRecovered ? 0 : breaker.openings
  const openMs = Math.min(openMinMs * 2 ** openings, openMaxMs) * (1 - random / 4)
  return { kind: 'open', generation: breaker.generation + 1, openings: openings + 1, untilMs: nowMs + openMs }
}

function noted(window: Window, failed: boolean, nowMs: number): Window {
  const { startMs, asked, failed: failedCount, askedBefore, failedBefore } = moved(window, nowMs)
  return { startMs, asked: asked + 1, failed: failedCount + (failed ? 1 : 0), askedBefore, failedBefore }
}

function moved(window: Window, nowMs: number): Window {
  const ageMs = nowMs - window.startMs
  if (ageMs < windowMs / 2) return window
  const isNext = ageMs < windowMs
  return {
    startMs: nowMs,
    asked: 0,
    failed: 0,
    askedBefore: isNext ? window.asked : 0,
    failedBefore: isNext ? window.failed : 0,
  }
}

function isBad({ asked, failed, askedBefore, failedBefore }: Window): boolean {
  const askedCount = asked + askedBefore
  return askedCount >= askedMin && (failed + failedBefore) / askedCount >= failedShareMax
}
