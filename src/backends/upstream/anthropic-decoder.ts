import { HeadendError } from '../../contract/errors.ts'
import type { FinishReason, StreamEvent, Usage } from '../../contract/events.ts'
import { AnthropicBlocks } from './anthropic-blocks.ts'
import { AnthropicUsage } from './anthropic-usage.ts'
import { explainStreamError } from './upstream-error.ts'

export interface AnthropicAnswerOptions {
  /** Estimated; what `start` says where the upstream's own count does not come before it. */
  readonly promptTokens: number
  /** Thoughts are read and dropped. */
  readonly discardsThinking: boolean
}

/** Anything of what an upstream sends. */
type Wire = Readonly<Record<string, unknown>>

/**
 * Events of the Messages API to events of ours: https://docs.anthropic.com/en/docs/build-with-claude/streaming. The API gains events
 * and blocks, so unknown ones are passed over: they are about tools of the hosted service, or nothing that has to be shown.
 */
export class AnthropicDecoder {
  /** `finish` was emitted: the rest is not wanted. */
  done = false
  readonly #discardsThinking: boolean
  readonly #promptTokens: number
  readonly #usage = new AnthropicUsage()
  readonly #blocks: AnthropicBlocks
  #delta: Wire = {}

  constructor(emit: (event: StreamEvent) => void, options: AnthropicAnswerOptions) {
    this.#discardsThinking = options.discardsThinking
    this.#promptTokens = options.promptTokens
    this.#blocks = new AnthropicBlocks(emit, () => this.#usage.read(options.promptTokens, 0))
  }

  /**
   * @param event its name; '' where it has none, and its data tell
   * @throws HeadendError what an `error` event says; upstream-malformed
   */
  push(event: string, data: string): void {
    if (this.done || !isNews(event)) return
    const wire = parseWire(data)
    if (wire !== null) this.read(wire)
    else if (isNamed(event)) throw malformed(`a ${event} event whose data is no JSON object`)
  }

  /** The body has ended. @throws HeadendError upstream-failed: before the answer has */
  end(): void {
    if (!this.done) throw new HeadendError('upstream-failed', 'upstream closed the stream early')
  }

  /** The data of one event, by its `type`. */
  read(wire: Wire): void {
    switch (wire.type) {
      case 'content_block_delta':
        this.#readDelta(wire.index, objectOf(wire.delta))
        break
      case 'message_start':
        this.#usage.add(objectOf(wire.message).usage)
        break
      case 'content_block_start':
        this.#startBlock(wire.index, objectOf(wire.content_block))
        break
      case 'content_block_stop':
        this.#blocks.end(wire.index)
        break
      case 'message_delta':
        this.#delta = { ...this.#delta, ...present(objectOf(wire.delta)) }
        this.#usage.add(wire.usage)
        break
      case 'message_stop':
        this.#finish()
        break
      default:
        if (wire.type === 'error' || wire.error !== undefined) throw explainStreamError(wire.error ?? wire)
    }
  }

  /** Some servers write the beginning of a block into its start. */
  #startBlock(number: unknown, block: Wire): void {
    switch (block.type) {
      case 'text':
        this.#blocks.startProse('text', number)
        this.#blocks.delta('text', number, stringOf(block.text))
        break
      case 'thinking':
        if (this.#discardsThinking) {
          this.#blocks.skip(number)
          break
        }
        this.#blocks.startProse('thinking', number)
        this.#blocks.delta('thinking', number, stringOf(block.thinking))
        break
      case 'tool_use':
        this.#blocks.startCall(number, stringOf(block.id), nameOf(block), block.input)
        break
      default: // redacted thoughts, and what tools of the hosted service did
        this.#blocks.skip(number)
    }
  }

  #readDelta(number: unknown, delta: Wire): void {
    switch (delta.type) {
      case 'text_delta':
        this.#blocks.delta('text', number, stringOf(delta.text))
        break
      case 'thinking_delta':
        this.#blocks.delta('thinking', number, stringOf(delta.thinking))
        break
      case 'input_json_delta':
        this.#blocks.delta('tool-call', number, stringOf(delta.partial_json))
        break
      default: // signatures, which only their maker can read, and citations
    }
  }

  #finish(): void {
    const { stop_reason: stop, stop_sequence: sequence, stop_details: details } = this.#delta
    const reason = this.#reasonOf(stop)
    this.done = true
    this.#blocks.finish({
      reason,
      stopSequence: reason === 'stop-sequence' && typeof sequence === 'string' ? sequence : null,
      explanation: reason === 'refusal' ? explanationOf(details) : null,
      usage: this.#finalUsage(),
    })
  }

  #reasonOf(stop: unknown): FinishReason {
    const reason = finishReasons.get(stop) ?? 'end-turn'
    return reason === 'end-turn' && this.#blocks.callCount > 0 ? 'tool-call' : reason
  }

  /** An upstream that counts nothing is counted here: about 3.6 bytes a token, and the one that ends an answer. */
  #finalUsage(): Usage {
    return this.#usage.read(this.#promptTokens, Math.max(Math.ceil(this.#blocks.bytes / 3.6), 1))
  }
}

/** `pause_turn`, `compaction` and what comes later end the turn as far as other protocols know. */
const finishReasons: ReadonlyMap<unknown, FinishReason> = new Map<unknown, FinishReason>([
  ['end_turn', 'end-turn'],
  ['max_tokens', 'max-tokens'],
  ['stop_sequence', 'stop-sequence'],
  ['tool_use', 'tool-call'],
  ['refusal', 'refusal'],
  ['model_context_window_exceeded', 'context-full'],
])

const knownEvents: ReadonlySet<string> = new Set([
  'message_start',
  'content_block_start',
  'content_block_delta',
  'content_block_stop',
  'message_delta',
  'message_stop',
  'error',
])

/** Whoever writes no name means `message`. */
function isNamed(event: string): boolean {
  return event !== '' && event !== 'message'
}

function isNews(event: string): boolean {
  return knownEvents.has(event) || !isNamed(event)
}

/** @returns `null`: no JSON object */
export function parseWire(data: string): Wire | null {
  try {
    const value: unknown = JSON.parse(data)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Wire) : null
  } catch {
    return null
  }
}

/** What is there and not null: a later event does not take back what an earlier one has said. */
function present(wire: Wire): Wire {
  return Object.fromEntries(Object.entries(wire).filter(([, value]) => value != null))
}

const nothing: Wire = {}

function objectOf(value: unknown): Wire {
  return typeof value === 'object' && value !== null ? (value as Wire) : nothing
}

function stringOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function nameOf({ name }: Wire): string {
  if (typeof name === 'string' && name !== '') return name
  throw malformed('a call without a name')
}

function explanationOf(details: unknown): string | null {
  const { explanation } = objectOf(details)
  return typeof explanation === 'string' ? explanation : null
}

function malformed(what: string): HeadendError {
  return new HeadendError('upstream-malformed', `the upstream sent ${what}`)
}
