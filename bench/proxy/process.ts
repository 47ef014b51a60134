import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { openSync, readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'

/** The servers have a core for themselves; the load and the mock share another one. `null`: nothing can be pinned here. */
export const cores = canPin() ? ({ load: 0, server: 1 } as const) : null

const startLimitMs = 20_000

export interface ServerProcess {
  readonly url: URL
  readonly pid: number
  /** Since its start, all threads, user and system, microseconds. */
  cpuMicros(): number
  residentKilobytes(): number
  stop(): Promise<void>
}

/** Its log goes to a file, as with most users, and is read until a line says `url`. */
export async function startProcess(args: readonly string[], core: number | null, log: string): Promise<ServerProcess> {
  const command = [...(core === null ? [] : ['taskset', '-c', String(core)]), process.execPath, ...args]
  const output = openSync(log, 'w')
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', output, 'inherit'] })
  const exit = once(child, 'exit')
  const killed = (): void => {
    child.kill('SIGKILL')
  }
  process.once('exit', killed) // a bench that fails leaves no server behind
  const pid = child.pid as number // taskset becomes the server: it stays one process
  for (const startedAt = performance.now(); performance.now() - startedAt < startLimitMs; await delay(20)) {
    if (child.exitCode !== null) break
    const url = findUrl(readFileSync(log, 'utf8'))
    if (url !== null) {
      return {
        url,
        pid,
        cpuMicros: () => cpuMicros(pid),
        residentKilobytes: () => residentKilobytes(pid),
        async stop() {
          child.kill('SIGTERM')
          await exit
          process.off('exit', killed)
        },
      }
    }
  }
  child.kill('SIGKILL')
  throw new Error(`${args.join(' ')} did not start: ${readFileSync(log, 'utf8').slice(-2000)}`)
}

export function pinThisProcess(): void {
  if (cores !== null) spawnSync('taskset', ['-a', '-c', '-p', String(cores.load), String(process.pid)])
}

function canPin(): boolean {
  return availableParallelism() > 1 && spawnSync('taskset', ['--version']).status === 0
}

function findUrl(log: string): URL | null {
  const url = /"url":"(http[^"]+)"/.exec(log)?.[1]
  return url === undefined ? null : new URL(url)
}

/** Linux counts nanoseconds for each thread; elsewhere hundredths of a second must do, which long enough rounds allow. */
function cpuMicros(pid: number): number {
  if (process.platform !== 'linux') return psCpuMicros(pid)
  let nanoseconds = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
  }
  return nanoseconds / 1000
}

function psCpuMicros(pid: number): number {
  const time = spawnSync('ps', ['-o', 'time=', '-p', String(pid)], { encoding: 'utf8' }).stdout.trim()
  return time.split(':').reduce((sum, part) => sum * 60 + Number(part), 0) * 1e6
}

function residentKilobytes(pid: number): number {
  if (process.platform !== 'linux') {
    return Number(spawnSync('ps', ['-o', 'rss=', '-p', String(pid)], { encoding: 'utf8' }).stdout)
  }
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
}
