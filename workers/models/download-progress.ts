import type { DownloadProgress } from './download.ts'
import { formatBytes } from './format-bytes.ts'

export interface ProgressOutput {
  readonly isTTY?: boolean
  write(text: string): unknown
}

const lineIntervalMs = 5000
const barCells = 24
const eraseLine = '\r\x1b[K'

/** Shows a download: one line that is redrawn on a terminal, else a line every five seconds. `now` in ms. */
export function createProgressReporter(output: ProgressOutput, now: () => number = Date.now) {
  let firstBytes: number | null = null
  let startedAt = 0
  let shownAt = Number.NEGATIVE_INFINITY
  return ({ downloadedBytes, totalBytes, file }: DownloadProgress): void => {
    if (firstBytes === null) {
      firstBytes = downloadedBytes // what an earlier start fetched says nothing about the speed
      startedAt = now()
    }
    const done = totalBytes > 0 && downloadedBytes >= totalBytes
    if (!output.isTTY && !done && now() - shownAt < lineIntervalMs) return
    shownAt = now()
    const bytesPerSecond = ((downloadedBytes - firstBytes) / (now() - startedAt)) * 1000
    const words = [amount(downloadedBytes, totalBytes)]
    if (Number.isFinite(bytesPerSecond) && bytesPerSecond > 0) {
      words.push(`${formatBytes(bytesPerSecond)}/s`)
      if (totalBytes > downloadedBytes) words.push(`${duration((totalBytes - downloadedBytes) / bytesPerSecond)} left`)
    }
    if (!output.isTTY) output.write(`Downloading ${file}: ${words.join(', ')}\n`)
    else output.write(`${eraseLine}${file} ${bar(downloadedBytes, totalBytes)} ${words.join(', ')}${done ? '\n' : ''}`)
  }
}

function amount(downloadedBytes: number, totalBytes: number): string {
  if (totalBytes === 0) return formatBytes(downloadedBytes)
  const percent = Math.floor((downloadedBytes / totalBytes) * 100)
  return `${percent} % of ${formatBytes(totalBytes)}`
}

function bar(downloadedBytes: number, totalBytes: number): string {
  const filled = totalBytes === 0 ? 0 : Math.floor((downloadedBytes / totalBytes) * barCells)
  return `[${'#'.repeat(filled)}${'.'.repeat(barCells - filled)}]`
}

function duration(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`
  return seconds < 6000 ? `${Math.ceil(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`
}
