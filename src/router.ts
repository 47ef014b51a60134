import type { Backend } from './contract/backend.ts'
import { HeadendError } from './contract/errors.ts'
import type { ModelEntry } from './contract/protocol.ts'

/** A backend, and its own name for the model that the client asked for. */
export interface Target {
  readonly backend: Backend
  readonly model: string
}

/** One model that clients may ask for. */
export interface Route {
  readonly entry: ModelEntry
  /** In order: the next one is tried when one cannot answer. */
  readonly targets: readonly Target[]
}

/** `*` stands for any text. */
export interface Pattern {
  readonly pattern: string
  readonly modelId: string
}

export interface Router {
  /** Exact id, then pattern, then the default model. @throws HeadendError not-found */
  resolve(model: string): Route
  /** Newest first. */
  entries(): readonly ModelEntry[]
}

export interface RouterOptions {
  readonly routes: readonly Route[]
  readonly patterns: readonly Pattern[]
  /** Answers every name that nothing else does. */
  readonly defaultModel: string | null
}

export function createRouter({ routes, patterns, defaultModel }: RouterOptions): Router {
  const byId = new Map(routes.map((route) => [route.entry.id, route]))
  const byPattern = patterns.map(({ pattern, modelId }) => ({ matches: compile(pattern), route: known(byId, modelId) }))
  const fallback = defaultModel === null ? null : known(byId, defaultModel)
  const entries = routes
    .map(({ entry }) => entry)
    .sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())

  return {
    resolve(model) {
      const route = byId.get(model) ?? byPattern.find(({ matches }) => matches.test(model))?.route ?? fallback
      if (route === null) throw new HeadendError('not-found', `model: ${model}`, { field: 'model' })
      return route
    },
    entries: () => entries,
  }
}

function known(byId: ReadonlyMap<string, Route>, id: string): Route {
  const route = byId.get(id)
  if (route !== undefined) return route
  throw Object.assign(new Error(`--default-model ${id}: no such model; there is ${[...byId.keys()].join(', ')}`), {
    expected: true,
  })
}

function compile(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`, 's')
}
