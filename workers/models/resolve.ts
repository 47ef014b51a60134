import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type DownloadOptions, downloadModel, findDownload } from './download.ts'
import { listDownloads } from './download-cache.ts'
import { isRemote } from './download-source.ts'
import { readGguf } from './gguf.ts'
import { ModelError } from './model-error.ts'
import { modelId, partPaths } from './model-name.ts'

/** A model file that is whole and on this disk. */
export interface ModelFile {
  readonly id: string
  /** Of the first part, when the model is split. */
  readonly path: string
  /** Of all parts together. */
  readonly bytes: number
  readonly source: 'embedded' | 'path' | 'download'
  readonly createdAt: Date
}

/** `npm pack` stamps files with a day in 1985, so the day on which the embedded model was made stands here. */
const embeddedCreatedAt = new Date('2026-11-20T00:00:00Z')

/**
 * `spec`: `embedded`, a path, `hf:user/repo:quant`, `hf:user/repo/file.gguf` or an http(s) URL; `name=` before any of them
 * names the model. What was downloaded once starts without the network.
 * @throws ModelError; the reason of `signal` when that ends a download
 */
export async function resolveModel(spec: string, options: DownloadOptions): Promise<ModelFile> {
  const { name, source } = parseSpec(spec)
  const file = await resolveSource(source, options)
  return name === null ? file : { ...file, id: name }
}

/** Whether `resolveModel` would need no network. */
export async function isFetched(spec: string, cacheDir: string): Promise<boolean> {
  const { source } = parseSpec(spec)
  return !isRemote(source) || (await findDownload(source, cacheDir)) !== null
}

/** The embedded model, then every complete download by name. */
export async function listModels(cacheDir: string): Promise<readonly ModelFile[]> {
  const downloads = await listDownloads(cacheDir)
  return [await embeddedModel(), ...downloads.map((download) => ({ ...download, source: 'download' as const }))]
}

async function resolveSource(source: string, options: DownloadOptions): Promise<ModelFile> {
  if (source === 'embedded') return embeddedModel()
  if (!isRemote(source)) return localModel(source)
  return { ...(await downloadModel(source, options)), source: 'download' }
}

/** A path or URL may hold `=` too, but only after the `/`, `\` or `?` that no name has. */
function parseSpec(spec: string): { name: string | null; source: string } {
  const match = /^([^=/\\?]+)=(.+)$/.exec(spec.trim())
  const name = match?.[1]
  const source = match?.[2] ?? spec.trim()
  if (source === '')
    throw new ModelError('--model is empty: give a path to a .gguf file, hf:user/repo:quant, or an https URL')
  return { name: name ?? null, source }
}

async function embeddedModel(): Promise<ModelFile> {
  const path = join(packageRoot(), 'models', 'headend-tiny.gguf')
  return { ...(await localModel(path)), source: 'embedded', createdAt: embeddedCreatedAt }
}

/** The same from `workers/*.ts` and from `dist/workers/*.js`. */
function packageRoot(): string {
  for (let directory = dirname(fileURLToPath(import.meta.url)); ; directory = dirname(directory)) {
    if (packageName(directory) === 'headend') return directory
    if (directory === dirname(directory)) throw new ModelError('The headend package is incomplete: install it again')
  }
}

function packageName(directory: string): unknown {
  try {
    return JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')).name
  } catch {
    return null
  }
}

/** @throws ModelError missing, truncated or foreign files */
async function localModel(given: string): Promise<ModelFile> {
  const path = resolve(given.startsWith('~/') ? join(homedir(), given.slice(2)) : given)
  await readGguf(path)
  let bytes = 0
  let createdAt = new Date(0)
  for (const part of partPaths(path)) {
    const stats = await stat(part)
    bytes += stats.size
    createdAt = stats.mtime
  }
  return { id: modelId(path), path, bytes, source: 'path', createdAt }
}
