import { Worker } from 'node:worker_threads'
import { refusal } from './download-probe.ts'
import { shownSource } from './download-source.ts'
import type { DownloadTask, Remote, RemoteFile, ThreadReport } from './download-thread.ts'
import { formatBytes } from './format-bytes.ts'
import { ModelError } from './model-error.ts'

export interface TransferOptions {
  readonly onProgress: (downloadedBytes: number, totalBytes: number) => void
  readonly signal: AbortSignal | null
  readonly stallTimeoutMs: number
}

export interface RemoteFiles {
  /** `null`: the downloader does not tell. */
  readonly remote: Remote | null
  readonly files: readonly RemoteFile[]
}

/** One download in its thread: `open`, `run`, `close`. What was fetched stays for the next time, however it ends. */
export class Transfer {
  readonly #source: string
  readonly #options: TransferOptions
  readonly #thread: Worker
  #waiting: { readonly resolve: (report: ThreadReport) => void; readonly reject: (cause: unknown) => void } | null =
    null
  #failure: unknown = null
  #mostBytes = 0
  #stallTimer: NodeJS.Timeout | null = null

  constructor(source: string, directory: string, options: TransferOptions) {
    const entry = import.meta.url.endsWith('.ts') ? '../from-source.mjs' : './download-thread.js'
    const task: DownloadTask = { module: 'models/download-thread', uri: source, directory }
    this.#source = source
    this.#options = options
    this.#thread = new Worker(new URL(entry, import.meta.url), { workerData: task })
    this.#thread.on('message', this.#onReport)
    this.#thread.on('error', this.#onError)
    options.signal?.addEventListener('abort', this.#onAbort)
  }

  /**
   * Which files there are; nothing is fetched yet.
   * @throws ModelError; the reason of `signal`
   */
  async open(): Promise<RemoteFiles> {
    const report = await this.#nextReport()
    if (report.type !== 'ready') throw new Error(`the download thread said ${report.type} before it was asked`)
    return report
  }

  /** @throws ModelError; the reason of `signal` */
  async run(): Promise<void> {
    this.#thread.postMessage('start')
    await this.#nextReport()
  }

  async close(): Promise<void> {
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#settle()
    await this.#thread.terminate()
  }

  #nextReport(): Promise<ThreadReport> {
    if (this.#options.signal?.aborted) this.#onAbort()
    if (this.#failure !== null) return Promise.reject(this.#failure)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#watchForStall()
    })
  }

  readonly #onReport = (report: ThreadReport): void => {
    if (report.type === 'progress') this.#onProgress(report.downloadedBytes, report.totalBytes)
    else if (report.type === 'failed') this.#fail(failure(this.#source, report.message, report.status))
    else this.#settle()?.resolve(report)
  }

  #onProgress(downloadedBytes: number, totalBytes: number): void {
    this.#options.onProgress(downloadedBytes, totalBytes)
    // A piece that is tried again and again counts up from its beginning each time: that is no progress.
    if (downloadedBytes <= this.#mostBytes) return
    this.#mostBytes = downloadedBytes
    this.#watchForStall()
  }

  #watchForStall(): void {
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer)
    this.#stallTimer = setTimeout(this.#onStall, this.#options.stallTimeoutMs)
  }

  readonly #onStall = (): void => {
    const seconds = Math.round(this.#options.stallTimeoutMs / 1000)
    const message = `${shownSource(this.#source)} sent nothing for ${seconds} s; ${formatBytes(this.#mostBytes)} are kept`
    this.#fail(new ModelError(`${message}: start headend again to go on from there`))
  }

  readonly #onError = (cause: Error): void => this.#fail(failure(this.#source, cause.message, null))
  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason)

  /** The thread may fail while nobody waits: then the next wait fails. */
  #fail(cause: unknown): void {
    this.#failure ??= cause
    this.#settle()?.reject(cause)
  }

  #settle() {
    const waiting = this.#waiting
    this.#waiting = null
    if (this.#stallTimer !== null) clearTimeout(this.#stallTimer)
    return waiting
  }
}

function failure(source: string, message: string, status: number | null): ModelError {
  const name = shownSource(source)
  if (status !== null) return refusal(name, status)
  if (message.includes('or it does not exist')) {
    return new ModelError(`There is no ${name}: check the repository and the quantisation on https://huggingface.co`)
  }
  if (message.includes('ENOSPC'))
    return new ModelError(`The disk is full: make room for ${name}, or change --cache-dir`)
  return new ModelError(`${name} cannot be downloaded (${message}): check the network and start headend again`)
}
