import type { Backend, Call } from '../contract/backend.ts'
import { HeadendError } from '../contract/errors.ts'
import { createServiceRate, type ServiceRate } from './service-rate.ts'

export interface AdmissionOptions {
  /** Running requests on one backend; `null`: as many as it has capacity for. */
  readonly concurrency: number | null
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
  admit(call: Call, backend: Backend): Promise<Permit>
  status(): { readonly running: number; readonly waiting: number }
}

interface Waiter {
  readonly call: Call
  readonly resolve: (permit: Permit) => void
  readonly timer: NodeJS.Timeout
  readonly leave: (cause: unknown) => void
}

interface Line {
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
  const lines = new Map<Backend, Line>()
  const sessions = new Map<string, SessionCount>()
  let waitingCount = 0

  function lineOf(backend: Backend): Line {
    const known = lines.get(backend)
    if (known !== undefined) return known
    const line: Line = { running: 0, waiting: new Set(), rate: createServiceRate() }
    lines.set(backend, line)
    backend.watchCapacity(() => advance(backend, line))
    return line
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

  const capacityOf = (backend: Backend): number => Math.min(backend.capacity, options.concurrency ?? backend.capacity)

  function mayRun(call: Call): boolean {
    if (!call.session.named || options.sessionConcurrency === 0) return true
    return (sessions.get(call.session.key)?.running ?? 0) < options.sessionConcurrency
  }

  function grant(call: Call, line: Line): Permit {
    const startedAt = performance.now()
    const count = countOf(call)
    line.running++
    count.running++
    let released = false
    return {
      release() {
        if (released) return
        released = true
        line.running--
        count.running--
        forgetIdle(call, count)
        line.rate.served(performance.now() - startedAt)
        // A session that was at its limit may wait for another backend, so every line is asked.
        for (const [other, otherLine] of lines) advance(other, otherLine)
      },
    }
  }

  function advance(backend: Backend, line: Line): void {
    for (const waiter of line.waiting) {
      if (line.running >= capacityOf(backend)) return
      if (!mayRun(waiter.call)) continue
      stopWaiting(line, waiter)
      waiter.resolve(grant(waiter.call, line))
    }
  }

  function stopWaiting(line: Line, waiter: Waiter): void {
    line.waiting.delete(waiter)
    waitingCount--
    const count = countOf(waiter.call)
    count.waiting--
    forgetIdle(waiter.call, count)
    clearTimeout(waiter.timer)
    waiter.call.signal.removeEventListener('abort', waiter.leave)
  }

  function refuseToWait(call: Call, backend: Backend, line: Line): void {
    const retryAfterSeconds = line.rate.secondsUntilServed(line.waiting.size + 1, capacityOf(backend))
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

  function wait(call: Call, backend: Backend, line: Line): Promise<Permit> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => leave(call.signal.reason)
      const leave = (cause: unknown): void => {
        stopWaiting(line, waiter)
        reject(cause)
      }
      const timer = setTimeout(() => {
        const retryAfterSeconds = line.rate.secondsUntilServed(line.waiting.size, capacityOf(backend))
        const message = 'The server is overloaded: this request waited too long in the queue; try again later'
        leave(new HeadendError('queue-timeout', message, { retryAfterSeconds }))
      }, options.queueTimeoutMs)
      const waiter: Waiter = { call, resolve, timer, leave: onAbort }
      line.waiting.add(waiter)
      waitingCount++
      countOf(call).waiting++
      call.signal.addEventListener('abort', onAbort, { once: true })
    })
  }

  return {
    async admit(call, backend) {
      call.signal.throwIfAborted()
      const line = lineOf(backend)
      if (line.running < capacityOf(backend) && mayRun(call)) return grant(call, line)
      refuseToWait(call, backend, line)
      return await wait(call, backend, line)
    },
    status() {
      let running = 0
      for (const line of lines.values()) running += line.running
      return { running, waiting: waitingCount }
    },
  }
}
