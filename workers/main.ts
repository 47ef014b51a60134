import { getLlama, type Llama, type LlamaContext, LlamaLogLevel, type LlamaModel } from 'node-llama-cpp'
import { type Engine, generate } from './decode.ts'
import { disposeOnFailure } from './dispose-on-failure.ts'
import { EventPort } from './event-port.ts'
import { GrammarCache } from './grammar-switch.ts'
import type { DecodeTask, GenerateTask, LoadProgress, LoadTask } from './messages.ts'
import { createPrefill } from './prefill.ts'
import { Slot } from './slot.ts'
import { chooseSlot } from './slots.ts'

/**
 * Piscina entry of a decode worker: one model, one context, its slots. Loading is a task and not part of the module, because
 * piscina gives up a pool whose workers fail while they start (design fact 17).
 */
export default async function run(task: DecodeTask): Promise<void> {
  switch (task.type) {
    case 'load':
      loaded = await load(task)
      return
    case 'generate':
      await serve(task)
      return
    default:
      task satisfies never
  }
}

interface Loaded {
  readonly engine: Engine
  readonly slots: readonly Slot[]
}

let loaded: Loaded | null = null
let uses = 0

async function load(task: LoadTask): Promise<Loaded> {
  const report = (progress: LoadProgress): void => task.port.postMessage(progress)
  try {
    const llama = await openEngine(task, report)
    return await disposeOnFailure(llama, () => openSlots(llama, task, report))
  } finally {
    task.port.close()
  }
}

async function openSlots(llama: Llama, task: LoadTask, report: (progress: LoadProgress) => void): Promise<Loaded> {
  const model = await loadModel(llama, task, report)
  const context = await createContext(model, task)
  const slots = Array.from(
    { length: task.slotCount },
    (_, index) => new Slot(index, context.getSequence(), task.contextTokens),
  )
  const prefill = createPrefill({ stallTargetMs: task.stallTargetMs, batchTokens: context.batchSize })
  const { contextTokens, samplingDefaults } = task
  const engine = { model, prefill, grammars: new GrammarCache(llama, model), contextTokens, samplingDefaults }
  return { engine, slots }
}

async function openEngine(task: LoadTask, report: (progress: LoadProgress) => void): Promise<Llama> {
  return await getLlama({
    build: 'never',
    gpu: task.gpuLayers === 0 ? false : 'auto',
    maxThreads: task.threads,
    logLevel: LlamaLogLevel.warn,
    // The engine keeps this logger after loading; by then nobody reads the port, and a post to a closed port is dropped.
    logger: (level, message) =>
      report({ type: 'log', level: level === LlamaLogLevel.warn ? 'warn' : 'error', message: message.trim() }),
  })
}

async function loadModel(llama: Llama, task: LoadTask, report: (progress: LoadProgress) => void): Promise<LlamaModel> {
  return await llama.loadModel({
    modelPath: task.modelPath,
    gpuLayers:
      task.gpuLayers === 'auto' ? { fitContext: { contextSize: task.contextTokens * task.slotCount } } : task.gpuLayers,
    onLoadProgress: (fraction) => report({ type: 'progress', fraction }),
  })
}

async function createContext(model: LlamaModel, task: LoadTask): Promise<LlamaContext> {
  return await model.createContext({
    contextSize: task.contextTokens,
    sequences: task.slotCount,
    threads: { ideal: task.threads, min: task.threads },
  })
}

async function serve(task: GenerateTask): Promise<void> {
  const port = new EventPort(task.port, task.credit)
  const slot = loaded === null ? null : chooseSlot(loaded.slots, task.prompt.tokens, task.conversation)
  if (loaded === null || slot === null) {
    port.fail('unavailable', 'The model worker is not ready; try again in a moment', 'no idle slot')
    port.close()
    return
  }
  slot.busy = true
  slot.lastUsed = ++uses
  slot.conversation = task.conversation
  try {
    await generate(loaded.engine, slot, task, port)
  } catch (cause) {
    // What a failed evaluation left in the cache is unknown, so the next prompt must not build on it.
    await slot.sequence.clearHistory()
    slot.settle()
    port.fail('internal', 'The model could not go on with this request', describe(cause))
  } finally {
    slot.busy = false
    port.close()
  }
}

function describe(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
}
