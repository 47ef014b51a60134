import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import {
  clearFolder,
  type DownloadedModel,
  forgetOtherVersion,
  makeFolder,
  readDownload,
  requireSpace,
  sha256OfFile,
  writeReceipt,
} from './download-cache.ts'
import { type Probe, probe } from './download-probe.ts'
import { directUrl, folderName, shownSource } from './download-source.ts'
import type { Remote } from './download-thread.ts'
import { type RemoteFiles, Transfer } from './download-transfer.ts'
import { readGguf } from './gguf.ts'
import { ModelError } from './model-error.ts'
import { modelId } from './model-name.ts'

export interface DownloadOptions {
  /** Made when it is missing. Each download has a folder in it. */
  readonly cacheDir: string
  readonly onProgress?: (progress: DownloadProgress) => void
  /** Ends the download; the next one goes on where it stopped. */
  readonly signal?: AbortSignal
  /** A download fails after so long without a byte. Default 60,000. */
  readonly stallTimeoutMs?: number
}

export interface DownloadProgress {
  readonly downloadedBytes: number
  /** 0: the server does not say. */
  readonly totalBytes: number
  /** Where it comes from, as the user wrote it. */
  readonly file: string
}

/**
 * The model from the cache, else downloaded into it and checked. Two processes must not download the same model at once.
 * @throws ModelError; the reason of `signal`
 */
export async function downloadModel(source: string, options: DownloadOptions): Promise<DownloadedModel> {
  const url = directUrl(source)
  const kept = await findDownload(source, options.cacheDir)
  if (kept !== null) return kept
  const folder = join(options.cacheDir, folderName(source))
  options.signal?.throwIfAborted()
  await makeFolder(folder)
  const first = url === null ? null : await ask({ url, headers: {}, whole: true }, options)
  if (first !== null) await forgetOtherVersion(folder, first.version)
  await fetchInto(folder, source, first, options)
  const download = await readDownload(folder)
  if (download === null) throw new ModelError(`${folder} changes while it is read: change --cache-dir`)
  return download
}

/** `null`: not downloaded, or not to the end. */
export function findDownload(source: string, cacheDir: string): Promise<DownloadedModel | null> {
  return readDownload(join(cacheDir, folderName(source)))
}

const stallTimeoutMs = 60_000

async function fetchInto(folder: string, source: string, first: Probe | null, options: DownloadOptions): Promise<void> {
  const file = shownSource(source)
  const transfer = new Transfer(source, folder, {
    onProgress: (downloadedBytes, totalBytes) => options.onProgress?.({ downloadedBytes, totalBytes, file }),
    signal: options.signal ?? null,
    stallTimeoutMs: options.stallTimeoutMs ?? stallTimeoutMs,
  })
  try {
    const remote = await transfer.open()
    const probes = await askForAll(remote, first, options)
    const totalBytes = remote.files.reduce((sum, { bytes }) => sum + bytes, 0)
    await requireSpace(folder, totalBytes)
    await transfer.run()
    options.onProgress?.({ downloadedBytes: totalBytes, totalBytes, file })
    await keep(folder, remote, probes)
  } finally {
    await transfer.close()
  }
}

/** One for each file; empty when its URL is not known or is that of a piece. `first`: what is known already. */
async function askForAll({ remote, files }: RemoteFiles, first: Probe | null, options: DownloadOptions) {
  if (remote?.whole === false) return []
  if (first !== null && files.length === 1) return [first]
  if (remote === null) return []
  const probes: Probe[] = []
  for (let index = 1; index <= files.length; index += 1) {
    const part = `-${String(index).padStart(5, '0')}-of-`
    probes.push(await ask({ ...remote, url: remote.url.replace(/-\d{5}-of-(?=\d{5}\.gguf)/, part) }, options))
  }
  return probes
}

function ask({ url, headers }: Remote, options: DownloadOptions): Promise<Probe> {
  const timeoutMs = options.stallTimeoutMs ?? stallTimeoutMs
  return probe(url, { headers, signal: options.signal ?? null, timeoutMs })
}

/** Checks what came and writes the receipt; what fails is thrown away, for it would fail for ever. */
async function keep(folder: string, { remote, files }: RemoteFiles, probes: readonly Probe[]): Promise<void> {
  const names = files.map((file) => file.name)
  try {
    const kept = []
    for (const [index, file] of files.entries()) {
      kept.push({ name: file.name, bytes: await checkFile(join(folder, file.name), file.bytes, probes[index]) })
    }
    await readGguf(join(folder, names[0] ?? ''))
    const remoteName = remote === null ? '' : decodeURIComponent(new URL(remote.url).pathname)
    const id = modelId(remoteName.endsWith('.gguf') ? remoteName : (names[0] ?? ''))
    await writeReceipt(folder, { id, files: kept, completedAt: new Date().toISOString() })
  } catch (cause) {
    if (cause instanceof ModelError) await clearFolder(folder)
    throw cause
  }
}

async function checkFile(path: string, announcedBytes: number, probe: Probe | undefined): Promise<number> {
  const { size } = await stat(path)
  const expected = probe?.bytes ?? announcedBytes
  if (expected !== 0 && size !== expected) {
    throw new ModelError(`The download has ${size} bytes, its server promised ${expected}: start headend again`)
  }
  if (probe?.sha256 && (await sha256OfFile(path)) !== probe.sha256) {
    throw new ModelError('The download is damaged: its SHA-256 is not what the server says; start headend again')
  }
  return size
}
