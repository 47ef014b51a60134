import type { DownloadProgress } from '../../workers/models/download.ts'
import { findGpus } from '../../workers/models/gpus.ts'
import { readHardware } from '../../workers/models/hardware.ts'
import { type ModelFacts as FileFacts, inspectModel } from '../../workers/models/inspect.ts'
import { type Plan, planResources, type ResourceSettings } from '../../workers/models/plan.ts'
import { type ModelFile, resolveModel } from '../../workers/models/resolve.ts'
import type { Backend } from '../contract/backend.ts'
import { createEchoBackend } from './echo/backend.ts'
import { openLocalBackend } from './local/backend.ts'
import type { PoolReports } from './local/supervised-pool.ts'
import { createRecorder } from './upstream/recorder.ts'
import type { UpstreamSettings } from './upstream/settings.ts'
import { openUpstream, type Upstream } from './upstream/upstream.ts'

/** What backends need to know of the configuration. */
export interface BackendSettings extends ResourceSettings {
  readonly backend: 'local' | 'echo'
  readonly model: readonly string[]
  readonly cacheDir: string
  readonly stallTargetMs: number
  readonly concurrency: number | null
}

/** What the operator sees while models are fetched and loaded. */
export interface BackendReports extends PoolReports {
  downloading(progress: DownloadProgress): void
}

export interface ServedModel {
  readonly id: string
  readonly displayName: string
  readonly backend: Backend
  /** One line for the banner. */
  readonly summary: string
}

/** An echo has no slots: this many requests at once are more than any test or bench sends. */
const echoCapacity = 100_000

/**
 * Configuration to backends, ready to answer.
 * @throws ModelError when a model cannot be served: one line that says what to do
 */
export async function openBackends(
  settings: BackendSettings,
  reports: BackendReports,
): Promise<readonly ServedModel[]> {
  if (settings.backend === 'echo') {
    const backend = createEchoBackend(settings.concurrency ?? echoCapacity)
    return [{ id: 'echo', displayName: 'Echo', backend, summary: 'echo (scripted, no model)' }]
  }
  const served: ServedModel[] = []
  try {
    for (const { file, facts, plan } of await planModels(settings, reports.downloading)) {
      served.push(await openModel(file, facts, plan, settings, reports))
    }
    return served
  } catch (cause) {
    await Promise.all(served.map(({ backend }) => backend.destroy()))
    throw cause
  }
}

export interface AllUpstreamSettings {
  readonly upstreams: readonly UpstreamSettings[]
  /** Folder of recordings; `null`: nothing is recorded. */
  readonly record: string | null
  readonly recordSample: number
}

/** How long a start waits for upstreams to say what they have. Those that take longer are served as soon as they do. */
const firstListMs = 3000

/** @param warn what the operator should know, one line */
export async function openUpstreams(
  settings: AllUpstreamSettings,
  warn: (message: string) => void,
): Promise<readonly Upstream[]> {
  const { record: directory, recordSample: sample } = settings
  const recorder = directory === null ? null : createRecorder({ directory, sample }, warn)
  const upstreams = settings.upstreams.map((upstream) => openUpstream(upstream, recorder, warn))
  const listed = Promise.all(upstreams.map(({ catalogue }) => catalogue.refresh()))
  let timer: NodeJS.Timeout | undefined
  const late = new Promise((resolve) => {
    timer = setTimeout(resolve, firstListMs)
  })
  await Promise.race([listed, late])
  clearTimeout(timer)
  return upstreams
}

export interface PlannedModel {
  readonly file: ModelFile
  readonly facts: FileFacts
  readonly plan: Plan
}

/**
 * Finds (or fetches) the models and decides how to hold each, without loading any. The first takes what it needs of the memory, the
 * next ones what is left; the cores are shared, as models seldom all work at once.
 */
export async function planModels(
  settings: BackendSettings,
  onProgress: (progress: DownloadProgress) => void,
): Promise<readonly PlannedModel[]> {
  if (settings.model.length === 0) return [] // looking for GPUs would load the engine
  const hardware = readHardware(settings.gpuLayers === 0 ? [] : await findGpus())
  let memoryBytes = hardware.memoryBytes
  const planned: PlannedModel[] = []
  for (const spec of settings.model) {
    const file = await resolveModel(spec, { cacheDir: settings.cacheDir, onProgress })
    const facts = await inspectModel(file)
    const plan = planResources({ facts, hardware: { ...hardware, memoryBytes }, settings })
    memoryBytes -= plan.memoryBytes.weights + plan.memoryBytes.kv + plan.memoryBytes.compute
    planned.push({ file, facts, plan })
  }
  return planned
}

async function openModel(
  file: ModelFile,
  facts: FileFacts,
  plan: Plan,
  settings: BackendSettings,
  reports: BackendReports,
): Promise<ServedModel> {
  const backend = await openLocalBackend({
    name: file.id,
    createdAt: file.createdAt,
    workerCount: plan.workers,
    concurrency: settings.concurrency,
    load: {
      modelPath: file.path,
      threads: plan.threads,
      slotCount: plan.slots,
      contextTokens: plan.contextTokens,
      gpuLayers: plan.gpuLayers,
      samplingDefaults: { ...facts.sampling, seed: null },
      stallTargetMs: settings.stallTargetMs,
    },
    reports,
  })
  return { id: file.id, displayName: facts.displayName ?? file.id, backend, summary: describe(file, plan) }
}

function describe(file: ModelFile, plan: Plan): string {
  const shape = `${count(plan.workers, 'worker')} x ${count(plan.slots, 'slot')}, ${count(plan.threads, 'thread')}`
  return `${file.id} (${file.source}), ${shape}, ${plan.contextTokens} tokens of context per slot`
}

function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`
}
