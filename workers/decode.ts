import { randomInt } from 'node:crypto'
import type { LlamaModel, SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import type { FinishReason } from '../src/contract/events.ts'
import type { Sampling } from '../src/contract/request.ts'
import { createStopMatcher, type StopMatcher } from '../src/text/stop-matcher.ts'
import type { EventPort } from './event-port.ts'
import type { GenerateTask } from './messages.ts'
import type { Prefill } from './prefill.ts'
import type { Slot } from './slot.ts'
import { TokenText } from './token-text.ts'
import { countUsage } from './usage.ts'

/** What the slots of one worker share. */
export interface Engine {
  readonly model: LlamaModel
  readonly prefill: Prefill
  /** Tokens per slot. */
  readonly contextTokens: number
  readonly samplingDefaults: Sampling
}

/** One request on one slot: prompt, then token by token, awaiting credit between tokens and noticing a cancel at each. */
export async function generate(engine: Engine, slot: Slot, task: GenerateTask, port: EventPort): Promise<void> {
  try {
    await answer(engine, slot, task, port)
  } finally {
    slot.settle()
  }
}

async function answer(engine: Engine, slot: Slot, task: GenerateTask, port: EventPort): Promise<void> {
  const { tokens, marks } = task.prompt
  const { cachedTokens, unread } = await slot.adapt(tokens)
  port.send({ type: 'start', usage: countUsage(tokens.length, cachedTokens, marks, 0) })

  const isCancelled = (): boolean => port.cancelled
  const left = task.maxTokens === 0 ? 'none' : 'last-piece'
  const fed = await engine.prefill.feed(slot.sequence, unread, left, isCancelled)
  if (port.cancelled) return
  const limits = outputLimits(engine.contextTokens - tokens.length, task.maxTokens)
  const outcome: Outcome =
    limits.outputTokensMax === 0
      ? { reason: limits.reason, outputTokens: 0, stopSequence: null }
      : await decode(engine, slot, task, port, unread.slice(fed), limits)
  if (port.cancelled) return
  port.send({
    type: 'finish',
    reason: outcome.reason,
    stopSequence: outcome.stopSequence,
    explanation: null,
    usage: countUsage(tokens.length, cachedTokens, marks, outcome.outputTokens),
  })
}

interface Outcome {
  readonly reason: FinishReason
  readonly outputTokens: number
  readonly stopSequence: string | null
}

interface Limits {
  readonly outputTokensMax: number
  /** Why it ends there. */
  readonly reason: 'max-tokens' | 'context-full'
}

/** The engine shifts a full context silently (design fact 13), so the output ends exactly where the context does. */
function outputLimits(contextTokensLeft: number, maxTokens: number | null): Limits {
  return maxTokens === null || maxTokens > contextTokensLeft
    ? { outputTokensMax: contextTokensLeft, reason: 'context-full' }
    : { outputTokensMax: maxTokens, reason: 'max-tokens' }
}

async function decode(
  engine: Engine,
  slot: Slot,
  task: GenerateTask,
  port: EventPort,
  lastOfPrompt: Token[],
  limits: Limits,
): Promise<Outcome> {
  const text = new TextBlock(port, new TokenText(engine.model), [...task.stopSequences, ...task.prompt.formatStops])
  const promptTokens = task.prompt.tokens.length
  const options = evaluateOptions(task.sampling, engine.samplingDefaults)
  const generated = slot.sequence.evaluateWithMetadata(lastOfPrompt, {}, options)
  let outputTokens = 0
  let reason: FinishReason = limits.reason
  try {
    // The first step reads the last piece of the prompt, so it waits for its turn among the prompts.
    let next = await engine.prefill.inTurn(lastOfPrompt.length, () => generated.next())
    while (!next.done && !port.cancelled) {
      const { token } = next.value
      slot.note(promptTokens, outputTokens, token)
      outputTokens++
      if (engine.model.isEogToken(token)) {
        reason = 'end-turn'
        break
      }
      text.push(token)
      if (text.stopSequence !== null || outputTokens === limits.outputTokensMax) break
      if (port.exhausted) await port.granted()
      if (port.cancelled) break
      next = await generated.next()
    }
  } finally {
    await generated.return()
  }
  text.end()
  if (text.stopSequence === null) return { reason, outputTokens, stopSequence: null }
  // A stop of the format is the end of the turn; the client never asked for it and is not told.
  return task.stopSequences.includes(text.stopSequence)
    ? { reason: 'stop-sequence', outputTokens, stopSequence: text.stopSequence }
    : { reason: 'end-turn', outputTokens, stopSequence: null }
}

/** The one text block of an answer, opened by its first character: an empty block would come back from clients and be refused. */
class TextBlock {
  readonly #port: EventPort
  readonly #text: TokenText
  readonly #matcher: StopMatcher
  #open = false

  constructor(port: EventPort, text: TokenText, stops: readonly string[]) {
    this.#port = port
    this.#text = text
    this.#matcher = createStopMatcher(stops)
  }

  get stopSequence(): string | null {
    return this.#matcher.matched
  }

  push(token: Token): void {
    const text = this.#text.push(token)
    if (text !== '') this.#send(this.#matcher.push(text))
  }

  end(): void {
    this.#send(this.#matcher.push(this.#text.flush()))
    this.#send(this.#matcher.flush())
    if (this.#open) this.#port.send({ type: 'block-end', index: 0 })
  }

  #send(text: string): void {
    if (text === '') return
    if (!this.#open) {
      this.#open = true
      this.#port.send({ type: 'block-start', index: 0, block: { kind: 'text' } })
    }
    this.#port.send({ type: 'block-delta', index: 0, text })
  }
}

/** The engine's own default seed is the time in seconds (design fact 12), so every request gets a fresh one. */
function evaluateOptions(sampling: Sampling, defaults: Sampling): SequenceEvaluateOptions {
  return {
    temperature: sampling.temperature ?? defaults.temperature ?? 0.8,
    topK: sampling.topK ?? defaults.topK ?? 40,
    topP: sampling.topP ?? defaults.topP ?? 0.95,
    minP: sampling.minP ?? defaults.minP ?? 0.05,
    seed: sampling.seed ?? randomInt(2 ** 32),
    yieldEogToken: true,
  }
}
