import type { ListedModel } from '../contract/backend.ts'
import type { ModelEntry } from '../contract/protocol.ts'
import type { OpenModels, OpenUpstream, Route } from '../router.ts'
import { compilePattern } from './name-pattern.ts'
import { RecentMap } from './recent-map.ts'

/** Routes that are kept for each upstream: a client that invents names takes no more memory than this. */
const routesMax = 2048

/** Longer names are no names of models. It bounds what is kept of a name, too. */
const nameCharactersMax = 256

/** Routes are made when a name is asked for: nobody knows beforehand what an upstream takes. */
export function createOpenModels(upstreams: readonly OpenUpstream[]): OpenModels {
  const all = upstreams.map(createUpstreamModels)
  const find = (model: string, answers: (one: UpstreamModels) => boolean): Route | null =>
    model.length > nameCharactersMax ? null : (all.find(answers)?.route(model) ?? null)
  return {
    possible: all.length > 0,
    listed: (model) => find(model, (one) => one.listed().has(model)),
    matching: (model) => find(model, (one) => one.takes(model)),
    unreached: (model) => find(model, (one) => !one.reached()),
    entries() {
      const byId = new Map<string, ModelEntry>()
      for (const one of all) for (const [id, entry] of one.listed()) if (!byId.has(id)) byId.set(id, entry)
      return [...byId.values()]
    },
  }
}

interface UpstreamModels {
  reached(): boolean
  listed(): ReadonlyMap<string, ModelEntry>
  takes(model: string): boolean
  route(model: string): Route
}

function createUpstreamModels(upstream: OpenUpstream): UpstreamModels {
  const patterns = upstream.patterns.map(compilePattern)
  const routes = new RecentMap<Route>(routesMax)
  let list: readonly ListedModel[] | null = null
  let entries: ReadonlyMap<string, ModelEntry> = new Map()

  /** By id, made anew only for a new list: every request looks here. */
  function listed(): ReadonlyMap<string, ModelEntry> {
    const latest = upstream.listed()
    if (latest !== list) {
      list = latest
      entries = new Map(latest?.map((model) => [model.id, entryOfListed(model)]))
    }
    return entries
  }

  function open(model: string): Route {
    const backend = upstream.open(model)
    return {
      get entry() {
        return listed().get(model) ?? { ...backend.facts(), id: model, displayName: model, outputTokensMax: null }
      },
      targets: [{ id: `${upstream.name}/${model}`, backend, model, weight: null }],
      system: null,
      outputTokensMax: null,
      spillAfterMs: null,
      hedgeAfterMs: null,
    }
  }

  return {
    reached: () => upstream.listed() !== null,
    listed,
    takes: (model) => patterns.some((matches) => matches(model)),
    route(model) {
      const known = routes.get(model)
      if (known !== null) return known
      const route = open(model)
      routes.set(model, route)
      return route
    },
  }
}

function entryOfListed({ id, displayName, facts, outputTokensMax }: ListedModel): ModelEntry {
  return { ...facts, id, displayName: displayName ?? id, outputTokensMax }
}
