import { fileURLToPath } from 'node:url'
import { type LocalBackendOptions, openLocalBackend } from '../../src/backends/local/backend.ts'
import type { Backend, Call } from '../../src/contract/backend.ts'
import type { StreamEvent } from '../../src/contract/events.ts'
import type { GenerateRequest } from '../../src/contract/request.ts'
import { CollectingSink } from './collecting-sink.ts'
import { callOf } from './generate-requests.ts'

export const embeddedModelPath = fileURLToPath(new URL('../../models/headend-tiny.gguf', import.meta.url))

export interface TestBackendOptions {
  readonly load?: Partial<LocalBackendOptions['load']>
  readonly workerCount?: number
  readonly reports?: LocalBackendOptions['reports']
}

/** The embedded model in real worker threads, as in production: one worker of four slots unless said otherwise. */
export function openTestBackend({ load, workerCount = 1, reports }: TestBackendOptions = {}): Promise<Backend> {
  return openLocalBackend({
    name: 'headend-tiny',
    createdAt: new Date(0),
    workerCount,
    concurrency: null,
    load: {
      modelPath: embeddedModelPath,
      threads: 1,
      slotCount: 4,
      contextTokens: 2048,
      gpuLayers: 0,
      samplingDefaults: { temperature: null, topP: null, topK: null, minP: null, seed: null },
      stallTargetMs: 250,
      ...load,
    },
    reports: reports ?? { loading: () => {}, trouble: () => {} },
  })
}

export interface Answer {
  readonly text: string
  readonly events: readonly StreamEvent[]
  readonly finish: StreamEvent & { readonly type: 'finish' }
}

/** One whole answer. */
export async function ask(backend: Backend, request: GenerateRequest, call: Call = callOf()): Promise<Answer> {
  const sink = new CollectingSink()
  await backend.generate(await backend.prepare(request, call), sink, call)
  return { text: sink.text, events: sink.events, finish: sink.finish }
}

/** Slots that are at work, over all workers. */
export function busySlots(backend: Backend): number {
  const { workers } = backend.status() as { workers: readonly { readonly busySlots: number }[] }
  return workers.reduce((sum, { busySlots }) => sum + busySlots, 0)
}
