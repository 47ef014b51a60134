// Upstreams and models as `headend check` shows them: a heading, and indented lines.

import type { UpstreamSettings } from '../backends/upstream/settings.ts'
import { defaultQuirks } from '../backends/upstream/settings.ts'
import type { ModelSettings, TargetSettings } from '../model-settings.ts'
import { snakeCase } from './written-fields.ts'

export interface Summary {
  readonly heading: string
  readonly lines: readonly string[]
}

export function summarizeUpstream(upstream: UpstreamSettings): Summary {
  const { name, url, protocol, exposesListed, models, quirks } = upstream
  const served = [...(exposesListed ? ['what it lists'] : []), ...models]
  const headers = Object.keys(upstream.headers)
  const changed = Object.entries(quirks).filter(([quirk, value]) => value !== Reflect.get(defaultQuirks, quirk))
  return {
    heading: `upstream ${name}`,
    lines: [
      `${url}, ${protocol} protocol, ${credentialOf(upstream)}`,
      `serves ${served.join(', ') || 'only what models name'}`,
      ...(headers.length === 0 ? [] : [`headers ${headers.join(', ')}`]),
      ...(changed.length === 0 ? [] : [`quirks ${changed.map(inWords).join(', ')}`]),
    ],
  }
}

export function summarizeModel({ id, aliases, targets }: ModelSettings): Summary {
  return {
    heading: `model ${id}`,
    lines: [
      ...(aliases.length === 0 ? [] : [`also ${aliases.join(', ')}`]),
      ...targets.map((target, index) => `${index + 1}. ${describeTarget(target)}`),
    ],
  }
}

function credentialOf({ key, passThroughCredentials }: UpstreamSettings): string {
  if (passThroughCredentials) return "the client's credential"
  return key === null ? 'no key' : 'with a key'
}

function describeTarget(target: TargetSettings): string {
  const share = target.weight === null ? '' : `, weight ${target.weight}`
  if (target.kind === 'local') return `${target.model}, local${share}`
  const quirks = Object.entries(target.quirks).map(inWords)
  return `${target.upstream}/${target.model}${share}${quirks.length === 0 ? '' : `; ${quirks.join(', ')}`}`
}

function inWords([quirk, value]: [string, unknown]): string {
  return `${snakeCase(quirk)}: ${typeof value === 'string' ? value : JSON.stringify(value)}`
}
