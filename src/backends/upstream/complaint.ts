/** What an upstream says went wrong, read out of whatever shape its server gives it. */
export interface Complaint {
  /** '' when it holds nothing that can be shown. */
  readonly message: string
  /** Its code and type where they are words, in lower case. */
  readonly words: readonly string[]
  /** The HTTP status that it names itself, which is all there is inside a stream; `null`: none. */
  readonly status: number | null
  /** llama-server counts for us; `null`: not said. */
  readonly promptTokens: number | null
  readonly contextTokens: number | null
}

/** Longer texts hold a stack trace or the prompt, neither of which helps. */
const messageCharactersMax = 2000
/** An error that takes more is no error of an API. */
const bodyBytesMax = 262_144
/** Gateways wrap the error of the server behind them in their own, some of them as JSON inside a string. */
const wrapsMax = 8

const nothing: Complaint = { message: '', words: [], status: null, promptTokens: null, contextTokens: null }

/**
 * Fields of the error objects of OpenAI (https://platform.openai.com/docs/guides/error-codes), Anthropic
 * (https://docs.anthropic.com/en/api/errors), llama-server, FastAPI (`detail`) and OpenRouter
 * (https://openrouter.ai/docs/api/reference/errors-and-debugging).
 */
interface ErrorFields {
  readonly error?: unknown
  readonly message?: unknown
  readonly detail?: unknown
  readonly msg?: unknown
  readonly loc?: unknown
  readonly code?: unknown
  readonly type?: unknown
  readonly status?: unknown
  readonly metadata?: { readonly raw?: unknown; readonly error_type?: unknown } | null
  readonly n_prompt_tokens?: unknown
  readonly n_ctx?: unknown
}

export function readComplaintBody(body: Uint8Array): Complaint {
  if (body.byteLength > bodyBytesMax) return nothing
  return readComplaint(new TextDecoder().decode(body))
}

/** Takes anything: a text that is JSON is read as such. */
export function readComplaint(value: unknown): Complaint {
  const complaint = read(value, wrapsMax)
  return { ...complaint, message: presentable(complaint.message) }
}

function read(value: unknown, wraps: number): Complaint {
  if (wraps < 0) return nothing
  if (typeof value === 'string') return readText(value, wraps)
  if (Array.isArray(value)) return read(value[0], wraps - 1)
  if (typeof value !== 'object' || value === null) return nothing
  const fields = value as ErrorFields
  const inner = read(fields.error ?? null, wraps - 1)
  const own = readFields(fields, wraps)
  return {
    message: inner.message === '' ? own.message : inner.message,
    words: [...inner.words, ...own.words],
    status: inner.status ?? own.status,
    promptTokens: inner.promptTokens ?? own.promptTokens,
    contextTokens: inner.contextTokens ?? own.contextTokens,
  }
}

function readText(text: string, wraps: number): Complaint {
  const trimmed = text.trim()
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) {
    try {
      return read(JSON.parse(trimmed), wraps - 1)
    } catch {
      // It only looks like JSON.
    }
  }
  return { ...nothing, message: trimmed }
}

function readFields(fields: ErrorFields, wraps: number): Complaint {
  const { code, type, status, metadata } = fields
  const told = [fields.message, fields.detail, fields.msg].map((text) => read(text, wraps - 1).message)
  const message = located(fields.loc, told.find((text) => text !== '') ?? '')
  // OpenRouter's own sentence says nothing; what the provider said stands beside it.
  const raw = /^provider returned error$/i.test(message) ? read(metadata?.raw, wraps - 1) : nothing
  const words = [code, type, status, metadata?.error_type].filter(isWord).map((word) => word.toLowerCase())
  return {
    message: raw.message === '' ? message : raw.message,
    words: [...words, ...raw.words],
    status: httpStatus(code) ?? httpStatus(status),
    promptTokens: count(fields.n_prompt_tokens) ?? raw.promptTokens,
    contextTokens: count(fields.n_ctx) ?? raw.contextTokens,
  }
}

/** FastAPI names the field apart from the sentence. */
function located(location: unknown, message: string): string {
  return Array.isArray(location) && message !== '' ? `${location.join('.')}: ${message}` : message
}

function isWord(value: unknown): value is string {
  return typeof value === 'string'
}

function httpStatus(value: unknown): number | null {
  const status = typeof value === 'string' ? Number(value) : value
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status < 600 ? status : null
}

function count(value: unknown): number | null {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 ? value : null
}

/** Web pages of proxies are no message, keys that a server repeats are nobody's business, and long texts are cut. */
function presentable(message: string): string {
  if (/^\s*<(?:!doctype|html|head|body|\?xml)/i.test(message)) return ''
  const clean = withoutKeys(message.slice(0, messageCharactersMax * 2))
  if (clean.length <= messageCharactersMax) return clean
  return `${clean.slice(0, messageCharactersMax).replace(/[\ud800-\udbff]$/, '')}...`
}

/** Servers repeat a wrong key, some of them whole. What looks like one has a known beginning and holds a digit. */
export function withoutKeys(text: string): string {
  return text
    .replace(/\b(?:sk|gsk|xai|nvapi|hf)[-_](?=[\w*-]*[\d*])[\w*-]{12,}|\bAIza[\w-]{30,}/g, '[key]')
    .replace(/\bBearer\s+[\w.~+/*=-]{8,}/gi, 'Bearer [key]')
}
