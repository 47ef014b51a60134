import type { HeadendError } from '../../contract/errors.ts'
import type { BlockHead } from '../../contract/events.ts'
import type { Exchange } from '../../contract/exchange.ts'
import type { Chunk, ChunkDelta, CompletionHead } from '../../wire/openai-reply.ts'
import { type Finish, StreamReply, type StreamSettings } from '../stream-reply.ts'
import { chatUsage, endingOf, newHead } from './completion-fields.ts'
import { encodeError, refuse } from './error-body.ts'
import {
  argumentsPiece,
  chunkFrame,
  doneFrame,
  errorFrame,
  keepAliveFrame,
  type PieceFrame,
  textPiece,
} from './serializers.ts'

type Ending = Pick<Chunk['choices'][number], 'finish_reason' | 'stop_reason'>

const noEnding: Ending = { finish_reason: null }

export interface ChunkOptions {
  /** As the client named it. */
  readonly model: string
  /** A last chunk tells the usage. */
  readonly includesUsage: boolean
}

/** The reply for `stream: true`: https://platform.openai.com/docs/api-reference/chat-streaming */
export class StreamEncoder extends StreamReply {
  readonly #head: CompletionHead
  readonly #includesUsage: boolean
  #callCount = 0
  #hasText = false

  constructor(exchange: Exchange, { model, includesUsage }: ChunkOptions, settings: StreamSettings) {
    super(exchange, settings, keepAliveFrame)
    this.#head = newHead(model)
    this.#includesUsage = includesUsage
  }

  protected override begin(): void {
    this.#sendChunk({ role: 'assistant', content: '' })
  }

  protected override prepareBlock(head: BlockHead): void {
    const piece = this.#pieceOf(head)
    this.deltaHead = piece.head
    this.deltaTail = piece.tail
  }

  #pieceOf(head: BlockHead): PieceFrame {
    switch (head.kind) {
      case 'text':
        return textPiece(this.#head, 'content')
      case 'thinking':
        return textPiece(this.#head, 'reasoning_content')
      case 'tool-call':
        return argumentsPiece(this.#head, this.#callCount)
      default:
        return head satisfies never
    }
  }

  protected override openBlock(head: BlockHead): void {
    if (head.kind === 'text') this.#hasText = true
    if (head.kind !== 'tool-call') return
    const { id, name } = head
    const called = { index: this.#callCount, id, type: 'function' as const, function: { name, arguments: '' } }
    this.#callCount++
    this.#sendChunk({ tool_calls: [called] })
  }

  protected override shows(): boolean {
    return true
  }

  protected override closeBlock(): void {}

  protected override finish(event: Finish): void {
    const { explanation, usage } = event
    // What a model says itself is in the text.
    if (explanation !== null && !this.#hasText) this.#sendChunk({ refusal: explanation })
    this.#sendChunk({}, endingOf(event))
    if (this.#includesUsage) {
      const told = chatUsage(usage ?? this.usage)
      this.send(chunkFrame({ ...this.#head, object: 'chat.completion.chunk', choices: [], usage: told }))
    }
    this.send(doneFrame)
  }

  #sendChunk(delta: ChunkDelta, ending: Ending = noEnding): void {
    const choice = { index: 0, delta, logprobs: null, ...ending } as const
    this.send(chunkFrame({ ...this.#head, object: 'chat.completion.chunk', choices: [choice] }))
  }

  /** Nothing follows it: a stream without `[DONE]` has failed. */
  protected override failureFrame(error: HeadendError): string {
    return errorFrame(encodeError(error))
  }

  protected override refuse(error: HeadendError): void {
    refuse(this.exchange, error)
  }
}
