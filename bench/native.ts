/**
 * Tokens/s of the embedded model over HTTP, streamed, at 1, 2 and 4 streams, against the engine's own `evaluate` loop with as many
 * sequences in a process of its own: the ratio is what the server costs. Same model, one thread, greedy, the same story; runs
 * alternate, medians are printed. Not timed: start, and the first answer of each stream. A ratio below 0.95 is to be explained.
 */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startHeadend } from './support/headend-process.ts'
import { median } from './support/median.ts'
import { streamMessage } from './support/stream-client.ts'

const rounds = 5
const request = {
  model: 'headend-tiny',
  max_tokens: 300,
  temperature: 0,
  messages: [{ role: 'user', content: 'Tell me a story' }],
}

const headend = await startHeadend(['--threads', '1', '--slots', '4'])
console.log(`\nnative speed, embedded model, 1 thread, ${rounds} rounds`)
for (const streams of [1, 2, 4]) {
  await overHttp(streams)
  const served: number[] = []
  const raw: number[] = []
  for (let round = 0; round < rounds; round++) {
    served.push(await overHttp(streams))
    raw.push(await rawLoop(streams))
  }
  const [http, loop] = [median(served), median(raw)]
  const ratio = (http / loop).toFixed(2)
  console.log(
    `  ${streams} streams: ${http.toFixed(0)} tokens/s over HTTP, ${loop.toFixed(0)} in the raw loop, ratio ${ratio}`,
  )
}
const resident = headend.residentMegabytes()
if (resident !== null) console.log(`  resident set ${resident.toFixed(0)} MB`)
await headend.stop()

async function overHttp(streams: number): Promise<number> {
  const startedAt = performance.now()
  const answers = await Promise.all(Array.from({ length: streams }, () => streamMessage(headend.url, request)))
  const tokens = answers.reduce((sum, { outputTokens }) => sum + outputTokens, 0)
  return (tokens / (performance.now() - startedAt)) * 1000
}

async function rawLoop(streams: number): Promise<number> {
  const path = fileURLToPath(new URL('support/raw-loop.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--import', 'tsx', path, String(streams)])
  return Number(stdout)
}
