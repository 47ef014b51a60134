import { HeadendError } from '../../contract/errors.ts'
import type { FinishReason, StreamEvent } from '../../contract/events.ts'
import { createThinkTagParser, defaultThinkPairs, type ThinkTagParser } from '../../text/think-tags.ts'
import type { AnswerOptions } from './answer-options.ts'
import { BlockQueue } from './block-queue.ts'
import { BlockWriter } from './block-writer.ts'
import { type Fields, fieldsOf, textOf } from './fields.ts'
import { Fingerprint } from './fingerprint.ts'
import { contentParts, reasoningOf } from './prose-fields.ts'
import { ToolCallAssembler } from './tool-call-assembler.ts'
import { explainStreamError } from './upstream-error.ts'
import { UpstreamUsage } from './upstream-usage.ts'

/** Of a refusal, for `stop_details`; all of it is in the text. UTF-16 units. */
const explanationUnitsMax = 4096

/** What `finish_reason` says; words that are not here end the turn. Whether there are calls is seen from the calls. */
const finishReasons: ReadonlyMap<string, FinishReason> = new Map([
  ['length', 'max-tokens'],
  ['max_tokens', 'max-tokens'],
  ['content_filter', 'refusal'],
])

/** The server gave up: OpenRouter, vLLM and SGLang, DeepSeek, Zhipu. An answer that ends so is not whole. */
const failures: ReadonlySet<string> = new Set(['error', 'abort', 'insufficient_system_resource', 'network_error'])

/** Makes events of an answer of the chat completions API, whole or in chunks. */
export class AnswerAssembler {
  done = false
  readonly #options: AnswerOptions
  readonly #usage: UpstreamUsage
  readonly #writer: BlockWriter
  readonly #queue: BlockQueue
  readonly #calls: ToolCallAssembler
  readonly #tags: ThinkTagParser
  /** The tag parser may hold text back. */
  #isTagging = false
  readonly #content = new Fingerprint()
  readonly #reasoning = new Fingerprint()
  #refusal = ''
  #isRefused = false
  #finish = ''
  /** A stop sequence that the upstream says it matched. */
  #reportedStop: string | null = null

  constructor(emit: (event: StreamEvent) => void, options: AnswerOptions) {
    this.#options = options
    this.#usage = new UpstreamUsage(options.promptTokens)
    this.#writer = new BlockWriter(emit, this.#usage)
    const queue = new BlockQueue(this.#writer, options)
    this.#queue = queue
    this.#calls = new ToolCallAssembler(queue, this.#usage, options.parallelCalls)
    const { mode = 'auto', pairs = defaultThinkPairs, interleaved = true, openInPrompt = false } = options.thinkTags
    // Written out: each object that begins with a spread has a shape of its own here, and whoever reads it pays for that.
    this.#tags = createThinkTagParser({
      mode,
      pairs,
      interleaved,
      openInPrompt,
      onPiece: (kind, text) => queue.prose(kind, text),
      onThinkingEnd: () => queue.endThinking(),
    })
  }

  /** A chunk has said why the answer ends. */
  get hasFinish(): boolean {
    return this.#finish !== ''
  }

  /**
   * @param chunk as it came
   * @returns whether it holds a part of the answer
   * @throws HeadendError what the upstream says went wrong, or upstream-malformed
   */
  read(chunk: unknown): boolean {
    const fields = fieldsOf(chunk)
    if (fields === null) throw new HeadendError('upstream-malformed', 'the upstream sent JSON that is no object')
    throwIfError(fields)
    this.#usage.read(fields)
    const choice = firstChoice(fields.choices)
    if (choice === null) return false
    throwIfError(choice)
    this.#usage.read(choice) // Moonshot's is here
    const delta = fieldsOf(choice.delta)
    const message = delta === null ? fieldsOf(choice.message) : null
    if (delta !== null) this.#readDelta(delta)
    else if (message !== null) this.#readMessage(message)
    this.#readFinish(choice)
    if (this.#queue.stopSequence !== null || this.#calls.isCut) this.finish()
    return delta !== null || message !== null
  }

  /** @throws HeadendError upstream-failed: the upstream says that it gave up */
  finish(): void {
    if (this.done) return
    if (failures.has(this.#finish)) {
      throw new HeadendError('upstream-failed', `the upstream ended its answer with "${this.#finish}"`)
    }
    const told = finishReasons.get(this.#finish) ?? 'end-turn'
    this.#tags.end()
    this.#queue.end(told === 'max-tokens' || told === 'refusal')
    this.done = true
    const reason = this.#reason(told)
    this.#writer.finish({
      reason,
      stopSequence: reason === 'stop-sequence' ? (this.#queue.stopSequence ?? this.#reportedStop) : null,
      explanation: reason === 'refusal' && this.#refusal !== '' ? this.#refusal : null,
    })
  }

  #reason(told: FinishReason): FinishReason {
    if (this.#isRefused || told === 'refusal') return 'refusal'
    if (this.#queue.stopSequence !== null) return 'stop-sequence'
    if (told === 'max-tokens') return told
    if (this.#queue.callCount > 0) return 'tool-call'
    return this.#reportedStop === null ? 'end-turn' : 'stop-sequence'
  }

  #readDelta(delta: Fields): void {
    const reasoning = reasoningOf(delta)
    if (reasoning !== '') this.#addReasoning(reasoning)
    if (typeof delta.content === 'string') this.#addContent(delta.content)
    else if (delta.content) this.#readParts(delta.content)
    if (delta.refusal) this.#addRefusal(textOf(delta.refusal))
    if (delta.tool_calls || delta.function_call) this.#addCalls(delta)
  }

  /** A message inside a stream is the answer so far, or else a piece of it; a whole answer is a stream of one. */
  #readMessage(message: Fields): void {
    const reasoning = this.#reasoning.newOf(reasoningOf(message))
    if (reasoning !== '') this.#addReasoning(reasoning)
    if (typeof message.content === 'string') this.#addContent(this.#content.newOf(message.content))
    else this.#readParts(message.content)
    const refusal = textOf(message.refusal)
    this.#addRefusal(refusal.startsWith(this.#refusal) ? refusal.slice(this.#refusal.length) : refusal)
    const calls = callsOf(message)
    if (calls.length === 0) return
    this.#settleTags()
    this.#calls.addWhole(calls)
  }

  #readParts(content: unknown): void {
    for (const { kind, text } of contentParts(content)) {
      if (kind === 'thinking') this.#addReasoning(text)
      else this.#addContent(text)
    }
  }

  #addReasoning(text: string): void {
    this.#settleTags()
    this.#tags.noteReasoningChannel()
    this.#usage.countOutput(text)
    this.#reasoning.add(text)
    this.#queue.prose('thinking', text)
  }

  #addContent(text: string): void {
    if (text === '') return
    this.#usage.countOutput(text)
    this.#content.add(text)
    this.#isTagging = true
    this.#tags.push(text)
  }

  #addRefusal(text: string): void {
    if (text === '') return
    this.#settleTags()
    this.#isRefused = true
    this.#usage.countOutput(text)
    if (this.#refusal.length < explanationUnitsMax) this.#refusal += text.slice(0, explanationUnitsMax)
    this.#queue.prose('text', text)
  }

  #addCalls(delta: Fields): void {
    const calls = callsOf(delta)
    if (calls.length === 0) return
    this.#settleTags()
    this.#calls.addPieces(calls)
  }

  /** What the parser holds back came before what follows now. */
  #settleTags(): void {
    if (!this.#isTagging) return
    this.#isTagging = false
    this.#tags.end()
  }

  /** Some servers repeat it on every chunk: the last one holds. */
  #readFinish(choice: Fields): void {
    const finish = textOf(choice.finish_reason).toLowerCase()
    if (finish !== '') this.#finish = finish
    // vLLM calls it stop_reason, SGLang matched_stop; a number is the id of a token that ends every turn.
    const stop = textOf(choice.stop_reason) || textOf(choice.matched_stop)
    // Others than the client's are markers of the upstream's own.
    if (this.#options.stopSequences.includes(stop)) this.#reportedStop = stop
  }
}

/** The only one that was asked for; others are ignored. */
function firstChoice(choices: unknown): Fields | null {
  if (!Array.isArray(choices)) return null
  for (const item of choices) {
    const choice = fieldsOf(item)
    if (choice !== null && (choice.index ?? 0) === 0) return choice
  }
  return null
}

/** `function_call` is what a call was before there could be several. */
function callsOf(fields: Fields): readonly unknown[] {
  if (Array.isArray(fields.tool_calls) && fields.tool_calls.length > 0) return fields.tool_calls
  return fieldsOf(fields.function_call) === null ? [] : [{ index: 0, function: fields.function_call }]
}

function throwIfError(fields: Fields): void {
  if (fields.error) throw explainStreamError(fields.error)
  if (fields.object === 'error' || fields.type === 'error') throw explainStreamError(fields)
}
