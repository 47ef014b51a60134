// What a flat table of options cannot hold: the upstreams, and the models that clients may ask for.

import type { UpstreamSettings } from '../backends/upstream/settings.ts'
import type { ModelSettings } from '../model-settings.ts'
import { ConfigError } from './config-error.ts'
import type { Written } from './config-file.ts'
import { readModels } from './model-config.ts'
import { parseModelMap } from './model-map.ts'
import type { OptionName, OptionValues } from './options.ts'
import { optionUpstream, readUpstreams } from './upstream-config.ts'
import { keyFromFile } from './upstream-key.ts'
import { Refusal } from './value-kinds.ts'

export interface Structures {
  readonly upstreams: readonly UpstreamSettings[]
  readonly models: readonly ModelSettings[]
}

export interface StructureSources {
  readonly values: OptionValues
  readonly env: NodeJS.ProcessEnv
  /** Keys of the config file; `null`: it has none. */
  readonly written: Readonly<Record<keyof Structures, Written | null>>
  /** What a message calls an option, where it was given. */
  readonly labelOf: (name: OptionName) => string
}

/** What is wrong goes to `problems`. The upstream of the options comes first, then those of the file in their order. */
export function readStructures(sources: StructureSources, problems: string[]): Structures {
  const { values, env, written } = sources
  const own = ownUpstream(sources, problems)
  const namesTaken = new Set(own.map(({ name }) => name))
  const context = { defaults: upstreamDefaults(values), env, namesTaken }
  const others = written.upstreams === null ? [] : readUpstreams(written.upstreams, context, problems)
  const upstreams = [...own, ...others]
  return { upstreams, models: readAllModels(sources, [...namesTaken], problems) }
}

function upstreamDefaults(values: OptionValues) {
  return {
    concurrency: values.upstreamConcurrency,
    connectTimeoutMs: values.upstreamConnectTimeoutMs,
    firstByteTimeoutMs: values.upstreamFirstByteTimeoutMs,
    idleTimeoutMs: values.upstreamIdleTimeoutMs,
    totalTimeoutMs: values.upstreamTotalTimeoutMs,
    modelsTtlMs: values.upstreamModelsTtlMs,
    healthIntervalMs: values.upstreamHealthIntervalMs,
  }
}

/** The upstream of `--upstream`, if any. */
function ownUpstream({ values, labelOf }: StructureSources, problems: string[]): readonly UpstreamSettings[] {
  let key = values.upstreamKey
  try {
    if (values.upstreamKeyFile !== null) key = keyFromFile(values.upstreamKeyFile)
  } catch (cause) {
    if (!(cause instanceof Refusal)) throw cause
    problems.push(`${labelOf('upstreamKeyFile')}: ${cause.message}`)
  }
  if (values.upstream === null) return []
  const given = {
    url: values.upstream,
    protocol: values.upstreamProtocol,
    key,
    passThroughCredentials: values.upstreamPassThrough,
    models: values.upstreamModels,
  }
  return [optionUpstream(given, upstreamDefaults(values))]
}

/** Of the file, then of the model map. */
function readAllModels(
  { values, written, labelOf }: StructureSources,
  upstreamNames: readonly string[],
  problems: string[],
): readonly ModelSettings[] {
  const context = { upstreamNames, localIds: localIds(values), namesTaken: new Map<string, string>() }
  const lists = [written.models]
  try {
    if (values.modelMap !== null) lists.push(parseModelMap(values.modelMap, labelOf('modelMap')))
  } catch (cause) {
    if (!(cause instanceof ConfigError)) throw cause
    problems.push(cause.message)
  }
  return lists.flatMap((list) => (list === null ? [] : readModels(list, context, problems)))
}

/** As far as they can be told without looking at files; `null`: not all can. */
function localIds(values: OptionValues): readonly string[] | null {
  if (values.backend === 'echo') return ['echo']
  const ids = values.model.map((spec) => (spec === 'embedded' ? 'headend-tiny' : namedId(spec)))
  return ids.every((id) => id !== null) ? ids : null
}

/** Of `NAME=SOURCE`. Paths and URLs may hold `=` too, but only after a character that no name has. */
function namedId(spec: string): string | null {
  return /^([^=/\\?]+)=./.exec(spec)?.[1] ?? null
}
