import { readFileSync } from 'node:fs'
import { availableParallelism, freemem, totalmem } from 'node:os'
import { posix } from 'node:path'
import type { Hardware } from './plan.ts'

/** Reads a system file; `null` where there is none. */
export type ReadText = (path: string) => string | null

/**
 * What this process may use, limits of containers and services included.
 * `gpus`: found by whoever has loaded the native library; to load it here would cost every start.
 */
export function readHardware(gpus: Hardware['gpus'] = [], read: ReadText = readSystemFile): Hardware {
  const memories = groupsOf('memory', read).map((group) => groupFreeBytes(group, read))
  const shares = groupsOf('cpu', read).map((group) => groupCores(group, read))
  return {
    cores: Math.max(1, Math.min(availableParallelism(), ...shares)),
    memoryBytes: Math.min(availableBytes(read), ...memories),
    gpus,
  }
}

/**
 * Linux and macOS count as used what they give back on demand. Linux tells it apart (MemAvailable); macOS does not, so there
 * the share counts that Metal recommends as the most to use.
 */
function availableBytes(read: ReadText): number {
  const kibibytes = /^MemAvailable:\s+(\d+) kB$/m.exec(read('/proc/meminfo') ?? '')?.[1]
  if (kibibytes !== undefined) return Number(kibibytes) * 1024
  return process.platform === 'darwin' ? totalmem() * 0.75 : freemem()
}

/**
 * The control group of this process and all above it, for each may set a limit: version 2, then version 1. A container sees
 * its own group at the root, a systemd service finds its name in /proc/self/cgroup.
 */
function groupsOf(controller: 'memory' | 'cpu', read: ReadText): readonly string[] {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n').map((line) => line.split(':'))
  const second = lines.find(([number]) => number === '0')?.[2]
  const first = lines.find(([, controllers = '']) => controllers.split(',').includes(controller))?.[2]
  return [
    ...ancestors(second ?? '').map((path) => `/sys/fs/cgroup${path}`),
    ...ancestors(first ?? '').map((path) => `/sys/fs/cgroup/${controller}${path}`),
  ]
}

/** `/a/b`, `/a` and the root, which is ''. */
function ancestors(path: string): readonly string[] {
  return path.length > 1 ? [path, ...ancestors(posix.dirname(path))] : ['']
}

/** What the group's limit leaves: its page cache is given back on demand and counts as free. */
function groupFreeBytes(group: string, read: ReadText): number {
  const limit = read(`${group}/memory.max`) ?? read(`${group}/memory.limit_in_bytes`)
  if (limit === null || !/^\d+\s*$/.test(limit)) return Number.POSITIVE_INFINITY // "max"
  const used = Number(read(`${group}/memory.current`) ?? read(`${group}/memory.usage_in_bytes`) ?? 0)
  const stat = read(`${group}/memory.stat`) ?? ''
  // Version 1 has both: the first counts the groups below, too, as the usage does.
  const cache = (/^total_inactive_file (\d+)$/m.exec(stat) ?? /^inactive_file (\d+)$/m.exec(stat))?.[1] ?? 0
  return Math.max(0, Number(limit) - Math.max(0, used - Number(cache)))
}

/** Node counts the cores of the affinity mask; a group may grant less time than that. */
function groupCores(group: string, read: ReadText): number {
  const [quota, period] = read(`${group}/cpu.max`)?.split(' ') ?? [
    read(`${group}/cpu.cfs_quota_us`),
    read(`${group}/cpu.cfs_period_us`),
  ]
  const share = Number(quota) / Number(period)
  return share > 0 ? Math.ceil(share) : Number.POSITIVE_INFINITY // "max", -1 or no limit at all
}

function readSystemFile(path: string): string | null {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return null
  }
}
