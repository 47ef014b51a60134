import type { Complaint } from './complaint.ts'

const words: ReadonlySet<string> = new Set([
  'context_length_exceeded',
  'context_window_exceeded',
  'exceed_context_size_error',
  'model_context_window_exceeded',
])

/** How servers say it in prose; few of them have a code for it. */
const sentences = new RegExp(
  [
    'maximum context length', // OpenAI, vLLM, DeepSeek, OpenRouter, Mistral
    'prompt is too long', // Anthropic
    'input length and `max_tokens` exceed', // Anthropic
    'prompt too long', // Ollama
    'input length exceeds', // Ollama
    'exceeds the available context size', // llama-server
    'context size has been exceeded', // llama-server and LM Studio, amid an answer
    'exceeds the context window', // OpenAI
    'exceed context window of', // llama-cpp-python
    'context (?:the )?overflows', // LM Studio
    'n_keep \\(\\d+\\) >= n_ctx', // LM Studio
    'greater than the context length', // LM Studio
    "longer than the model's context length", // SGLang
    'longer than the maximum model length', // vLLM
    'too long to fit into the model', // vLLM
    '`max_new_tokens` must be <=', // TGI
    'exceeded model token limit', // Kimi
    'prompt token count of \\d+ exceeds', // GitHub's models
  ].join('|'),
  'i',
)

/** Each list in order of trust: the first that is found counts. */
const figures = {
  maximum: [
    /maximum context length (?:is|of) ([\d,]+)/i,
    /with ([\d,]+) maximum context length/i,
    /context length of only ([\d,]+)/i,
    /context (?:size|length) \(?([\d,]+)(?: tokens)?\)/i,
    /n_ctx \(([\d,]+)\)/,
    /(?:maximum model length|max context window|context window) of ([\d,]+)/i,
    /> ([\d,]+)(?: maximum|,)/,
    /`max_new_tokens` must be <= ([\d,]+)/,
    /model token limit: ([\d,]+)/i,
    /exceeds the limit of ([\d,]+)/i,
  ],
  prompt: [
    /prompt contains (?:at least )?([\d,]+) (?:input )?tokens/i,
    /request has ([\d,]+) input tokens/i,
    /resulted in ([\d,]+) tokens/i,
    /too long: ([\d,]+) tokens/i,
    /context limit: ([\d,]+) \+/i,
    /(?:request|input|prompt) \(([\d,]+) tokens\)/i,
    /n_keep \(([\d,]+)\)/,
    /keep the first ([\d,]+) tokens/i,
    /\((?:total )?length ([\d,]+)\)/i,
    /tokens \(([\d,]+)\) exceed/i,
    /given: ([\d,]+) `inputs`/i,
    /\(requested: ([\d,]+)\)/i,
    /prompt token count of ([\d,]+)/i,
  ],
  /** What was to be generated. */
  answer: [
    /([\d,]+) (?:in|for) the (?:completion|output)/i,
    /requested ([\d,]+) output tokens/i,
    /is too large: ([\d,]+)/i,
    /context limit: [\d,]+ \+ ([\d,]+)/i,
    /and ([\d,]+) `max_new_tokens`/i,
  ],
  /** Prompt, tools and answer together. */
  total: [/requested (?:about )?([\d,]+) tokens/i],
}

/** What is known here, for servers that do not say it; `null`: not known. */
export interface OwnFigures {
  readonly contextTokens: number | null
  readonly promptTokens: number | null
}

/**
 * What the client is told when its request does not fit; `null`: this is another error.
 * Clients look for these two sentences: they shorten the conversation on the one, and ask for less on the other.
 */
export function explainOverflow(complaint: Complaint, own: OwnFigures): string | null {
  const { message } = complaint
  if (!complaint.words.some((word) => words.has(word)) && !sentences.test(message)) return null
  const maximum = complaint.contextTokens ?? find(message, figures.maximum) ?? own.contextTokens
  const answer = find(message, figures.answer)
  const prompt = complaint.promptTokens ?? find(message, figures.prompt) ?? promptOf(message, answer)
  if (maximum !== null && prompt !== null) {
    if (prompt >= maximum) return `prompt is too long: ${prompt} tokens > ${maximum} maximum`
    if (answer !== null && prompt + answer > maximum) {
      const remedy = 'decrease input length or `max_tokens` and try again'
      return `input length and \`max_tokens\` exceed context limit: ${prompt} + ${answer} > ${maximum}, ${remedy}`
    }
  }
  return message.toLowerCase().includes('prompt is too long') ? message : withOwnFigures(message, maximum, own)
}

/** The upstream says that it is too long, so our estimate is at most too low. */
function withOwnFigures(message: string, maximum: number | null, { promptTokens }: OwnFigures): string {
  if (maximum !== null && promptTokens !== null) {
    return `prompt is too long: ${Math.max(promptTokens, maximum + 1)} tokens > ${maximum} maximum`
  }
  return message === '' ? 'prompt is too long' : `prompt is too long: ${message}`
}

function promptOf(message: string, answer: number | null): number | null {
  const total = find(message, figures.total)
  return total === null ? null : total - (answer ?? 0)
}

function find(message: string, patterns: readonly RegExp[]): number | null {
  for (const pattern of patterns) {
    const digits = pattern.exec(message)?.[1]
    if (digits !== undefined) return Number(digits.replaceAll(',', ''))
  }
  return null
}
