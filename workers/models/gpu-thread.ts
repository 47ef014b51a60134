import { parentPort } from 'node:worker_threads'
import { getLlama, LlamaLogLevel } from 'node-llama-cpp'
import type { Hardware } from './plan.ts'

// Looks for GPUs in a thread that ends right after: the native library never enters the main thread.
const llama = await getLlama({ build: 'never', gpu: 'auto', logLevel: LlamaLogLevel.disabled })
const gpus: Hardware['gpus'] = llama.gpu === false ? [] : await ownMemory()
await llama.dispose()
parentPort?.postMessage(gpus)

/** The engine adds all GPUs up. One that shares the main memory has none of its own. */
async function ownMemory(): Promise<Hardware['gpus']> {
  const { free, unifiedSize } = await llama.getVramState()
  return unifiedSize > 0 || free === 0 ? [] : [{ memoryBytes: free }]
}
