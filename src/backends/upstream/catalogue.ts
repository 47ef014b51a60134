import type { ListedModel } from '../../contract/backend.ts'
import type { UpstreamClient } from './client.ts'
import { fetchModels, type ModelsAnswer } from './fetch-models.ts'
import type { UpstreamSettings } from './settings.ts'

export interface CatalogueHealth {
  /** Whether the last question was answered; `null`: none was asked yet. */
  readonly up: boolean | null
  readonly checkedAt: Date | null
  /** Why there is no answer, or none that can be read. */
  readonly error: string | null
}

/** What an upstream has, and whether it is there: the one question answers both. */
export interface Catalogue {
  /** What the upstream lists; `null`: it never said. A stale list is returned at once and refreshed in the background. */
  models(): readonly ListedModel[] | null
  /** Asks now, together with whoever asks at the same time. Resolves to whether the upstream answered; never rejects. */
  refresh(): Promise<boolean>
  readonly health: CatalogueHealth
  /** Called after each question, whether it was answered or not. */
  watch(listener: () => void): void
  close(): void
}

/** A list that could not be had is asked for again after so long, if it is wanted. */
const retryMs = 5000

/**
 * @param client stays open: it is not the catalogue's
 * @param log one line, whenever the upstream goes, comes back, or has another problem
 */
export function createCatalogue(
  client: UpstreamClient,
  settings: UpstreamSettings,
  log: (message: string) => void,
): Catalogue {
  const { name, modelsTtlMs, healthIntervalMs } = settings
  const listeners: (() => void)[] = []
  let models: readonly ListedModel[] | null = null
  let health: CatalogueHealth = { up: null, checkedAt: null, error: null }
  let question: Promise<boolean> | null = null
  let staleAt = 0 // by the clock that nobody sets
  let abort = new AbortController()
  let isClosed = false

  async function refresh(): Promise<boolean> {
    if (isClosed) return false
    question ??= ask().finally(() => {
      question = null
    })
    return question
  }

  async function ask(): Promise<boolean> {
    abort = new AbortController() // of each question: listeners would gather on a common one
    const answer = await fetchModels(client, settings, abort)
    if (isClosed) return false
    take(answer)
    for (const listener of listeners) listener()
    return answer.kind !== 'silent'
  }

  function take(answer: ModelsAnswer): void {
    const isList = answer.kind === 'list'
    const error = isList ? null : answer.problem
    if (isList) models = answer.models
    staleAt = performance.now() + (isList ? modelsTtlMs : Math.min(modelsTtlMs, retryMs))
    if (error !== health.error) log(error ?? `Upstream ${name} lists its models again`)
    health = { up: answer.kind !== 'silent', checkedAt: new Date(), error }
  }

  const timer = healthIntervalMs > 0 ? setInterval(refresh, healthIntervalMs).unref() : null

  return {
    models() {
      if (performance.now() >= staleAt) void refresh()
      return models
    },
    refresh,
    get health() {
      return health
    },
    watch: (listener) => void listeners.push(listener),
    close() {
      isClosed = true
      abort.abort()
      if (timer !== null) clearInterval(timer)
    },
  }
}
