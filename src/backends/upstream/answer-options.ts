import type { ThinkTagOptions } from '../../text/think-tags.ts'

/** What a decoder must know of the request whose answer it reads. */
export interface AnswerOptions {
  readonly stopSequences: readonly string[]
  /** The upstream was told them, and says which one ended the text. Most do not say, so they are matched here. */
  readonly stopsReported: boolean
  /** `false`: calls behind the first are cut. */
  readonly parallelCalls: boolean
  /** The client's name of a tool by the upstream's, where that had to be shortened. */
  readonly toolNames: ReadonlyMap<string, string>
  /** Thoughts are read and dropped. */
  readonly discardsThinking: boolean
  readonly thinkTags: Pick<ThinkTagOptions, 'mode' | 'pairs' | 'interleaved' | 'openInPrompt'>
  /** Estimated; what `start` says until the upstream's own count comes. */
  readonly promptTokens: number
}
