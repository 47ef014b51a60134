import type { Call, Lane } from '../contract/backend.ts'
import { HeadendError } from '../contract/errors.ts'
import { createServiceRate, type ServiceRate } from './service-rate.ts'

export interface AdmissionOptions {
  /** Running and waiting requests of one named session; 0: no limit. */
  readonly sessionConcurrency: number
  readonly sessionQueue: number
  /** Waiting requests in all. */
  readonly queue: number
  readonly queueTimeoutMs: number
}

export interface Permit {
  /** Idempotent. */
  release(): void
}

/** The only queue in the house: whoever has a permit finds a slot or a connection free. */
export interface Admission {
  /** @throws HeadendError session-busy, queue-full, queue-timeout, or the signal's reason */
  admit(call: Call, lane: Lane): Promise<Permit>
  /** How long a request that comes now would wait for its turn, milliseconds, as far as the requests so far tell. */
  estimateWaitMs(lane: Lane): number
  status(): { readonly running: number; readonly waiting: number }
}

interface Waiter {
  readonly call: Call
  readonly resolve: (permit: Permit) => void
  readonly timer: NodeJS.Timeout
  readonly leave: () => void
}

interface Queue {
  running: number
  readonly waiting: Set<Waiter> // in order of arrival; a set, so that leaving from the middle costs nothing
  readonly rate: ServiceRate
}

interface SessionCount {
  running: number
  waiting: number
}

/** First come, first served, but for a session that has its share running already: those behind it pass. */
export function createAdmission(options: AdmissionOptions): Admission {
  const queues = new Map<Lane, Queue>()
  const sessions = new Map<string, SessionCount>()
  let waitingCount = 0

  function queueOf(lane: Lane): Queue {
    const known = queues.get(lane)
    if (known !== undefined) return known
    const queue: Queue = { running: 0, waiting: new Set(), rate: createServiceRate() }
    queues.set(lane, queue)
    lane.watchCapacity(() => advance(lane, queue))
    return queue
  }

  function countOf(call: Call): SessionCount {
    const known = sessions.get(call.session.key)
    if (known !== undefined) return known
    const count = { running: 0, waiting: 0 }
    sessions.set(call.session.key, count)
    return count
  }

  function forgetIdle(call: Call, count: SessionCount): void {
    if (count.running === 0 && count.waiting === 0) sessions.delete(call.session.key)
  }

  function mayRun(call: Call): boolean {
    if (!call.session.named || options.sessionConcurrency === 0) return true
    return (sessions.get(call.session.key)?.running ?? 0) < options.sessionConcurrency
  }

  function grant(call: Call, queue: Queue): Permit {
    const startedAt = performance.now()
    const count = countOf(call)
    queue.running++
    count.running++
    let released = false
    return {
      release() {
        if (released) return
        released = true
        queue.running--
        count.running--
        forgetIdle(call, count)
        queue.rate.served(performance.now() - startedAt)
        // A session that was at its limit may wait for another lane, so every queue is asked.
        for (const [other, otherQueue] of queues) advance(other, otherQueue)
      },
    }
  }

  function advance(lane: Lane, queue: Queue): void {
    for (const waiter of queue.waiting) {
      if (queue.running >= lane.capacity) return
      if (!mayRun(waiter.call)) continue
      stopWaiting(queue, waiter)
      waiter.resolve(grant(waiter.call, queue))
    }
  }

  function stopWaiting(queue: Queue, waiter: Waiter): void {
    queue.waiting.delete(waiter)
    waitingCount--
    const count = countOf(waiter.call)
    count.waiting--
    forgetIdle(waiter.call, count)
    clearTimeout(waiter.timer)
    waiter.call.signal.removeEventListener('abort', waiter.leave)
  }

  function refuseToWait(call: Call, lane: Lane, queue: Queue): void {
    const retryAfterSeconds = queue.rate.secondsUntilServed(queue.waiting.size + 1, lane.capacity)
    const ownWaiting = sessions.get(call.session.key)?.waiting ?? 0
    if (call.session.named && options.sessionConcurrency !== 0 && ownWaiting >= options.sessionQueue) {
      const message = `This session may have ${options.sessionQueue} requests waiting, and has them; send fewer at once`
      throw new HeadendError('session-busy', message, { retryAfterSeconds })
    }
    if (waitingCount >= options.queue) {
      throw new HeadendError('queue-full', 'The server is overloaded: its queue is full; try again later', {
        retryAfterSeconds,
      })
    }
  }

  function wait(call: Call, lane: Lane, queue: Queue): Promise<Permit> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => leave(call.signal.reason)
      const leave = (cause: unknown): void => {
        stopWaiting(queue, waiter)
        reject(cause)
      }
      const timer = setTimeout(() => {
        const retryAfterSeconds = queue.rate.secondsUntilServed(queue.waiting.size, lane.capacity)
        const message = 'The server is overloaded: this request waited too long in the queue; try again later'
        leave(new HeadendError('queue-timeout', message, { retryAfterSeconds }))
      }, options.queueTimeoutMs)
      const waiter: Waiter = { call, resolve, timer, leave: onAbort }
      queue.waiting.add(waiter)
      waitingCount++
      countOf(call).waiting++
      call.signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  return {
    async admit(call, lane) {
      call.signal.throwIfAborted()
      const queue = queueOf(lane)
      if (queue.running < lane.capacity && mayRun(call)) return grant(call, queue)
      refuseToWait(call, lane, queue)
      return await wait(call, lane, queue)
    },
    estimateWaitMs(lane) {
      const queue = queues.get(lane)
      if (queue === undefined || queue.running < lane.capacity) return 0
      return queue.rate.msUntilServed(queue.waiting.size + 1, lane.capacity)
    },
    status() {
      let running = 0
      for (const queue of queues.values()) running += queue.running
      return { running, waiting: waitingCount }
    },
  }
}
