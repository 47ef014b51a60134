import type { Lane } from '../../src/contract/backend.ts'
import type { DispatchSettings } from '../../src/routing/dispatch.ts'
import { createDispatcher, type Dispatcher } from '../../src/routing/dispatcher.ts'

/** A dispatcher whose clock is moved by hand and by its own pauses, and whose chance is always the least, unless told otherwise. */
export class DispatchClock {
  readonly dispatcher: Dispatcher
  readonly pauses: number[] = []
  readonly waits = new Map<Lane, number>()
  nowMs = 0
  random = 0
  /** Called within each pause. */
  whilePausing: () => void = () => {}

  constructor(settings: Partial<DispatchSettings> = {}) {
    this.dispatcher = createDispatcher(
      { upstreamRetries: 2, spillAfterMs: 0, hedgeAfterMs: 0, ...settings },
      {
        estimateWaitMs: (lane) => this.waits.get(lane) ?? 0,
        now: () => this.nowMs,
        random: () => this.random,
        pause: async (durationMs, signal) => {
          this.pauses.push(durationMs)
          this.nowMs += durationMs
          this.whilePausing()
          signal.throwIfAborted()
        },
      },
    )
  }
}
