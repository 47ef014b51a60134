import { formatBytes } from './format-bytes.ts'
import type { ModelFacts } from './inspect.ts'
import { ModelError } from './model-error.ts'

export interface Hardware {
  /** That this process may use. */
  readonly cores: number
  /** Available now, not installed; a container's limit counts. */
  readonly memoryBytes: number
  /** Those with memory of their own: one that shares the main memory would count twice. */
  readonly gpus: readonly { readonly memoryBytes: number }[]
}

/** `null`: choose for me. */
export interface ResourceSettings {
  readonly workers: number | null
  /** Per worker. */
  readonly threads: number | null
  /** Per worker. */
  readonly slots: number | null
  /** Tokens per slot. */
  readonly context: number | null
  readonly gpuLayers: number | 'max' | null
}

export interface Plan {
  readonly workers: number
  /** Per worker. */
  readonly threads: number
  /** Per worker. */
  readonly slots: number
  /** Per slot. */
  readonly contextTokens: number
  readonly gpuLayers: number | 'max' | 'auto'
  /** One line each: why the figures are what they are. */
  readonly reasons: readonly string[]
  /** Of all workers together. */
  readonly memoryBytes: Memory
}

export interface Memory {
  readonly weights: number
  readonly kv: number
  readonly compute: number
}

export interface PlanInput {
  readonly facts: ModelFacts
  readonly hardware: Hardware
  readonly settings: ResourceSettings
}

/** What Claude Code needs for its first request (54 KB of prompt, 12 tools) and some turns after it. */
const contextTokensMax = 16_384
/** llama.cpp pads the cells of a slot to this. */
const contextTokensStep = 256
const slotsMax = 4
/** Where the file does not say: what the engine assumes, too. */
const trainContextTokensUnknown = 4096
/** Prompt tokens per decode call, the engine's default. */
const batchTokens = 512
/**
 * Below this size threads wait for each other longer than they work: on two cores the embedded model (5 MB) decodes 900
 * tokens/s with one thread and 5 to 110 with two, a 50 MB model 250 and 100, a 330 MB model about the same with both.
 */
const oneThreadBytes = 64 * 1024 ** 2
/** Node, the tokenizer's vocabulary, buffers of streams. */
const reservedBytes = 256 * 1024 ** 2

/**
 * Memory goes to the weights first, then to one slot of the whole context, then to more slots.
 * @throws ModelError when that does not suffice or a setting cannot work: it names the flag to change
 */
export function planResources({ facts, hardware, settings }: PlanInput): Plan {
  const reasons: string[] = []
  const workers = planWorkers(hardware, settings, reasons)
  const threads = planThreads({ facts, hardware, settings }, workers, reasons)
  const contextTokens = planContext(facts, settings, reasons)
  const shape = { workers, contextTokens, slots: settings.slots ?? 1 }
  const freeBytes = usableBytes(hardware, settings)
  if (total(memoryOf(facts, shape)) > freeBytes) throw tooLittle(facts, shape, freeBytes)
  const slots = settings.slots ?? planSlots(facts, shape, freeBytes, reasons)
  return {
    workers,
    threads,
    slots,
    contextTokens,
    gpuLayers: settings.gpuLayers ?? 'auto',
    reasons,
    memoryBytes: memoryOf(facts, { ...shape, slots }),
  }
}

function planWorkers({ gpus }: Hardware, { workers }: ResourceSettings, reasons: string[]): number {
  if (workers !== null) {
    reasons.push(`workers ${workers}: as set`)
    return workers
  }
  reasons.push(
    gpus.length > 0
      ? 'workers 1: one feeds the GPU'
      : 'workers 1: many slots in one worker need less memory than many workers',
  )
  return 1
}

/** ggml's threads spin while they wait, so from four cores on one is left to the event loops. */
function planThreads({ facts, hardware, settings }: PlanInput, workers: number, reasons: string[]): number {
  const { cores } = hardware
  const usableCores = cores >= 4 ? cores - 1 : cores
  const worthwhile = facts.weightsBytes < oneThreadBytes ? 1 : usableCores
  const threads = settings.threads ?? Math.max(1, Math.min(worthwhile, Math.floor(usableCores / workers)))
  if (settings.threads !== null) reasons.push(`threads ${threads}: as set`)
  else if (worthwhile === 1 && cores > 1) reasons.push(`threads ${threads}: a model as small answers faster on one`)
  else if (cores >= 4) reasons.push(`threads ${threads}: ${cores} cores, one is left to the server`)
  else reasons.push(`threads ${threads}: ${count(cores, 'core')}`)
  if (workers * threads > cores) {
    const product = `${count(workers, 'worker')} x ${count(threads, 'thread')} on ${count(cores, 'core')}`
    reasons.push(`warning: ${product} take turns, which is slow: lower --workers or --threads`)
  }
  return threads
}

function planContext({ trainContextTokens }: ModelFacts, { context }: ResourceSettings, reasons: string[]): number {
  if (context !== null) {
    if (trainContextTokens !== null && context > trainContextTokens) {
      throw new ModelError(
        `--context ${context} is more than the ${trainContextTokens} tokens this model was trained on: lower --context`,
      )
    }
    reasons.push(`context ${context}: as set`)
    return context
  }
  const trained = trainContextTokens ?? trainContextTokensUnknown
  const contextTokens = Math.min(contextTokensMax, trained)
  if (trainContextTokens === null)
    reasons.push(`context ${contextTokens}: the model does not say what it was trained on`)
  else if (trained <= contextTokensMax) reasons.push(`context ${contextTokens}: all that the model was trained on`)
  else reasons.push(`context ${contextTokens}: the model was trained on ${trained}; raise --context to use more`)
  return contextTokens
}

function planSlots(facts: ModelFacts, shape: Shape, freeBytes: number, reasons: string[]): number {
  let slots = 1
  while (slots < slotsMax && total(memoryOf(facts, { ...shape, slots: slots + 1 })) <= freeBytes) slots += 1
  const more = total(memoryOf(facts, { ...shape, slots: slots + 1 })) - freeBytes
  reasons.push(
    slots === slotsMax
      ? `slots ${slots}: memory suffices; more slots share the same speed`
      : `slots ${slots}: one more needs ${formatBytes(more)} more memory; lower --context for more slots`,
  )
  return slots
}

interface Shape {
  readonly workers: number
  readonly slots: number
  readonly contextTokens: number
}

/** Weights count once per worker: they are mapped, but several quantisations are repacked into memory of the worker's own. */
function memoryOf(facts: ModelFacts, { workers, slots, contextTokens }: Shape): Memory {
  const cells = Math.ceil(contextTokens / contextTokensStep) * contextTokensStep
  return {
    weights: workers * facts.weightsBytes,
    kv: workers * slots * (cells * facts.kvBytesPerToken + facts.kvBytesPerSlot),
    compute: workers * computeBytes(facts, slots, cells),
  }
}

/**
 * The graph's largest moment, with flash attention: either the logits of a batch, or a layer's feed-forward; and the attention mask
 * (f16), and a row of logits per slot. Fitted to the "compute buffer size" and "output buffer size" that llama.cpp logs
 * (node-llama-cpp 3.22.1, four models of 3k to 152k tokens vocabulary and 256 to 4096 width): 0 to 5 % above them.
 */
function computeBytes(facts: ModelFacts, slots: number, cells: number): number {
  const logits = facts.vocabularyTokens + facts.embeddingWidth
  const layer = 3 * facts.feedForwardWidth + 4 * facts.embeddingWidth
  return batchTokens * (4 * Math.max(logits, layer) + 2 * cells) + slots * facts.vocabularyTokens * 4
}

/** Layers that do not fit into a GPU stay in main memory, unless all must go there. */
function usableBytes({ memoryBytes, gpus }: Hardware, { gpuLayers }: ResourceSettings): number {
  const gpuBytes = gpus.reduce((sum, gpu) => sum + gpu.memoryBytes, 0)
  if (gpuLayers === 'max' && gpus.length > 0) return gpuBytes
  return Math.max(0, memoryBytes - reservedBytes) + (gpuLayers === 0 ? 0 : gpuBytes)
}

function tooLittle(facts: ModelFacts, shape: Shape, freeBytes: number): ModelError {
  const needed = `needs about ${formatBytes(total(memoryOf(facts, shape)))}, ${formatBytes(freeBytes)} are free`
  return new ModelError(`This model ${needed}: ${remedy(facts, shape, freeBytes)}`)
}

/** The first of the flags that suffices alone. */
function remedy(facts: ModelFacts, shape: Shape, freeBytes: number): string {
  const smaller = 'use a smaller model or quantisation'
  const fits = (change: Partial<Shape>): boolean => total(memoryOf(facts, { ...shape, ...change })) <= freeBytes
  if (shape.workers > 1 && fits({ workers: 1 })) return `lower --workers, or ${smaller}`
  if (shape.slots > 1 && fits({ slots: 1 })) return `lower --slots or --context, or ${smaller}`
  for (
    let contextTokens = shape.contextTokens;
    contextTokens >= contextTokensStep;
    contextTokens -= contextTokensStep
  ) {
    if (fits({ slots: 1, contextTokens })) return `lower --context to ${contextTokens}, or ${smaller}`
  }
  return smaller
}

function total({ weights, kv, compute }: Memory): number {
  return weights + kv + compute
}

function count(amount: number, noun: string): string {
  return `${amount} ${noun}${amount === 1 ? '' : 's'}`
}
