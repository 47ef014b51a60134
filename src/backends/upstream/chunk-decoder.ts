import { HeadendError } from '../../contract/errors.ts'
import type { StreamEvent } from '../../contract/events.ts'
import { AnswerAssembler } from './answer-assembler.ts'
import type { AnswerOptions } from './answer-options.ts'
import { RepeatedJson } from './repeated-json.ts'
import { explainStreamError } from './upstream-error.ts'

/** Makes events of the stream of a chat completions API: https://platform.openai.com/docs/api-reference/chat-streaming */
export class ChunkDecoder {
  readonly #answer: AnswerAssembler
  readonly #json = new RepeatedJson()

  constructor(emit: (event: StreamEvent) => void, options: AnswerOptions) {
    this.#answer = new AnswerAssembler(emit, options)
  }

  /** `finish` was emitted: the rest of the stream is not wanted. */
  get done(): boolean {
    return this.#answer.done
  }

  /**
   * @param event '' for none
   * @throws HeadendError the upstream's own error, or upstream-malformed
   */
  push(event: string, data: string): void {
    if (this.#answer.done) return
    if (event === 'error') throw explainStreamError(data)
    if (data === '') return
    if (data.length < 16 && data.trim() === '[DONE]') this.#answer.finish()
    else this.#answer.read(this.#parse(data))
  }

  /** @throws HeadendError upstream-failed: the body ended in the middle of the answer */
  end(): void {
    if (this.#answer.done) return
    // Some servers leave out the mark at the end, but none the reason.
    if (!this.#answer.hasFinish) throw new HeadendError('upstream-failed', 'upstream closed the stream early')
    this.#answer.finish()
  }

  #parse(data: string): unknown {
    try {
      return this.#json.parse(data)
    } catch (cause) {
      throw new HeadendError('upstream-malformed', 'the upstream sent an event that is not JSON', { cause })
    }
  }
}
