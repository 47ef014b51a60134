import type { ListedModel, ModelCapabilities } from '../../contract/backend.ts'

export interface ModelPage {
  readonly models: readonly ListedModel[]
  /** Where the next page begins; `null`: this is the last one. */
  readonly nextAfter: string | null
}

/** One server lists some hundreds; more is no list of models. */
export const modelsMax = 10_000
const idLengthMax = 500

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads a list of models as OpenAI, Anthropic and those who imitate them write it; they agree on `id` and on little else.
 * https://platform.openai.com/docs/api-reference/models/list, https://docs.anthropic.com/en/api/models-list,
 * https://docs.ollama.com/api/tags, https://openrouter.ai/docs/api-reference/list-available-models
 * @returns `null`: this is no such list
 */
export function parseModelPage(body: Uint8Array): ModelPage | null {
  const list = fieldsOf(parseJson(body))
  const items = list === null ? null : [list.data, list.models, list.items].find(Array.isArray)
  if (list === null || items === undefined || items === null) return null
  const models = items.slice(0, modelsMax).flatMap((item) => parseModel(item) ?? [])
  if (models.length === 0 && items.length > 0) return null
  const last = textIn(list, ['last_id'])
  return { models, nextAfter: list.has_more === true ? last : null }
}

function parseJson(body: Uint8Array): unknown {
  try {
    const value: unknown = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString())
    return Array.isArray(value) ? { data: value } : value // Together AI sends the bare list
  } catch {
    return null // HTML, most likely
  }
}

function parseModel(item: unknown): ListedModel | null {
  const model = fieldsOf(item)
  const id = model === null ? null : textIn(model, ['id', 'model', 'name']) // Ollama's own list has no ids
  if (model === null || id === null || id.length > idLengthMax) return null
  const provider = fieldsOf(model.top_provider) ?? {} // OpenRouter: what is really served
  const meta = fieldsOf(model.meta) ?? {} // llama-server
  return {
    id,
    displayName: textIn(model, ['display_name']),
    facts: {
      contextTokens:
        countIn(provider, ['context_length']) ??
        countIn(model, contextFields) ??
        countIn(meta, ['n_ctx', 'n_ctx_train']),
      createdAt: dateOf(model.created ?? model.created_at ?? model.modified_at),
      capabilities: capabilitiesOf(model),
    },
    outputTokensMax: countIn(provider, ['max_completion_tokens']) ?? countIn(model, outputFields),
  }
}

/** The most exact first: what is loaded rather than what could be. */
const contextFields = [
  'max_model_len', // vLLM, SGLang
  'loaded_context_length', // LM Studio
  'max_context_length', // LM Studio, Mistral
  'context_length', // OpenRouter, Together AI
  'context_window', // Groq
  'max_input_tokens', // Anthropic, headend
  'n_ctx',
] as const

const outputFields = ['max_completion_tokens', 'max_output_tokens', 'max_tokens'] as const

/** Anthropic's object, or OpenRouter's lists; everybody else keeps silent. */
function capabilitiesOf(model: Fields): ModelCapabilities | null {
  const told = fieldsOf(model.capabilities)
  if (told !== null && fieldsOf(told.image_input) !== null) {
    const can = (name: string, otherwise = false): boolean => {
      const supported = fieldsOf(told[name])?.supported
      return typeof supported === 'boolean' ? supported : otherwise
    }
    return {
      imageInput: can('image_input'),
      thinking: can('thinking'),
      structuredOutputs: can('structured_outputs'),
      tools: can('tool_use', true), // Anthropic does not say, because all of its models can
    }
  }
  const parameters = model.supported_parameters
  if (!Array.isArray(parameters)) return null
  const inputs = fieldsOf(model.architecture)?.input_modalities
  return {
    imageInput: Array.isArray(inputs) && inputs.includes('image'),
    thinking: parameters.includes('reasoning'),
    structuredOutputs: parameters.includes('structured_outputs'),
    tools: parameters.includes('tools'),
  }
}

/** Seconds (OpenAI) or text (Anthropic, Ollama). What tells no time is as old as can be, so that lists keep an order. */
function dateOf(value: unknown): Date {
  const date = typeof value === 'number' ? new Date(value * 1000) : new Date(typeof value === 'string' ? value : 0)
  return Number.isNaN(date.getTime()) ? new Date(0) : date
}

function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

function textIn(fields: Fields, names: readonly string[]): string | null {
  for (const name of names) {
    const value = fields[name]
    if (typeof value === 'string' && value !== '') return value
  }
  return null
}

function countIn(fields: Fields, names: readonly string[]): number | null {
  for (const name of names) {
    const value = fields[name]
    if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value
  }
  return null
}
