import type { ServedModel } from './backends/registry.ts'
import type { Backend } from './contract/backend.ts'
import { HeadendError, StartError } from './contract/errors.ts'
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

/** Another name for a model; `*` in it stands for any text. */
export interface Alias {
  readonly name: string
  readonly modelId: string
}

export interface Router {
  /** Exact id, then alias, then pattern, then the default model. @throws HeadendError not-found */
  resolve(model: string): Route
  /** Models and aliases without a star, newest first. */
  entries(): readonly ModelEntry[]
}

export interface RouterOptions {
  readonly routes: readonly Route[]
  /** The first one that fits wins. */
  readonly aliases: readonly Alias[]
  /** Id or alias of what answers every name that nothing else does. */
  readonly defaultModel: string | null
}

/**
 * Coding clients ask for models by the names of the hosted ones, and show only models that are called so: those names go to the
 * first model, unless an alias says otherwise.
 * @param aliases as the option has them, NAME=ID
 */
export function createModelRouter(
  models: readonly ServedModel[],
  aliases: readonly string[],
  defaultModel: string | null,
): Router {
  const routes = models.map(({ id, displayName, backend }) => {
    const facts = backend.facts()
    return {
      entry: { ...facts, id, displayName, outputTokensMax: facts.contextTokens },
      targets: [{ backend, model: id }],
    }
  })
  const own = aliases.map((alias) => {
    const [name = '', modelId = ''] = alias.split('=')
    return { name, modelId }
  })
  const taken = new Set([...models.map(({ id }) => id), ...own.map(({ name }) => name)])
  const [first] = models
  const hosted = first === undefined ? [] : hostedNames.map((name) => ({ name, modelId: first.id }))
  return createRouter({ routes, aliases: [...own, ...hosted.filter(({ name }) => !taken.has(name))], defaultModel })
}

const hostedNames = ['claude-local', 'claude-*']

/** @throws StartError an option names a model that is not there, or a name that is taken */
export function createRouter({ routes, aliases, defaultModel }: RouterOptions): Router {
  const byName = new Map(routes.map((route) => [route.entry.id, route]))
  const ids = [...byName.keys()]
  const patterns: { readonly matches: RegExp; readonly route: Route }[] = []
  for (const { name, modelId } of aliases) {
    const option = `--model-alias ${name}=${modelId}`
    const route = ids.includes(modelId) ? byName.get(modelId) : undefined
    if (route === undefined) throw new StartError(`${option}: no such model; there is ${ids.join(', ')}`)
    if (byName.has(name)) throw new StartError(`${option}: this name is taken already`)
    if (name.includes('*')) patterns.push({ matches: compile(name), route })
    else byName.set(name, { ...route, entry: { ...route.entry, id: name } })
  }
  const fallback = defaultModel === null ? null : byName.get(defaultModel)
  if (fallback === undefined) {
    throw new StartError(`--default-model ${defaultModel}: no such model; there is ${[...byName.keys()].join(', ')}`)
  }
  const entries = [...byName.values()]
    .map(({ entry }) => entry)
    .sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())

  return {
    resolve(model) {
      const route = byName.get(model) ?? patterns.find(({ matches }) => matches.test(model))?.route ?? fallback
      if (route === null) throw new HeadendError('not-found', `model: ${model}`, { field: 'model' })
      return route
    },
    entries: () => entries,
  }
}

function compile(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${literal.join('.*')}$`, 's')
}
