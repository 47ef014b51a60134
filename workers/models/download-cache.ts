import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { formatBytes } from './format-bytes.ts'
import { ModelError } from './model-error.ts'

export interface DownloadedModel {
  readonly id: string
  /** Of the first part. */
  readonly path: string
  /** Of all parts. */
  readonly bytes: number
  readonly createdAt: Date
}

/** Stands beside the files of a download once it is complete and checked; a folder without it holds an unfinished one. */
export interface Receipt {
  readonly id: string
  readonly files: readonly { readonly name: string; readonly bytes: number }[]
  readonly completedAt: string
}

const receiptName = 'headend.json'
const versionName = 'version.txt'

export async function listDownloads(cacheDir: string): Promise<readonly DownloadedModel[]> {
  const folders = await readdir(cacheDir).catch(() => []) // no cache yet
  const downloads = await Promise.all(folders.map((folder) => readDownload(join(cacheDir, folder))))
  return downloads.filter((download) => download !== null).sort((left, right) => (left.id < right.id ? -1 : 1))
}

/** `null`: nothing is there, or a file of it was removed or cut since. */
export async function readDownload(folder: string): Promise<DownloadedModel | null> {
  try {
    const receipt: Receipt = JSON.parse(await readFile(join(folder, receiptName), 'utf8'))
    let bytes = 0
    for (const file of receipt.files) {
      if ((await stat(join(folder, file.name))).size !== file.bytes) return null
      bytes += file.bytes
    }
    const path = join(folder, receipt.files[0]?.name ?? '')
    return { id: receipt.id, path, bytes, createdAt: new Date(receipt.completedAt) }
  } catch {
    return null
  }
}

export async function writeReceipt(folder: string, receipt: Receipt): Promise<void> {
  const path = join(folder, receiptName)
  await writeFile(`${path}.new`, `${JSON.stringify(receipt, null, 2)}\n`)
  await rename(`${path}.new`, path) // whole or not at all
}

/** @throws ModelError */
export async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true })
  } catch (cause) {
    throw new ModelError(`The cache ${dirname(folder)} cannot be written: change --cache-dir`, cause)
  }
}

/** What was fetched of one version must not be completed with another. `null`: the server names none. */
export async function forgetOtherVersion(folder: string, version: string | null): Promise<void> {
  const path = join(folder, versionName)
  const fetched = await readFile(path, 'utf8').catch(() => null)
  if (fetched !== null && fetched !== version) await clearFolder(folder)
  await writeFile(path, version ?? '')
}

export async function clearFolder(folder: string): Promise<void> {
  await rm(folder, { recursive: true, force: true })
  await makeFolder(folder)
}

/** @throws ModelError when the disk cannot hold the rest */
export async function requireSpace(folder: string, totalBytes: number): Promise<void> {
  const names = await readdir(folder)
  const stats = await Promise.all(names.map((name) => stat(join(folder, name))))
  const fetched = stats.reduce((sum, { blocks }) => sum + blocks * 512, 0) // unfinished files have holes
  const { bavail, bsize } = await statfs(folder)
  if (totalBytes - fetched <= bavail * bsize) return
  throw new ModelError(
    `The download needs ${formatBytes(totalBytes - fetched)}, ${formatBytes(bavail * bsize)} are free: make room, or change --cache-dir`,
  )
}

/** Hexadecimal. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
