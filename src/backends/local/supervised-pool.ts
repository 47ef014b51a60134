import { EventEmitter } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import { Piscina, queueOptionsSymbol } from 'piscina'
import type { LoadProgress } from '../../../workers/messages.ts'

/** Longest wait before a worker whose model did not load is asked again. */
const backoffMsMax = 30_000
const backoffMsFirst = 500

export interface SupervisedPoolOptions<Task extends object> {
  /** Module in `workers/`, without its extension. */
  readonly module: string
  readonly threadCount: number
  /** Tasks at once per worker. */
  readonly tasksPerWorker: number
  /** The task that makes a new worker ready. Its port reports progress and logs. */
  loadTask(port: MessagePort): Task
  /** What a worker's load task returned. */
  loaded?(result: unknown): void
  readonly reports: PoolReports
}

/** What the operator should see. */
export interface PoolReports {
  loading(progress: LoadProgress): void
  /** A worker was lost or could not load; it is being replaced. */
  trouble(message: string, cause: unknown): void
}

/** The thread is gone, and its request with it. */
export class WorkerLost extends Error {}

export interface PoolWorker {
  readonly id: number
  readonly ready: boolean
}

/**
 * A piscina pool whose every worker must load something before it works, and is replaced when it dies. Piscina starts a new thread
 * at once, but gives up for good when one fails while it starts (design fact 17): so starting does nothing that can fail, loading is
 * a task, and asking again with backoff is done here. Emits `change` whenever a worker becomes ready or is lost.
 */
export class SupervisedPool<Task extends object, Result> extends EventEmitter<{ change: [] }> {
  /** Of all pools, because the engine's logger is one for the process: what one thread logs may be told to another. */
  static readonly #loads = new Set<Promise<unknown>>()
  readonly #options: SupervisedPoolOptions<Task>
  readonly #pool: Piscina
  readonly #workers = new Map<number, { id: number; ready: boolean }>()
  readonly #closing = new AbortController()
  #failures = 0

  private constructor(options: SupervisedPoolOptions<Task>) {
    super()
    this.#options = options
    this.#pool = new Piscina({
      filename: workerFile(options.module),
      workerData: { module: options.module },
      minThreads: options.threadCount,
      maxThreads: options.threadCount,
      idleTimeout: Number.POSITIVE_INFINITY,
      concurrentTasksPerWorker: options.tasksPerWorker + 1, // one more for the load task
      // An idle worker would sleep in Atomics.wait and the timers and ports of its engine with it.
      atomics: 'disabled',
      recordTiming: false,
      loadBalancer: (task, workers) => workers.find(({ id }) => id === workerHint(task)) ?? null,
    })
    // Without a listener an error between tasks would end the process; the loss itself is seen in `workerDestroy`.
    this.#pool.on('error', (cause) => options.reports.trouble('A worker failed between requests', cause))
    this.#pool.on('workerDestroy', ({ id }) => this.#lost(id))
  }

  /** Resolves when every worker is ready. @throws what the first load that failed threw; the pool is destroyed then */
  static async open<Task extends object, Result>(
    options: SupervisedPoolOptions<Task>,
  ): Promise<SupervisedPool<Task, Result>> {
    const pool = new SupervisedPool<Task, Result>(options)
    try {
      await pool.#openAll()
    } catch (cause) {
      await pool.destroy()
      throw cause
    }
    return pool
  }

  get workers(): readonly PoolWorker[] {
    return [...this.#workers.values()]
  }

  get readyCount(): number {
    let count = 0
    for (const worker of this.#workers.values()) if (worker.ready) count++
    return count
  }

  /**
   * Runs a task on a worker that is alive.
   * @throws WorkerLost when it dies under the task; else what the task itself threw, which is a bug of ours
   */
  async run(workerId: number, task: Task, transferList: readonly MessagePort[]): Promise<Result> {
    // A hint that no worker answers to would stay in piscina's queue for ever, and everything behind it.
    if (!this.#workers.has(workerId)) throw new WorkerLost('this worker is gone')
    const hinted = { ...task, [queueOptionsSymbol]: { workerId } }
    try {
      return (await this.#pool.run(hinted, { transferList: [...transferList] })) as Result
    } catch (cause) {
      throw this.#workers.has(workerId) ? cause : new WorkerLost('the worker died', { cause })
    }
  }

  /**
   * To be called while no task runs, and waits for models that are being loaded: a thread that is stopped while its native part
   * works takes the whole process with it (the engine throws where nobody can catch it, SIGABRT).
   */
  async destroy(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(SupervisedPool.#loads)
    await this.#pool.destroy()
  }

  #openAll(): Promise<void> {
    return new Promise((resolve, reject) => {
      let opening = this.#options.threadCount
      this.#pool.on('workerCreate', ({ id }) => {
        this.#workers.set(id, { id, ready: false })
        if (opening === 0) {
          void this.#loadUntilReady(id)
          return
        }
        this.#load(id).then(() => {
          opening--
          if (opening === 0) resolve()
        }, reject)
      })
    })
  }

  async #loadUntilReady(id: number): Promise<void> {
    while (this.#workers.has(id) && !this.#closing.signal.aborted) {
      try {
        if (this.#failures > 0) await delay(this.#backoffMs(), null, { signal: this.#closing.signal })
        await this.#load(id)
        this.#failures = 0
        return
      } catch (cause) {
        if (this.#closing.signal.aborted) return
        this.#failures++
        this.#options.reports.trouble('A worker could not load its model and will be asked again', cause)
      }
    }
  }

  #backoffMs(): number {
    return Math.min(backoffMsFirst * 2 ** (this.#failures - 1), backoffMsMax)
  }

  async #load(id: number): Promise<void> {
    const { port1, port2 } = new MessageChannel()
    port1.on('message', (message: LoadProgress) => this.#options.reports.loading(message))
    const load = this.run(id, this.#options.loadTask(port2), [port2])
    SupervisedPool.#loads.add(load)
    try {
      const result = await load
      this.#options.loaded?.(result)
    } finally {
      SupervisedPool.#loads.delete(load)
    }
    const worker = this.#workers.get(id)
    if (worker === undefined) throw new Error('this worker is gone')
    worker.ready = true
    this.emit('change')
  }

  /** A thread that has exited by itself has no id any more (-1), so whoever is not among the living is gone, too. */
  #lost(lostId: number): void {
    const living = new Set(this.#pool.threads.map(({ threadId }) => threadId))
    for (const id of this.#workers.keys()) if (id === lostId || !living.has(id)) this.#workers.delete(id)
    if (this.#closing.signal.aborted) return
    this.#options.reports.trouble('A worker was lost and is being replaced', null)
    this.emit('change')
  }
}

function workerHint(task: object): number | null {
  const hint: unknown = Reflect.get(task, queueOptionsSymbol)
  return typeof hint === 'object' && hint !== null && 'workerId' in hint ? (hint.workerId as number) : null
}

/** Workers lie beside `src`, from source as in the build. */
function workerFile(module: string): string {
  const file = import.meta.url.endsWith('.ts') ? 'from-source.mjs' : `${module}.js`
  return new URL(`../../../workers/${file}`, import.meta.url).href
}
