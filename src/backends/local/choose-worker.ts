/** What `chooseWorker` needs to know of a decode worker. */
export interface WorkerLoad {
  /** Model loaded, and alive. */
  readonly ready: boolean
  readonly busyCount: number
  readonly slotCount: number
  /** What its slots were given last; what they hold begins so. */
  readonly recent: readonly Placed[]
}

export interface Placed {
  readonly conversation: string
  readonly prompt: Uint32Array
}

/** Below this share of the prompt, an idle worker reads it all sooner than a busy one reads the rest. */
const affinityShareMin = 0.5

/**
 * The worker that had the last turn of this conversation; else the one that holds most of the prompt already, if that is at least
 * half of it; else the one with the most idle slots. `null` when no worker is ready and has an idle slot.
 */
export function chooseWorker<Worker extends WorkerLoad>(workers: readonly Worker[], job: Placed): Worker | null {
  let best: Worker | null = null
  let bestShared = 0
  for (const worker of workers) {
    if (!worker.ready || worker.busyCount >= worker.slotCount) continue
    if (worker.recent.some(({ conversation }) => conversation === job.conversation)) return worker
    const longest = longestSharedPrefix(worker.recent, job.prompt)
    const shared = longest >= job.prompt.length * affinityShareMin ? longest : 0
    if (best === null || shared > bestShared || (shared === bestShared && idleCount(worker) > idleCount(best))) {
      best = worker
      bestShared = shared
    }
  }
  return best
}

function idleCount(worker: WorkerLoad): number {
  return worker.slotCount - worker.busyCount
}

function longestSharedPrefix(recent: readonly Placed[], prompt: Uint32Array): number {
  let longest = 0
  for (const { prompt: other } of recent) {
    const limit = Math.min(other.length, prompt.length)
    let index = 0
    while (index < limit && other[index] === prompt[index]) index++
    if (index > longest) longest = index
  }
  return longest
}
