// Entry of every worker when headend runs from its TypeScript source: a worker thread does not inherit the loader of the main thread.
import { workerData } from 'node:worker_threads'
import { register } from 'tsx/esm/api'

register()
const { default: run } = await import(`./${workerData.module}.ts`)

export default run
