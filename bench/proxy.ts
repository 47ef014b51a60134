/**
 * What a proxy costs: the same load on the mock upstream alone, on the floor (the shortest server that translates, without any
 * check), on headend that translates to an OpenAI upstream, and on headend that relays to an Anthropic upstream. Each server has a
 * core for itself, the load and the mock share another one. `npm run build` first.
 *
 * Timed: the processor time of the server's process, all threads, as the operating system counts it; latency as the client sees it,
 * less the mock's own; the resident set. Not timed: starting, the first requests of each server and connection, TLS, and what the
 * client and the mock take. Small and 100 KB requests are not streamed and have the same short answer, so their difference is the
 * reading of the request. Costs per event include their share of the request. "One at a time" is ten streams with an event each per
 * millisecond; where the client reads less than once per event, they have queued up and the figure is too low. Resident sets are
 * those of servers just started and warmed. Rounds go in turns over the targets; printed are medians, and as ratios the medians of
 * the rounds' ratios, which another load on the machine disturbs least.
 *
 * What would change a decision: a ratio above its bar. Then find where the time goes with `node --cpu-prof` on the server.
 *
 * `npm run bench -- proxy [--only small,burst] [--targets mock,floor,headend,relay] [--rounds 5] [--quick]`
 */
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'
import { costCases } from './proxy/cost-cases.ts'
import { freshCases } from './proxy/memory-cases.ts'
import { cores, pinThisProcess } from './proxy/process.ts'
import { printReport, Results } from './proxy/report.ts'
import {
  compile,
  type Mock,
  startMock,
  startTarget,
  type Target,
  type TargetName,
  targetNames,
} from './proxy/targets.ts'
import { verify, verifyFaults } from './proxy/verify.ts'

const freshRoundsMax = 3 // each starts a server anew
const quickScale = 0.2

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    targets: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
  },
})
const caseNames = chosen([...Object.keys(costCases), ...Object.keys(freshCases)], flags.only)
const targets = chosen(targetNames, flags.targets)
const scale = flags.quick ? quickScale : 1
const rounds = flags.quick ? 1 : Number(flags.rounds)
const results = new Results()

pinThisProcess()
compile()
const mock = await startMock()
const where =
  cores === null ? 'nothing pinned (no taskset)' : `server on core ${cores.server}, the rest on ${cores.load}`
console.log(`\nproxy: ${rounds} rounds, ${where}${flags.quick ? ', quick: figures are rough' : ''}`)
await measureCosts(mock)
await measureFresh(mock)
await mock.process.stop()
printReport(results, targets)
const [load = 0] = loadavg()
if (load > 2)
  console.log(`Other work disturbed it: load average ${load.toFixed(1)}, where this bench alone makes less than 2.`)

async function measureCosts(mock: Mock): Promise<void> {
  const cases = Object.entries(costCases).filter(([name]) => caseNames.includes(name))
  if (cases.length === 0) return
  const servers = await Promise.all(targets.map((name) => start(name, mock)))
  for (const server of servers) {
    await verify(server, mock)
    for (const [, run] of cases) await run(server, scale) // what is compiled just in time is compiled now
  }
  for (let round = 0; round < rounds; round++) {
    for (const [, run] of cases) {
      for (const server of turned(servers, round)) results.add(server.name, await run(server, scale))
    }
  }
  for (const server of servers.filter((one) => one !== mock)) {
    if (server.name !== 'floor') await verifyFaults(server)
    await server.process.stop()
  }
}

async function measureFresh(mock: Mock): Promise<void> {
  const cases = Object.entries(freshCases).filter(([name]) => caseNames.includes(name))
  const names = targets.filter((name) => name !== 'mock')
  for (let round = 0; round < Math.min(rounds, freshRoundsMax); round++) {
    for (const [, run] of cases) {
      for (const name of turned(names, round)) {
        const server = await start(name, mock)
        results.add(name, await run(server, mock, scale))
        await server.process.stop()
      }
    }
  }
}

async function start(name: TargetName, mock: Mock): Promise<Target> {
  return name === 'mock' ? mock : startTarget(name, mock.process.url)
}

/** Another one begins in each round. */
function turned<T>(list: readonly T[], round: number): T[] {
  const first = round % list.length
  return [...list.slice(first), ...list.slice(0, first)]
}

function chosen<Name extends string>(all: readonly Name[], list: string | undefined): Name[] {
  const wanted = list?.split(',') ?? all
  const unknown = wanted.find((name) => !all.includes(name as Name))
  if (unknown !== undefined) throw new Error(`There is no ${unknown}; there are ${all.join(', ')}`)
  return all.filter((name) => wanted.includes(name))
}
