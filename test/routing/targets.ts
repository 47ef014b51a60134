import type { Backend, ModelFacts } from '../../src/contract/backend.ts'
import type { Route, Target } from '../../src/router.ts'
import { FakeBackend } from '../support/fake-backend.ts'

/** A backend that is there, of which only its facts and its readiness matter. */
export class IdleBackend extends FakeBackend {
  readonly #contextTokens: number | null
  isReady = true

  constructor(contextTokens: number | null = null) {
    super(1)
    this.#contextTokens = contextTokens
    Object.defineProperty(this, 'ready', { get: () => this.isReady })
  }

  override facts(): ModelFacts {
    return { contextTokens: this.#contextTokens, createdAt: new Date(0), capabilities: null }
  }
}

export function targetOf(
  id: string,
  options: { readonly weight?: number; readonly contextTokens?: number; readonly backend?: Backend } = {},
): Target {
  const backend = options.backend ?? new IdleBackend(options.contextTokens ?? null)
  return { id, backend, model: id, weight: options.weight ?? null }
}

export function routeOf(targets: readonly Target[], limits: Partial<Route> = {}): Route {
  const entry = {
    id: 'model',
    displayName: 'Model',
    outputTokensMax: null,
    contextTokens: null,
    createdAt: new Date(0),
    capabilities: null,
  }
  return { entry, targets, system: null, outputTokensMax: null, spillAfterMs: null, hedgeAfterMs: null, ...limits }
}
