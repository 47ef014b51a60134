import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import type { Hardware } from './plan.ts'

/** What Linux shows for a GPU of any of the engine's kinds. */
const deviceFiles = ['/dev/nvidia0', '/dev/nvidiactl', '/dev/dxg', '/dev/kfd', '/dev/dri']

/** GPUs with memory of their own. Loads the native library for it, so only where there is a sign of one. */
export async function findGpus(): Promise<Hardware['gpus']> {
  if (!mayHaveGpu()) return []
  const entry = import.meta.url.endsWith('.ts') ? '../from-source.mjs' : './gpu-thread.js'
  const thread = new Worker(new URL(entry, import.meta.url), { workerData: { module: 'models/gpu-thread' } })
  try {
    const [gpus] = (await once(thread, 'message')) as [Hardware['gpus']]
    return gpus
  } catch {
    return [] // what the engine cannot open here, it cannot use later either
  } finally {
    await thread.terminate()
  }
}

function mayHaveGpu(): boolean {
  if (process.platform === 'win32') return true
  if (process.platform === 'linux') return deviceFiles.some((path) => existsSync(path))
  return false // a Mac's GPU shares the main memory
}
