import type { Backend, Lane, ListedModel, ModelFacts } from '../../contract/backend.ts'
import { createAnthropicTarget } from './anthropic-target.ts'
import { type Catalogue, createCatalogue } from './catalogue.ts'
import { createUpstreamClient } from './client.ts'
import { createOpenaiTarget } from './openai-target.ts'
import type { Recorder } from './recorder.ts'
import type { UpstreamQuirks, UpstreamSettings } from './settings.ts'
import type { TargetParts } from './target-parts.ts'

/** One server that others run. All of its models share its connections and its limit. */
export interface Upstream {
  readonly name: string
  /** Names that it does not list, but that are passed on to it unchanged; `*` stands for any text. */
  readonly patterns: readonly string[]
  readonly catalogue: Catalogue
  readonly lane: Lane
  /** Calls with the outcome of each health check, where they are switched on. That a list of models is missing says nothing of requests. */
  watchHealth(listener: (up: boolean) => void): void
  /** One line for the banner. */
  summary(): string
  /** What of its list is served under its own name; `null`: it never said. */
  listed(): readonly ListedModel[] | null
  /** One of its models, whether it lists that or not. Light: nothing is asked of the server. */
  open(model: string, quirks?: Partial<UpstreamQuirks>): Backend
  status(): Readonly<Record<string, unknown>>
  close(): Promise<void>
  destroy(): Promise<void>
}

/** @param warn what the operator should know, one line */
export function openUpstream(
  settings: UpstreamSettings,
  recorder: Recorder | null,
  warn: (message: string) => void,
): Upstream {
  const client = createUpstreamClient(settings)
  const catalogue = createCatalogue(client, settings, warn)
  const openedAt = new Date()
  // Connections cost little, so there is no limit of ours unless one is set; it never changes.
  const lane: Lane = { capacity: settings.concurrency || Number.POSITIVE_INFINITY, watchCapacity: () => {} }
  const end = async (ended: Promise<void>): Promise<void> => {
    catalogue.close()
    await ended
    await recorder?.settled()
  }

  function factsOf(model: string): ModelFacts {
    const listed = catalogue.models()?.find(({ id }) => id === model)
    return listed?.facts ?? { contextTokens: null, createdAt: openedAt, capabilities: null }
  }

  /** What its operator lets pass unlisted, and servers without a list, cannot be checked. */
  function existsAt(model: string): boolean | null {
    const models = catalogue.models()
    if (models === null || models.length === 0) return null
    return models.some(({ id }) => id === model) || (settings.models.length > 0 ? null : false)
  }

  return {
    name: settings.name,
    patterns: settings.models,
    catalogue,
    lane,
    watchHealth(listener) {
      if (settings.healthIntervalMs > 0) catalogue.watch(() => listener(catalogue.health.up !== false))
    },
    summary() {
      const count = catalogue.models()?.length
      const state = count === undefined ? 'not reached yet' : `${count} models`
      return `${settings.name}, ${settings.protocol} at ${settings.url} (${state})`
    },
    listed: () => (settings.exposesListed ? catalogue.models() : []),
    open(model, quirks = {}) {
      const parts: TargetParts = {
        settings,
        client,
        lane,
        recorder,
        model,
        quirks: { ...settings.quirks, ...quirks },
        facts: () => factsOf(model),
        exists: () => existsAt(model),
        ready: () => settings.healthIntervalMs === 0 || catalogue.health.up !== false,
      }
      return settings.protocol === 'anthropic' ? createAnthropicTarget(parts) : createOpenaiTarget(parts)
    },
    status: () => ({
      name: settings.name,
      protocol: settings.protocol,
      up: catalogue.health.up,
      checkedAt: catalogue.health.checkedAt,
      error: catalogue.health.error,
      connections: client.connections,
      models: catalogue.models()?.length ?? null,
    }),
    close: () => end(client.close()),
    destroy: () => end(client.destroy()),
  }
}
