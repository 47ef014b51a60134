import { execFileSync } from 'node:child_process'
import { availableParallelism, cpus } from 'node:os'

/** Figures mean nothing without it. */
export function describeMachine(): string {
  const cpu = cpus()[0]?.model ?? 'unknown processor'
  return `Node ${process.versions.node}, ${availableParallelism()} x ${cpu}, commit ${commit()}`
}

function commit(): string {
  try {
    const id = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    const changed = execFileSync('git', ['status', '--porcelain'], { encoding: 'utf8' }).trim() !== ''
    return changed ? `${id.trim()} with changes` : id.trim()
  } catch {
    return 'unknown'
  }
}
