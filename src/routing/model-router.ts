import type { ServedModel } from '../backends/registry.ts'
import type { Backend } from '../contract/backend.ts'
import { StartError } from '../contract/errors.ts'
import type { ModelEntry } from '../contract/protocol.ts'
import type { ModelSettings, TargetSettings } from '../model-settings.ts'
import { type Alias, createRouter, type OpenUpstream, type Route, type Router, type Target } from '../router.ts'
import { createOpenModels } from './open-models.ts'

export interface ModelRouterOptions {
  /** The models of this machine, loaded. */
  readonly served: readonly ServedModel[]
  /** What the config file says of models; one may have the id of a local one, and takes its place. */
  readonly models: readonly ModelSettings[]
  readonly openUpstreams: readonly OpenUpstream[]
  /** The backend of a target of the config file. @throws StartError there is no such upstream */
  openTarget(target: UpstreamTarget): Backend
  /** As the option has them, NAME=ID. */
  readonly modelAlias: readonly string[]
  readonly defaultModel: string | null
}

export type UpstreamTarget = TargetSettings & { readonly kind: 'upstream' }

/**
 * Coding clients ask for models by the names of the hosted ones, and show only models that are called so: without a config file
 * that says what is served, those names go to the first local model.
 * @throws StartError an option names a model that cannot be there, or a name that is taken
 */
export function createModelRouter(options: ModelRouterOptions): Router {
  const { served, models, modelAlias, defaultModel } = options
  const [first] = served
  const hosted = first === undefined || models.length > 0 ? [] : hostedNames
  return createRouter({
    routes: [...models.map((model) => routeOfSettings(model, options)), ...served.map(routeOfServed)],
    aliases: [...modelAlias.map(aliasOfOption), ...models.flatMap(aliasesOfSettings)],
    implied: hosted.map((name) => ({ name, modelId: first?.id ?? '', origin: name })),
    open: createOpenModels(options.openUpstreams),
    defaultModel,
  })
}

const hostedNames = ['claude-local', 'claude-*']

function aliasOfOption(option: string): Alias {
  const [name = '', ...modelId] = option.split('=')
  return { name, modelId: modelId.join('='), origin: `--model-alias ${option}` }
}

function aliasesOfSettings({ id, aliases }: ModelSettings): readonly Alias[] {
  return aliases.map((name) => ({ name, modelId: id, origin: `alias ${name} of the model ${id}` }))
}

function routeOfServed({ id, displayName, backend }: ServedModel): Route {
  const facts = backend.facts()
  return {
    entry: { ...facts, id, displayName, outputTokensMax: facts.contextTokens },
    targets: [{ id, backend, model: id, weight: null }],
    system: null,
    outputTokensMax: null,
    spillAfterMs: null,
    hedgeAfterMs: null,
  }
}

function routeOfSettings(settings: ModelSettings, options: ModelRouterOptions): Route {
  const { system, outputTokensMax, spillAfterMs, hedgeAfterMs } = settings
  const targets = settings.targets.map((target) => openTarget(settings.id, target, options))
  return {
    get entry() {
      return entryOf(settings, targets, options.served)
    },
    targets,
    system,
    outputTokensMax,
    spillAfterMs,
    hedgeAfterMs,
  }
}

function openTarget(id: string, settings: TargetSettings, options: ModelRouterOptions): Target {
  const { model, weight } = settings
  if (settings.kind === 'upstream') {
    return { id: `${settings.upstream}/${model}`, backend: options.openTarget(settings), model, weight }
  }
  const served = options.served.find((candidate) => candidate.id === model)
  if (served !== undefined) return { id: model, backend: served.backend, model, weight }
  const there = options.served.map((candidate) => candidate.id).join(', ') || 'none'
  throw new StartError(`model ${id}: there is no local model ${model}; there is ${there} (see --model)`)
}

/** What the first target says, where the settings are silent. Made anew each time: an upstream's facts may be learnt later. */
function entryOf(settings: ModelSettings, targets: readonly Target[], served: readonly ServedModel[]): ModelEntry {
  const [first] = settings.targets
  const facts = (targets[0] as Target).backend.facts()
  const contextTokens = settings.contextTokens ?? facts.contextTokens
  const local = first?.kind === 'local' ? served.find(({ id }) => id === first.model) : undefined
  const ownMax = first?.kind === 'upstream' ? (first.quirks.outputTokensMax ?? null) : contextTokens
  return {
    ...facts,
    id: settings.id,
    displayName: settings.displayName ?? local?.displayName ?? settings.id,
    contextTokens,
    outputTokensMax: settings.outputTokensMax ?? ownMax,
  }
}
