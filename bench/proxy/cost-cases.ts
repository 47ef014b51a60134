import { percentile } from '../support/median.ts'
import { closedLoop, type LoadResult, paced } from './load.ts'
import type { RowName } from './rows.ts'
import { scenarios } from './scenarios.ts'
import type { Target } from './targets.ts'

export type Figures = Partial<Record<RowName, number>>
/** `scale`: 1, or less for a quick look. */
export type Case = (target: Target, scale: number) => Promise<Figures>

const textMarkers = { mock: Buffer.from('"delta":{"content":" '), others: Buffer.from('"text_delta"') } as const

/** What the processor has to do; they run on servers that stay up from round to round. */
export const costCases = {
  small: async (target, scale) => {
    const count = 8000 * scale
    const result = await closedLoop(target, target.request('json', false), 16, count)
    return { small: result.cpuMicros / count, rate: count / result.seconds, busy: busyPercent(result) }
  },
  large: async (target, scale) => ({
    large: await costPerRequest(target, target.request('json', false, 'large'), 1000 * scale),
    largeUnicode: await costPerRequest(target, target.request('json', false, 'large-unicode'), 1000 * scale),
  }),
  burst: async (target, scale) => {
    const count = 160 * scale
    const { cpuMicros } = await closedLoop(target, target.request('burst', true), 4, count)
    return { burst: cpuMicros / count / scenarios.burst.events }
  },
  single: async (target, scale) => {
    const count = 60 * scale
    const result = await closedLoop(target, target.request('single', true), 10, count)
    const events = count * scenarios.single.events
    return { single: result.cpuMicros / events, singlePieces: result.pieces / events }
  },
  latency: async (target, scale) => {
    const samples = await paced(target, target.request('json', false), 100, 2 * scale, null)
    return { p50: percentile(samples, 0.5) * 1000, p99: percentile(samples, 0.99) * 1000 }
  },
  first: async (target, scale) => {
    const marker = target.name === 'mock' ? textMarkers.mock : textMarkers.others
    const samples = await paced(target, target.request('first', true), 100, 1.5 * scale, marker)
    return { firstP50: percentile(samples, 0.5) * 1000, firstP99: percentile(samples, 0.99) * 1000 }
  },
} as const satisfies Record<string, Case>

async function costPerRequest(target: Target, request: Buffer, count: number): Promise<number> {
  const { cpuMicros } = await closedLoop(target, request, 8, count)
  return cpuMicros / count
}

function busyPercent({ cpuMicros, seconds }: LoadResult): number {
  return cpuMicros / seconds / 1e4
}
