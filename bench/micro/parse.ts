/**
 * Times bytes -> GenerateRequest, which every request pays once on the main thread: JSON.parse alone beside parse and validate
 * together. Not timed: reading the body. A ratio above 2 on the large body would say that validation needs work.
 */
import { Bench } from 'tinybench'
import type { Exchange } from '../../src/contract/exchange.ts'
import { createProtocols } from '../../src/protocols/registry.ts'
import { agentRequest, smallRequest } from '../support/requests.ts'
import { printBench } from '../support/table.ts'

const { anthropic } = createProtocols({ commitAfterMs: 10_000, streamBufferBytes: 262_144, strict: false })
const exchange = { header: () => null } as unknown as Exchange // parsing reads nothing else of it
const bench = new Bench({ time: 1000 })
for (const [name, request] of [
  ['small', smallRequest()],
  ['agent-shaped', agentRequest()],
] as const) {
  const body = Buffer.from(JSON.stringify(request))
  const size = `${(body.length / 1024).toFixed(1)} KiB`
  bench.add(`JSON.parse, ${name} (${size})`, () => {
    JSON.parse(body.toString())
  })
  bench.add(`parse and validate, ${name} (${size})`, () => {
    anthropic.parse(body, exchange).complete()
  })
}
await bench.run()
printBench('parse', bench)
