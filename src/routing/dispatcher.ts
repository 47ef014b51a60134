import type { Call, Lane } from '../contract/backend.ts'
import type { Route } from '../router.ts'
import type { Dispatch, DispatchParts, DispatchSettings } from './dispatch.ts'
import { Journey } from './journey.ts'
import { RecentMap } from './recent-map.ts'
import { createHealthBook, type TargetStatus } from './target-health.ts'

/** Who answers next: what is known of the targets, and a journey for each request. Starts no timer of its own. */
export interface Dispatcher {
  /** @param conversation its key; `null`: nothing tells. Asked only when the route has several targets. */
  plan(route: Route, call: Call, conversation: () => string | null): Journey
  /** An active health check: `lane` is the lane of the upstream's targets. */
  noteHealth(lane: Lane, up: boolean): void
  /** What was asked lately. */
  status(): readonly TargetStatus[]
}

/** A key and an id are about 100 bytes. */
const conversationsMax = 20_000

export function createDispatcher(settings: DispatchSettings, parts: DispatchParts): Dispatcher {
  const { upstreamRetries, spillAfterMs, hedgeAfterMs } = settings
  const { estimateWaitMs, now, random, pause } = parts
  const health = createHealthBook(now, random)
  const conversations = new RecentMap<string>(conversationsMax)
  const dispatch: Dispatch = {
    upstreamRetries,
    spillAfterMs,
    hedgeAfterMs,
    estimateWaitMs,
    now,
    random,
    pause,
    health,
    conversations,
  }
  return {
    plan: (route, call, conversation) => new Journey(dispatch, route, call, conversation),
    noteHealth: health.note,
    status: health.status,
  }
}
