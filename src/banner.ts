import type { ServedModel } from './backends/registry.ts'
import type { Upstream } from './backends/upstream/upstream.ts'
import type { Config } from './config.ts'
import type { Transport } from './http/server.ts'
import type { Router } from './router.ts'
import { version } from './version.ts'

export interface Described {
  readonly config: Config
  readonly transport: Transport
  readonly models: readonly ServedModel[]
  readonly upstreams: readonly Upstream[]
  readonly router: Router
  readonly url: string
  readonly needsKey: boolean
}

/** What the operator sees once it serves, with a request to try. */
export function describeServer({ config, transport, models, upstreams, router, url, needsKey }: Described): string {
  const engine = transport.name === 'uws' ? 'uWebSockets.js' : 'node:http'
  const model = config.defaultModel ?? config.models[0]?.id ?? models[0]?.id ?? router.entries()[0]?.id ?? 'MODEL'
  const body = JSON.stringify({ model, max_tokens: 100, messages: [{ role: 'user', content: 'Hello!' }] })
  const insecure = config.tlsCert === null ? '' : ' -k'
  const key = needsKey ? " -H 'x-api-key: YOUR-KEY'" : ''
  return [
    `headend ${version} on ${engine}, Node ${process.versions.node}`,
    ...models.map(({ summary }) => `  model  ${summary}`),
    ...config.models.map(({ id, targets }) => `  model  ${id} -> ${targets.map(inWords).join(', ')}`),
    ...upstreams.map((upstream) => `  upstream  ${upstream.summary()}`),
    `  url    ${url}`,
    `  try    curl${insecure} ${url}/v1/messages${key} -H 'content-type: application/json' -d '${body}'`,
  ].join('\n')
}

function inWords(target: Config['models'][number]['targets'][number]): string {
  return target.kind === 'local' ? target.model : `${target.upstream}/${target.model}`
}
