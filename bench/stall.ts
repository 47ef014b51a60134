/**
 * A long prompt arrives while another answer runs: the largest gap between the tokens of the running answer, and how long the long
 * prompt takes to read, without and with the pieces of `workers/prefill.ts`. A model of random weights, whose speed is that of a
 * real one, both sequences in one context, one thread, medians. What would change a decision: a gap far above the stall target, or
 * a prompt that takes more than about 12 % longer.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { getLlama, type LlamaContextSequence, LlamaLogLevel, type Token } from 'node-llama-cpp'
import { writeRandomModel } from '../scripts/random-gguf.ts'
import { createPrefill } from '../workers/prefill.ts'
import { median } from './support/median.ts'

const promptTokens = 2000
const stallTargetMs = 250
const rounds = 3

const folder = await mkdtemp(join(tmpdir(), 'headend-bench-'))
const modelPath = join(folder, 'random.gguf')
await writeRandomModel(modelPath, { type: 'Q8_0', layers: 12, width: 768, heads: 12, kvHeads: 4, context: 8192 })
const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath })
const context = await model.createContext({ contextSize: 4096, sequences: 2, threads: 1 })
const [running, arriving] = [context.getSequence(), context.getSequence()]
const prefill = createPrefill({ stallTargetMs, batchTokens: context.batchSize })
const prompt = Array.from({ length: promptTokens }, (_, index) => (index % 1000) + 100) as Token[]

const ways = {
  'in one piece': () => arriving.evaluateWithoutGeneratingNewTokens(prompt),
  'in pieces': async () => {
    await prefill.feed(arriving, prompt, 'none', () => false)
  },
} as const

console.log(
  `\nstall: ${promptTokens} prompt tokens beside a running answer, target ${stallTargetMs} ms, median of ${rounds}`,
)
for (const [name, read] of Object.entries(ways)) {
  const results = []
  for (let round = 0; round < rounds; round++) results.push(await measure(read))
  const gap = median(results.map(({ largestGapMs }) => largestGapMs)).toFixed(0)
  const readMs = median(results.map(({ readingMs }) => readingMs)).toFixed(0)
  console.log(`  ${name.padEnd(14)} largest gap ${gap.padStart(6)} ms   prompt read in ${readMs.padStart(6)} ms`)
}
await llama.dispose()
await rm(folder, { recursive: true })

async function measure(read: () => Promise<void>): Promise<{ largestGapMs: number; readingMs: number }> {
  await Promise.all([running.clearHistory(), arriving.clearHistory()])
  let isRead = false
  let readingMs = 0
  const reading = async (): Promise<void> => {
    const startedAt = performance.now()
    await read()
    readingMs = performance.now() - startedAt
    isRead = true
  }
  const largestGapMs = await largestGap(running, () => isRead, reading)
  return { largestGapMs, readingMs }
}

/** Starts the reading after a few tokens, and goes on until it is done. */
async function largestGap(
  sequence: LlamaContextSequence,
  done: () => boolean,
  reading: () => Promise<void>,
): Promise<number> {
  let largest = 0
  let count = 0
  let last = performance.now()
  let read: Promise<void> | null = null
  for await (const _token of sequence.evaluate(prompt.slice(0, 10), { temperature: 1, yieldEogToken: true })) {
    const now = performance.now()
    if (count > 0) largest = Math.max(largest, now - last)
    last = now
    if (++count === 10) read = reading()
    if (done()) break
  }
  await read
  return largest
}
