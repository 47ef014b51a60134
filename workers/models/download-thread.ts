/**
 * node-llama-cpp's downloader, in a thread of its own: the library under it (ipull) leaves a response body unread for every
 * file, leaves rejections unhandled when one of its parallel pieces fails, and retries for twelve minutes without a word. So
 * the thread may die of it or be terminated at any moment, and takes its sockets with it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { createModelDownloader, type ModelDownloader } from 'node-llama-cpp'

export interface DownloadTask {
  /** What `from-source.mjs` is to load. */
  readonly module: 'models/download-thread'
  readonly uri: string
  readonly directory: string
}

export type ThreadReport =
  | { readonly type: 'ready'; readonly remote: Remote | null; readonly files: readonly RemoteFile[] }
  | { readonly type: 'progress'; readonly downloadedBytes: number; readonly totalBytes: number }
  | { readonly type: 'done' }
  | { readonly type: 'failed'; readonly message: string; readonly status: number | null }

export interface RemoteFile {
  readonly name: string
  /** 0: the server does not say. */
  readonly bytes: number
}

export interface Remote {
  /** Of the first file. */
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** `false`: the URL is that of a piece, and the pieces become one file here. */
  readonly whole: boolean
}

const progressIntervalMs = 100

const task = workerData as DownloadTask

function report(message: ThreadReport): void {
  parentPort?.postMessage(message)
}

async function main(): Promise<void> {
  let reportedAt = 0
  const downloader = await createModelDownloader({
    modelUri: task.uri,
    dirPath: task.directory,
    onProgress: ({ downloadedSize, totalSize }) => {
      if (Date.now() - reportedAt < progressIntervalMs) return
      reportedAt = Date.now()
      report({ type: 'progress', downloadedBytes: downloadedSize, totalBytes: totalSize })
    },
  })
  parentPort?.once('message', () => download(downloader).catch(fail))
  const files = downloader.filesInfo.map(({ fileName, totalSize }) => ({ name: fileName, bytes: totalSize }))
  report({ type: 'ready', remote: remoteOf(downloader), files })
}

async function download(downloader: ModelDownloader): Promise<void> {
  await downloader.download()
  report({ type: 'done' })
}

/** `hf:user/repo:quant` names no file, and the downloader keeps to itself which one it chose: without it no hash is checked. */
function remoteOf(downloader: ModelDownloader): Remote | null {
  const url: unknown = Reflect.get(downloader, '_modelUrl')
  const tried: unknown = Reflect.get(downloader, '_tryHeaders')
  if (typeof url !== 'string') return null
  const headers = Array.isArray(tried) && tried.length > 0 ? tried[0] : {}
  return { url, headers, whole: downloader.splitBinaryParts === undefined }
}

function fail(cause: unknown): void {
  const status = cause instanceof Error && 'statusCode' in cause ? Number(cause.statusCode) : null
  report({ type: 'failed', message: cause instanceof Error ? cause.message : String(cause), status })
}

main().catch(fail)
