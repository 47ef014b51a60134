import { type ChatRules, faultOfChat } from './check-chat.ts'
import { faultOfMessagesRequest } from './check-messages.ts'
import { readTranscripts } from './transcripts.ts'
import { type Expected, sceneOf, type UpstreamKind } from './upstream-kind.ts'

const tolerant: ChatRules = {
  fields: null,
  nullContent: true,
  wantsReasoning: false,
  thinkingField: 'reasoning_effort',
  pairsTools: false,
}

type ChatParts = Pick<UpstreamKind, 'name' | 'model'> &
  Partial<Omit<UpstreamKind, 'expected'>> & {
    readonly rules?: Partial<ChatRules>
    /** The field that others call `max_tokens` has another name here. */
    readonly refusesMaxTokens?: true
    readonly expected: Partial<Expected>
  }

/** A server of the chat completions API; what is not given is as most of them have it. */
function chatKind({ rules, refusesMaxTokens, expected, ...parts }: ChatParts): UpstreamKind {
  const allRules = { ...tolerant, ...rules }
  return {
    protocol: 'openai',
    key: null,
    transcripts: readTranscripts(parts.name),
    headers: {},
    refusalHeaders: {},
    eventStream: 'text/event-stream',
    isOldHttp: false,
    quirks: {},
    refuse(body) {
      if (body.model !== parts.model) return { scene: 'unknown', message: String(body.model) }
      if (refusesMaxTokens && body.max_tokens !== undefined) return { scene: 'unsupported', message: '' }
      const isUnasked = sceneOf(body) === 'thinking' && body[allRules.thinkingField] === undefined
      const message = isUnasked ? `${allRules.thinkingField} is missing` : faultOfChat(body, allRules)
      return message === null ? null : { scene: 'invalid', message }
    },
    ...parts,
    expected: {
      usage: { input: 25, cached: 0 },
      thought: '17 times 3 is 51.',
      thinkingTokens: null,
      counted: null,
      refusals: {},
      broken: { type: 'api_error', message: /./ },
      ...expected,
    },
  }
}

const tooLong = {
  status: 400,
  type: 'invalid_request_error',
  message: 'prompt is too long: 9001 tokens > 8192 maximum',
}
const closedEarly = { type: 'api_error', message: /^upstream closed the stream early$/ }

function overloaded(message: string) {
  return { status: 529, type: 'overloaded_error', message }
}

const vllm = chatKind({
  name: 'vllm',
  model: 'qwen3-4b',
  headers: { server: 'uvicorn' },
  eventStream: 'text/event-stream; charset=utf-8',
  quirks: { tokenize_path: '/tokenize' },
  rules: { pairsTools: true },
  expected: {
    counted: 25,
    refusals: { overflow: tooLong, busy: overloaded('Server overloaded') },
    broken: { type: 'api_error', message: /^EngineCore encountered an issue/ },
  },
})

const ollama = chatKind({
  name: 'ollama',
  model: 'qwen3:4b',
  expected: {
    refusals: {
      overflow: { ...tooLong, message: 'prompt is too long: the input length exceeds the context length' },
      busy: overloaded('server busy, please try again.  maximum pending requests exceeded'),
    },
    broken: closedEarly,
  },
})

const lmStudio = chatKind({
  name: 'lm-studio',
  model: 'qwen/qwen3-4b',
  headers: { 'x-powered-by': 'Express' },
  rules: { nullContent: false, pairsTools: true },
  expected: {
    thinkingTokens: 6,
    refusals: { overflow: tooLong, busy: { status: 502, type: 'api_error', message: 'Model reloaded.' } },
    broken: { type: 'api_error', message: /^Compute error\.$/ },
  },
})

/** https://platform.openai.com/docs/api-reference/chat/create */
const openaiFields: ReadonlySet<string> = new Set(
  `audio frequency_penalty logit_bias logprobs max_completion_tokens max_tokens messages metadata modalities model n parallel_tool_calls
  prediction presence_penalty prompt_cache_key reasoning_effort response_format safety_identifier seed service_tier stop store stream
  stream_options temperature tool_choice tools top_logprobs top_p user verbosity web_search_options`.split(/\s+/),
)

/** A reasoning model: it keeps its thoughts, and calls its limit by another name. */
const openai = chatKind({
  name: 'openai',
  model: 'gpt-5-mini-2025-08-07',
  key: 'sk-right',
  headers: { 'x-request-id': 'req_3f6f1a2b9c', 'openai-processing-ms': '213' },
  refusalHeaders: { 'retry-after': '7' },
  eventStream: 'text/event-stream; charset=utf-8',
  rules: { fields: openaiFields, pairsTools: true },
  refusesMaxTokens: true,
  expected: {
    thought: null,
    thinkingTokens: 64,
    refusals: {
      overflow: tooLong,
      busy: {
        status: 429,
        type: 'rate_limit_error',
        message:
          'Rate limit reached for gpt-5-mini in organization org-x on tokens per min (TPM): Limit 200000, Used 199000, Requested 9001. Please try again in 7s.',
      },
      unauthorized: { status: 500, type: 'api_error', message: 'upstream authentication failed' },
    },
    broken: { type: 'api_error', message: /^The server had an error while processing your request/ },
  },
})

const deepseek = chatKind({
  name: 'deepseek',
  model: 'deepseek-v4-flash',
  key: 'sk-deep',
  headers: { 'x-ds-trace-id': 'c8953dd3' },
  eventStream: 'text/event-stream; charset=utf-8',
  quirks: { thinking: 'thinking', reasoning_history: 'reasoning_content' },
  rules: { wantsReasoning: true, thinkingField: 'thinking', pairsTools: true },
  expected: {
    usage: { input: 9, cached: 16 },
    thinkingTokens: 6,
    refusals: {
      overflow: tooLong,
      busy: overloaded(
        'Service is too busy. We advise users to temporarily switch to alternative LLM API service providers.',
      ),
      unpaid: { status: 429, type: 'rate_limit_error', message: 'Insufficient Balance' },
    },
  },
})

const openrouter = chatKind({
  name: 'openrouter',
  model: 'anthropic/claude-sonnet-4.5',
  key: 'sk-or-v1-open',
  headers: { 'x-generation-id': 'gen-1771592802-hDlyfTXagKZBer6JQTBv' },
  quirks: { thinking: 'reasoning', cache_control: true },
  rules: { thinkingField: 'reasoning', pairsTools: true },
  expected: {
    usage: { input: 5, cached: 20 },
    thinkingTokens: 6,
    refusals: {
      overflow: tooLong,
      unpaid: {
        status: 429,
        type: 'rate_limit_error',
        message: 'Insufficient credits. Add more using https://openrouter.ai/settings/credits',
      },
    },
    broken: { type: 'api_error', message: /^Provider disconnected unexpectedly/ },
  },
})

const mlxLm = chatKind({
  name: 'mlx-lm',
  model: 'mlx-community/Qwen3-4B-4bit',
  headers: { server: 'BaseHTTP/0.6 Python/3.12.8', 'access-control-allow-origin': '*' },
  isOldHttp: true,
  expected: {
    usage: { input: 17, cached: 8 },
    refusals: {
      busy: overloaded(
        '[metal::malloc] Attempting to allocate 9001 bytes which is greater than the maximum allowed buffer size',
      ),
    },
    broken: closedEarly,
  },
})

const llamaServer = chatKind({
  name: 'llama-server',
  model: 'headend-tiny',
  headers: { server: 'llama.cpp', 'x-accel-buffering': 'no' },
  expected: {
    usage: { input: 9, cached: 16 },
    refusals: { overflow: tooLong, busy: overloaded('Loading model') },
    broken: { type: 'invalid_request_error', message: /^prompt is too long: Context size has been exceeded\.$/ },
  },
})

const anthropic: UpstreamKind = {
  name: 'anthropic',
  protocol: 'anthropic',
  model: 'claude-sonnet-5',
  key: 'sk-ant-api03-right',
  transcripts: readTranscripts('anthropic'),
  headers: {
    'request-id': 'req_011CdZqGfVbM8o3bYQkX2rTn',
    'anthropic-organization-id': '6f1a2b9c-0000-4000-8000-000000000000',
    'anthropic-ratelimit-requests-remaining': '49',
  },
  refusalHeaders: { 'retry-after': '7' },
  eventStream: 'text/event-stream; charset=utf-8',
  isOldHttp: false,
  quirks: {},
  refuse(body, headers) {
    if (body.model !== 'claude-sonnet-5') return { scene: 'unknown', message: String(body.model) }
    // The SDK's tool runner asks for a thread first; this refusal makes it go on without one, if it arrives as it was sent.
    if (body.thread !== undefined) return { scene: 'threads', message: '' }
    const message = faultOfMessagesRequest(body, headers)
    return message === null ? null : { scene: 'invalid', message }
  },
  expected: {
    usage: { input: 5, cached: 20 },
    thought: '17 times 3 is 51.',
    thinkingTokens: 6,
    counted: 25,
    refusals: {
      overflow: tooLong,
      busy: overloaded('Overloaded'),
      limited: {
        status: 429,
        type: 'rate_limit_error',
        message: "This request would exceed your organization's rate limit of 50 requests per minute.",
      },
      unauthorized: { status: 500, type: 'api_error', message: 'upstream authentication failed' },
    },
    broken: { type: 'overloaded_error', message: /^Overloaded$/ },
  },
}

export const upstreamKinds: readonly UpstreamKind[] = [
  vllm,
  ollama,
  lmStudio,
  openai,
  deepseek,
  openrouter,
  mlxLm,
  llamaServer,
  anthropic,
]

export function upstreamKind(name: string): UpstreamKind {
  const kind = upstreamKinds.find((candidate) => candidate.name === name)
  if (kind === undefined) throw new Error(`there is no upstream of kind ${name}`)
  return kind
}
