import type { ThinkPair } from '../../text/think-tags.ts'

/** One upstream server, as the configuration describes it. */
export interface UpstreamSettings {
  readonly name: string
  /** Base URL without a slash at its end; `/v1/chat/completions` and the like are put behind it, without a `/v1` that it ends with. */
  readonly url: string
  readonly protocol: 'openai' | 'anthropic'
  /** Sent to the origin of `url` and nowhere else, never shown. */
  readonly key: string | null
  /** The client's own credential goes up instead of `key`. */
  readonly passThroughCredentials: boolean
  /** Sent with every request, such as an organisation's id; names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Whatever it lists is served, under its own name. */
  readonly exposesListed: boolean
  /** Names that it does not list, but that are passed on to it unchanged; `*` stands for any text. */
  readonly models: readonly string[]
  /** Requests at once; 0: no limit. */
  readonly concurrency: number
  readonly connectTimeoutMs: number
  /** From the end of the request to the first byte of the answer's body, or its end. */
  readonly firstByteTimeoutMs: number
  /** Between two pieces of an answer; a comment counts. */
  readonly idleTimeoutMs: number
  /** The whole answer; 0: no limit. */
  readonly totalTimeoutMs: number
  /** How long its list of models is believed before it is asked again. */
  readonly modelsTtlMs: number
  /** It is asked for its models this often, to know whether it is up; 0: never. */
  readonly healthIntervalMs: number
  readonly quirks: UpstreamQuirks
}

/** What servers of one protocol do differently. A target may differ from its upstream. */
export interface UpstreamQuirks {
  /** The role of the leading system text. */
  readonly systemRole: 'system' | 'developer'
  /** System turns amid the conversation: `keep` them as system messages, or `fold` them into their neighbours. */
  readonly inlineSystem: 'keep' | 'fold'
  /** `auto`: max_tokens, until this upstream's refusal says that it wants the other one. */
  readonly maxTokensField: 'auto' | 'max_tokens' | 'max_completion_tokens'
  /** The most that this model may answer, tokens; larger requests are lowered to it. `null`: not known. */
  readonly outputTokensMax: number | null
  /** `false`: it refuses `temperature`, `top_p`, penalties and `logit_bias`, so they are left out. */
  readonly sampling: boolean
  /** It knows `top_k`, `min_p`, `seed` and `repeat_penalty`, which OpenAI's own API does not all have. */
  readonly extraSampling: boolean
  /** `false`: it refuses `stream_options`. */
  readonly streamOptions: boolean
  /** `false`: it cannot stream; its answers are asked for whole, and streamed to the client all the same. */
  readonly streaming: boolean
  /** Content as one string only: several text blocks are joined with a blank line. */
  readonly textOnly: boolean
  /** `false`: requests with images are refused here. */
  readonly images: boolean
  /** An assistant message without text: `''` or `null`. */
  readonly emptyContent: 'empty' | 'null'
  /** A final assistant message: to be continued by vLLM's switches, sent as it is, or refused. */
  readonly prefill: 'continue' | 'plain' | 'refuse'
  /** How thinking is asked for. `none`: nothing is sent. */
  readonly thinking: 'reasoning_effort' | 'chat_template_kwargs' | 'thinking' | 'reasoning' | 'none'
  /** It knows the efforts `xhigh` and `max`. */
  readonly highEfforts: boolean
  /** In which field it wants to see what it thought earlier in an unfinished tool loop. */
  readonly reasoningHistory: 'drop' | 'reasoning_content' | 'reasoning' | 'think_tags'
  /** Whether thoughts are looked for in its text: `auto` until they come on a channel of their own. */
  readonly thinkTags: 'auto' | 'on' | 'off'
  /** Markers of thoughts instead of the usual ones; `null`: the usual ones. */
  readonly thinkMarkers: readonly ThinkPair[] | null
  /** Thoughts may begin at any line, not only at the start. */
  readonly interleavedThinking: boolean
  /** Its template writes the opener, so the answer begins amid a thought. */
  readonly thinkingOpenInPrompt: boolean
  /** Thoughts of an answer to a request that switched thinking off. */
  readonly unwantedThinking: 'discard' | 'keep'
  /** It says which stop sequence ended the text (`stop_reason`, `matched_stop`), so it may be told them. */
  readonly reportsStop: boolean
  /** It takes `strict` on functions. */
  readonly strictTools: boolean
  /** It knows `cache_control` marks on content parts. */
  readonly cacheControl: boolean
  /** `user` gets a hash of who the client says its user is. */
  readonly sendsUser: boolean
  /** Path that counts the tokens of a text (`/tokenize` of vLLM and llama-server); `null`: estimated here. */
  readonly tokenizePath: string | null
  /** Put into every request as it is; wins over what headend writes, but for `model`, `messages` and `stream`. */
  readonly extraBody: Readonly<Record<string, unknown>>
}

/** What most servers understand. */
export const defaultQuirks: UpstreamQuirks = {
  systemRole: 'system',
  inlineSystem: 'keep',
  maxTokensField: 'auto',
  outputTokensMax: null,
  sampling: true,
  extraSampling: true,
  streamOptions: true,
  streaming: true,
  textOnly: false,
  images: true,
  emptyContent: 'empty',
  prefill: 'plain',
  thinking: 'reasoning_effort',
  highEfforts: false,
  reasoningHistory: 'drop',
  thinkTags: 'auto',
  thinkMarkers: null,
  interleavedThinking: true,
  thinkingOpenInPrompt: false,
  unwantedThinking: 'discard',
  reportsStop: false,
  strictTools: true,
  cacheControl: false,
  sendsUser: false,
  tokenizePath: null,
  extraBody: {},
}
