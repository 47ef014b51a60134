import { spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export interface HeadendProcess {
  readonly url: string
  /** From the start of the process to its log line that it listens and serves. */
  readonly startMs: number
  /** Resident set, MB; `null` where there is no /proc. */
  residentMegabytes(): number | null
  stop(): Promise<void>
}

/** The built product as a user runs it, on a free port. */
export async function startHeadend(flags: readonly string[] = []): Promise<HeadendProcess> {
  const bin = fileURLToPath(new URL('../../bin/headend.cjs', import.meta.url))
  const startedAt = performance.now()
  const child = spawn(process.execPath, [bin, '--port', '0', '--log-format', 'json', ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, UV_THREADPOOL_SIZE: '' }, // the bin chooses
  })
  const exit = once(child, 'exit')
  const lines = createInterface(child.stdout)
  for await (const [line] of on(lines, 'line', { close: ['close'] })) {
    const { url } = JSON.parse(line) as { url?: string }
    if (url === undefined) continue
    lines.on('line', () => {}) // keeps the pipe empty
    return {
      url,
      startMs: performance.now() - startedAt,
      residentMegabytes: () => residentMegabytes(child.pid),
      async stop() {
        child.kill('SIGTERM')
        await exit
      },
    }
  }
  throw new Error('headend did not start: run npm run build first')
}

function residentMegabytes(pid: number | undefined): number | null {
  try {
    const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
    return kilobytes === undefined ? null : Number(kilobytes) / 1000
  } catch {
    return null
  }
}
