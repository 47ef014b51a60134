import { randomInt } from 'node:crypto'
import type { LlamaModel, SequenceEvaluateOptions, Token } from 'node-llama-cpp'
import type { FinishReason } from '../src/contract/events.ts'
import { AnswerBlocks } from './answer-blocks.ts'
import { AnswerParser } from './answer-parser.ts'
import type { EventPort } from './event-port.ts'
import { type GrammarCache, GrammarSwitch } from './grammar-switch.ts'
import type { GenerateTask, LoadTask, OutputPlan } from './messages.ts'
import type { Prefill } from './prefill.ts'
import { RepeatPenalty } from './repeat-penalty.ts'
import type { Slot } from './slot.ts'
import { TokenText } from './token-text.ts'
import { countUsage } from './usage.ts'

/** The engine takes 32 bits; more candidates than any vocabulary has tokens are all of them. */
const topKMax = 2 ** 31 - 1

const nothing = { outputTokens: 0, thinkingTokens: 0 } as const

/** What the slots of one worker share. */
export interface Engine {
  readonly model: LlamaModel
  readonly prefill: Prefill
  readonly grammars: GrammarCache
  /** Tokens per slot. */
  readonly contextTokens: number
  readonly samplingDefaults: LoadTask['samplingDefaults']
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
  port.send({ type: 'start', usage: countUsage(tokens.length, cachedTokens, marks, nothing) })

  const isCancelled = (): boolean => port.cancelled
  const left = task.maxTokens === 0 ? 'none' : 'last-piece'
  const fed = await engine.prefill.feed(slot.sequence, unread, left, isCancelled)
  if (port.cancelled) return
  const limits = outputLimits(engine.contextTokens - tokens.length, task.maxTokens)
  const outcome: Outcome =
    limits.outputTokensMax === 0
      ? { reason: limits.reason, outputTokens: 0, thinkingTokens: 0, stopSequence: null }
      : await decode(engine, slot, task, port, unread.slice(fed), limits)
  if (port.cancelled) return
  port.send({
    type: 'finish',
    reason: outcome.reason,
    stopSequence: outcome.stopSequence,
    explanation: null,
    usage: countUsage(tokens.length, cachedTokens, marks, outcome),
  })
}

interface Outcome {
  readonly reason: FinishReason
  readonly outputTokens: number
  readonly thinkingTokens: number
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
  const { tokens: prompt, output: plan, formatStops } = task.prompt
  const text = new TokenText(engine.model, plan.spokenTokens)
  const parser = new AnswerParser(plan, [...task.stopSequences, ...formatStops], new AnswerBlocks(port))
  const { penalties, logitBias } = task.sampling
  const grammar = new GrammarSwitch(engine.grammars, plan, logitBias)
  const penalty = penalties === null ? null : new RepeatPenalty(penalties)
  const options = evaluateOptions(engine, task, grammar, penalty)
  const generated = slot.sequence.evaluateWithMetadata(lastOfPrompt, {}, options)
  let outputTokens = 0
  let thinkingTokens = 0
  let ended = false

  /** `false` when the answer is over. `forced`: we wrote this token, to end a thought whose budget is spent. */
  const take = (token: Token, forced = false): boolean => {
    slot.note(prompt.length, outputTokens, token)
    penalty?.note(token)
    outputTokens++
    if (engine.model.isEogToken(token)) {
      ended = true
      return false
    }
    if (parser.isThinking && !forced) thinkingTokens++
    parser.push(text.push(token))
    grammar.follow(parser)
    return parser.stopSequence === null && !isCalledEnough(parser, plan) && outputTokens < limits.outputTokensMax
  }

  grammar.follow(parser)
  try {
    // The first step reads the last piece of the prompt, so it waits for its turn among the prompts.
    let next = await engine.prefill.inTurn(lastOfPrompt.length, () => generated.next())
    while (!next.done && !port.cancelled && take(next.value.token)) {
      if (port.exhausted) await port.granted()
      if (port.cancelled) break
      const { budgetTokens, closeTokens } = plan.thinking
      if (parser.isThinking && budgetTokens !== null && thinkingTokens >= budgetTokens) {
        const close = closeTokens as Token[]
        if (!close.every((token) => take(token, true))) break
        next = await generated.next([next.value.token, ...close])
      } else {
        next = await generated.next()
      }
    }
  } finally {
    await generated.return()
  }
  parser.push(text.flush())
  const isCut = !ended && parser.stopSequence === null && !isCalledEnough(parser, plan)
  parser.end(isCut)
  return { ...whyEnded(parser, task, isCut ? limits.reason : null), outputTokens, thinkingTokens }
}

/** A client that wants one call at a time gets one. */
function isCalledEnough(parser: AnswerParser, { calls }: OutputPlan): boolean {
  return calls !== null && !calls.parallel && parser.completeCalls > 0
}

function whyEnded(
  parser: AnswerParser,
  task: GenerateTask,
  limit: FinishReason | null,
): Pick<Outcome, 'reason' | 'stopSequence'> {
  const { stopSequence } = parser
  // A stop of the format is the end of the turn; the client never asked for it and is not told.
  if (stopSequence !== null && task.stopSequences.includes(stopSequence))
    return { reason: 'stop-sequence', stopSequence }
  return { reason: limit ?? (parser.completeCalls > 0 ? 'tool-call' : 'end-turn'), stopSequence: null }
}

/** The engine's own default seed is the time in seconds (design fact 12), so every request gets a fresh one. */
function evaluateOptions(
  engine: Engine,
  task: GenerateTask,
  grammar: GrammarSwitch,
  penalty: RepeatPenalty | null,
): SequenceEvaluateOptions {
  const { sampling } = task
  const { samplingDefaults: defaults } = engine
  return {
    temperature: sampling.temperature ?? defaults.temperature ?? 0.8,
    topK: Math.min(sampling.topK ?? defaults.topK ?? 40, topKMax),
    topP: sampling.topP ?? defaults.topP ?? 0.95,
    minP: sampling.minP ?? defaults.minP ?? 0.05,
    seed: sampling.seed === null ? randomInt(2 ** 32) : sampling.seed >>> 0,
    grammarEvaluationState: grammar.current,
    ...((sampling.logitBias !== null || isBiased(task.prompt.output)) && { tokenBias: grammar.bias }),
    ...(penalty !== null && { repeatPenalty: penalty }),
    yieldEogToken: true,
  }
}

/** An answer that nothing binds is sampled without looking at any bias. */
function isBiased({ bannedTokens, calls, textGrammar }: OutputPlan): boolean {
  return bannedTokens.length > 0 || calls !== null || textGrammar !== null
}
