import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { DecodeTask, GenerateTask, LoadTask } from '../../../workers/messages.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { EventSink } from '../../contract/events.ts'
import type { Signal } from '../../contract/signal.ts'
import { Channel, creditEvents } from './channel.ts'
import { chooseWorker, type Placed, type WorkerLoad } from './choose-worker.ts'
import { modelLoading } from './prepare.ts'
import { type PoolReports, SupervisedPool, WorkerLost } from './supervised-pool.ts'

export interface DecodePoolOptions {
  readonly workerCount: number
  readonly load: Omit<LoadTask, 'type' | 'port'>
  readonly reports: PoolReports
}

/** What a request asks of a decode worker. */
export type Job = Omit<GenerateTask, 'type' | 'port' | 'credit'>

/** Decode workers as one: places every job on the worker that answers it soonest. */
export interface DecodePool {
  /** Slots of the workers that are up. */
  readonly slotCount: number
  watch(listener: () => void): void
  status(): readonly { readonly id: number; readonly ready: boolean; readonly busySlots: number }[]
  /** Resolves when the sink has the answer and the slot is free again. */
  run(job: Job, sink: EventSink, signal: Signal): Promise<void>
  /** Running requests finish. */
  close(): Promise<void>
  /** Running requests end at their next token. */
  destroy(): Promise<void>
}

interface Load {
  busyCount: number
  recent: readonly Placed[]
}

export async function openDecodePool({ workerCount, load, reports }: DecodePoolOptions): Promise<DecodePool> {
  const { slotCount } = load
  const pool = await SupervisedPool.open<DecodeTask, void>({
    module: 'main',
    threadCount: workerCount,
    tasksPerWorker: slotCount,
    loadTask: (port) => ({ type: 'load', ...load, port }),
    reports,
  })
  const loads = new Map<number, Load>()
  const running = new Map<Channel, Promise<void>>()

  function candidates(): (WorkerLoad & { id: number; load: Load })[] {
    return pool.workers.map(({ id, ready }) => {
      const load = loads.get(id) ?? { busyCount: 0, recent: [] }
      loads.set(id, load)
      return { id, ready, load, busyCount: load.busyCount, slotCount, recent: load.recent }
    })
  }

  function forgetLostWorkers(): void {
    const alive = new Set(pool.workers.map(({ id }) => id))
    for (const id of loads.keys()) if (!alive.has(id)) loads.delete(id)
  }
  pool.on('change', forgetLostWorkers)

  async function answer(workerId: number, job: Job, channel: Channel, port: MessagePort): Promise<void> {
    try {
      await pool.run(workerId, { type: 'generate', ...job, port, credit: creditEvents }, [port])
      await channel.finished
    } finally {
      channel.close()
    }
  }

  /** A thread that is stopped while its engine computes takes the whole process with it, so its slots must be idle first. */
  async function closeWhenIdle(): Promise<void> {
    while (running.size > 0) await Promise.allSettled(running.values())
    await pool.destroy()
  }

  return {
    get slotCount() {
      return pool.readyCount * slotCount
    },
    watch: (listener) => {
      pool.on('change', listener)
    },
    status: () => candidates().map(({ id, ready, busyCount }) => ({ id, ready, busySlots: busyCount })),
    async run(job, sink, signal) {
      const placed = { conversation: job.conversation, prompt: job.prompt.tokens }
      const worker = chooseWorker(candidates(), placed)
      if (worker === null) throw modelLoading()
      worker.load.busyCount++
      worker.load.recent = remember(worker.load.recent, placed, slotCount)
      const { port1, port2 } = new MessageChannel()
      const channel = new Channel(port1, sink, signal)
      const answered = answer(worker.id, job, channel, port2)
      running.set(channel, answered)
      try {
        await answered
      } catch (cause) {
        throw cause instanceof WorkerLost ? workerLost(cause) : cause
      } finally {
        running.delete(channel)
        worker.load.busyCount--
      }
    },
    close: closeWhenIdle,
    destroy() {
      const reason = new HeadendError('unavailable', 'The server is shutting down')
      for (const channel of running.keys()) channel.end(reason)
      return closeWhenIdle()
    },
  }
}

/** One entry a conversation, and as many as the worker has slots: older ones will have been overwritten. */
function remember(recent: readonly Placed[], placed: Placed, slotCount: number): readonly Placed[] {
  const others = recent.filter(({ conversation }) => conversation !== placed.conversation)
  return [placed, ...others].slice(0, slotCount)
}

function workerLost(cause: unknown): HeadendError {
  const message = 'The model worker stopped while answering this request and is being replaced; try again'
  return new HeadendError('worker-lost', message, { cause, retryAfterSeconds: 2 })
}
