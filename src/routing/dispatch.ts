import type { Lane } from '../contract/backend.ts'
import type { Signal } from '../contract/signal.ts'
import type { RecentMap } from './recent-map.ts'
import type { HealthBook } from './target-health.ts'

export interface DispatchSettings {
  /** How often one target is asked once more after a failure that may pass. */
  readonly upstreamRetries: number
  /** For models that say nothing about it. 0: never. */
  readonly spillAfterMs: number
  readonly hedgeAfterMs: number
}

export interface DispatchParts {
  /** How long a request that comes now would wait for its turn. */
  estimateWaitMs(lane: Lane): number
  /** Milliseconds of a clock that never goes back. */
  now(): number
  /** 0 to 1. */
  random(): number
  /** @throws the signal's reason */
  pause(durationMs: number, signal: Signal): Promise<void>
}

/** What all journeys share. */
export interface Dispatch extends DispatchSettings, DispatchParts {
  readonly health: HealthBook
  /** Conversation to the id of the target that had its last turn. */
  readonly conversations: RecentMap<string>
}
