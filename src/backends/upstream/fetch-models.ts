import type { ListedModel } from '../../contract/backend.ts'
import { HeadendError } from '../../contract/errors.ts'
import type { Signal } from '../../contract/signal.ts'
import type { UpstreamClient } from './client.ts'
import { keyHeader } from './credentials.ts'
import { type ModelPage, modelsMax, parseModelPage } from './model-list.ts'
import type { UpstreamResponse } from './response.ts'
import type { UpstreamSettings } from './settings.ts'
import type { HeaderList } from './upstream-request.ts'

/**
 * `list`: what it has. `answered`: it is there, but has no list that could be read. `silent`: nothing can be asked of it now.
 * Problems are for the operator, and hold no secret.
 */
export type ModelsAnswer =
  | { readonly kind: 'list'; readonly models: readonly ListedModel[] }
  | { readonly kind: 'answered' | 'silent'; readonly problem: string }

/** The whole list: a health check that takes longer has found something out. */
const limitMs = 10_000
const pagesMax = 50
const bytesMax = 16 * 1024 * 1024

/** Asks an upstream for its models. Never rejects. @param abort ends the question; it does so by itself when that takes too long */
export async function fetchModels(
  client: UpstreamClient,
  settings: UpstreamSettings,
  abort: AbortController,
): Promise<ModelsAnswer> {
  const late = `Upstream ${settings.name} has not listed its models within ${limitMs} ms`
  const timer = setTimeout(() => abort.abort(new Error(late)), limitMs)
  try {
    return await readPages(client, settings, abort.signal)
  } catch (cause) {
    return { kind: 'silent', problem: messageOf(cause) }
  } finally {
    clearTimeout(timer)
  }
}

async function readPages(client: UpstreamClient, settings: UpstreamSettings, signal: Signal): Promise<ModelsAnswer> {
  const models = new Map<string, ListedModel>()
  let after: string | null = null
  for (let page = 0; page < pagesMax && models.size < modelsMax; page++) {
    const answer: ModelPage | ModelsAnswer = await readPage(client, settings, after, signal)
    if ('kind' in answer) return answer
    const before = models.size
    for (const model of answer.models) if (!models.has(model.id)) models.set(model.id, model)
    after = answer.nextAfter
    if (after === null || models.size === before) break // a page without news: its cursor means nothing to it
  }
  return { kind: 'list', models: [...models.values()] }
}

async function readPage(
  client: UpstreamClient,
  settings: UpstreamSettings,
  after: string | null,
  signal: Signal,
): Promise<ModelPage | ModelsAnswer> {
  const query = new URLSearchParams()
  if (settings.protocol === 'anthropic') query.set('limit', '1000') // else 20
  if (after !== null) query.set('after_id', after)
  const path = query.size === 0 ? '/v1/models' : `/v1/models?${query}`
  const response = await client.send({
    method: 'GET',
    path,
    headers: headersOf(settings),
    body: null,
    signal,
    streams: false,
  })
  if (response.status !== 200) {
    response.cancel()
    return {
      kind: response.status >= 500 && response.status !== 501 ? 'silent' : 'answered',
      problem: refusal(settings.name, response.status),
    }
  }
  const body = await wholeOf(response)
  if (typeof body === 'string') return { kind: 'answered', problem: body }
  return (
    parseModelPage(body) ?? {
      kind: 'answered',
      problem: `Upstream ${settings.name} lists no models, but sends something else`,
    }
  )
}

/** @returns a text: what is wrong with it */
async function wholeOf(response: UpstreamResponse): Promise<Uint8Array | string> {
  try {
    return await response.whole(bytesMax)
  } catch (cause) {
    if (cause instanceof HeadendError && cause.kind === 'upstream-malformed') return cause.message
    throw cause
  }
}

function headersOf({ protocol, key, passThroughCredentials }: UpstreamSettings): HeaderList {
  const version = protocol === 'anthropic' ? ['anthropic-version', '2023-06-01'] : []
  // Nobody's request is passed on here, so a key that requests go without is of use.
  return passThroughCredentials && key !== null ? [...version, ...keyHeader(protocol, key)] : version
}

function refusal(name: string, status: number): string {
  switch (status) {
    case 401:
    case 403:
      return `Upstream ${name} does not accept the key to list its models (${status})`
    case 404:
    case 405:
      return `Upstream ${name} has no list of models (${status})`
    default:
      return `Upstream ${name} does not list its models, but answers with status ${status}`
  }
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
