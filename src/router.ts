import type { Backend, ListedModel } from './contract/backend.ts'
import { HeadendError, StartError } from './contract/errors.ts'
import type { ModelEntry } from './contract/protocol.ts'
import { compilePattern, type NamePattern } from './routing/name-pattern.ts'

/** A backend, and its own name for the model that the client asked for. */
export interface Target {
  /** The local model's id, or `upstream/model`: shown in `x-headend-target` and `/status`; its health is known by it. */
  readonly id: string
  readonly backend: Backend
  readonly model: string
  /** More than 0: share of the load among the neighbours that have a weight, too. `null`: it stands for itself. */
  readonly weight: number | null
}

/** One model that clients may ask for. */
export interface Route {
  readonly entry: ModelEntry
  /** In order of preference, at least one: a later one is tried when those before it cannot answer. */
  readonly targets: readonly Target[]
  /** Put before the client's own system text. */
  readonly system: string | null
  /** Tokens: larger requests are lowered to it. */
  readonly outputTokensMax: number | null
  /** A target where requests would wait longer is left for another one. 0: never; `null`: as for all models. */
  readonly spillAfterMs: number | null
  /** A second target is asked as well when the first has not begun to answer by then. 0: never; `null`: as for all models. */
  readonly hedgeAfterMs: number | null
}

/** An upstream whose models are served under their own names. */
export interface OpenUpstream {
  readonly name: string
  /** What it says it has; the same array as long as that is the same list. `null`: it never said. */
  listed(): readonly ListedModel[] | null
  /** Names that it does not list, but that are passed on to it unchanged; `*` stands for any text. */
  readonly patterns: readonly string[]
  /** Light: it is called anew for a name that was not asked for lately. */
  open(model: string): Backend
}

/** All models of all open upstreams. Of two upstreams with one name the first has it. */
export interface OpenModels {
  /** `false`: there is no open upstream, so there never will be a model. */
  readonly possible: boolean
  /** An upstream says that it has this one. */
  listed(model: string): Route | null
  /** A pattern of an upstream takes it. */
  matching(model: string): Route | null
  /** Nobody can know whether it exists: of the upstreams that never said what they have the first is to say so. */
  unreached(model: string): Route | null
  entries(): readonly ModelEntry[]
}

/** Another name for a model; `*` in it stands for any text. */
export interface Alias {
  readonly name: string
  readonly modelId: string
  /** Where it is written, as the user sees it. */
  readonly origin: string
}

export interface Router {
  /**
   * Exact id, alias, listed by an upstream, pattern, passed on to an upstream by its patterns, implied pattern, default model; and
   * else an upstream that never said what it has. docs/decisions/09-names-and-targets.md says why.
   * @throws HeadendError not-found
   */
  resolve(model: string): Route
  /** Models, aliases without a star and what upstreams list, newest first. */
  entries(): readonly ModelEntry[]
}

export interface RouterOptions {
  /** Of two with one id the first holds. */
  readonly routes: readonly Route[]
  /** The first one that fits wins. */
  readonly aliases: readonly Alias[]
  /** Aliases that nobody wrote: whatever anybody wrote comes before them. */
  readonly implied: readonly Alias[]
  readonly open: OpenModels
  /** Id or alias of what answers every name that nothing else does. */
  readonly defaultModel: string | null
}

/** Where a name leads now. What leads to a model of an upstream is looked up each time: that upstream may have been down at the start. */
type Way = () => Route | null

interface PatternWay {
  readonly matches: NamePattern
  readonly way: Way
}

/** @throws StartError an option names a model that cannot be there, or a name that is taken */
export function createRouter({ routes, aliases, implied, open, defaultModel }: RouterOptions): Router {
  const byId = new Map<string, Route>()
  for (const route of routes) if (!byId.has(route.entry.id)) byId.set(route.entry.id, route)
  const byName = new Map<string, Way>([...byId].map(([id, route]) => [id, () => route]))
  const patterns: PatternWay[] = []

  const fromOpen = (id: string): Route | null => open.listed(id) ?? open.matching(id) ?? open.unreached(id)
  const wayTo = ({ origin, modelId }: Alias): Way => {
    const route = byId.get(modelId)
    if (route !== undefined) return () => route
    const isName = modelId !== '' && !modelId.includes('*') && !aliases.some(({ name }) => name === modelId)
    if (!open.possible || !isName) throw new StartError(`${origin}: no such model; ${whatThereIs(byId.keys())}`)
    return () => fromOpen(modelId)
  }
  for (const alias of aliases) {
    const way = wayTo(alias)
    const { name, origin } = alias
    if (byName.has(name)) throw new StartError(`${origin}: this name is taken already`)
    if (name.includes('*')) patterns.push({ matches: compilePattern(name), way })
    else byName.set(name, () => renamed(way(), name))
  }
  const impliedPatterns: PatternWay[] = []
  for (const alias of implied) {
    const way = wayTo(alias)
    if (alias.name.includes('*')) impliedPatterns.push({ matches: compilePattern(alias.name), way })
    else if (!byName.has(alias.name)) byName.set(alias.name, () => renamed(way(), alias.name))
  }
  const fallback = defaultModel === null ? null : wayToDefault(defaultModel, byName, open, fromOpen)

  return {
    resolve(model) {
      const route =
        byName.get(model)?.() ??
        open.listed(model) ??
        follow(patterns, model) ??
        open.matching(model) ??
        follow(impliedPatterns, model) ??
        fallback?.() ??
        open.unreached(model)
      if (route === null) throw new HeadendError('not-found', `model: ${model}`, { field: 'model' })
      return route
    },
    entries() {
      const named = [...byName.values()].flatMap((way) => way()?.entry ?? [])
      const listed = open.entries().filter(({ id }) => !byName.has(id))
      return [...named, ...listed].sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())
    },
  }
}

function wayToDefault(
  model: string,
  byName: ReadonlyMap<string, Way>,
  open: OpenModels,
  fromOpen: (id: string) => Route | null,
): Way {
  const way = byName.get(model)
  if (way !== undefined) return way
  if (open.possible && !model.includes('*')) return () => fromOpen(model)
  throw new StartError(`--default-model ${model}: no such model; ${whatThereIs(byName.keys())}`)
}

function follow(patterns: readonly PatternWay[], model: string): Route | null {
  return patterns.find(({ matches }) => matches(model))?.way() ?? null
}

/** The same model under another name. Its entry is made when asked for, because facts of an upstream's model may come later. */
function renamed(route: Route | null, id: string): Route | null {
  if (route === null) return null
  const { targets, system, outputTokensMax, spillAfterMs, hedgeAfterMs } = route
  return {
    get entry() {
      return { ...route.entry, id }
    },
    targets,
    system,
    outputTokensMax,
    spillAfterMs,
    hedgeAfterMs,
  }
}

function whatThereIs(ids: Iterable<string>): string {
  return `there is ${[...ids].join(', ') || 'none'}`
}
