/** Prints tokens/s of the engine alone: `node --import tsx bench/support/raw-loop.ts STREAMS`. */
import { getLlama, type LlamaContextSequence, LlamaLogLevel } from 'node-llama-cpp'
import { resolveModel } from '../../workers/models/resolve.ts'

const streams = Number(process.argv[2] ?? 1)
const { path } = await resolveModel('embedded', { cacheDir: '' })
const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: LlamaLogLevel.error })
const model = await llama.loadModel({ modelPath: path })
const context = await model.createContext({ contextSize: 4096, sequences: 4, threads: 1 })
const prompt = model.tokenize(
  '<|im_start|>user\nTell me a story<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n',
  true,
)
const sequences = Array.from({ length: streams }, () => context.getSequence())
await Promise.all(sequences.map(answer)) // warm
const startedAt = performance.now()
const counts = await Promise.all(sequences.map(answer))
const tokens = counts.reduce((sum, count) => sum + count, 0)
console.log((tokens / (performance.now() - startedAt)) * 1000)

async function answer(sequence: LlamaContextSequence): Promise<number> {
  await sequence.clearHistory()
  let count = 0
  for await (const _token of sequence.evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
    if (++count === 300) break
  }
  return count
}
