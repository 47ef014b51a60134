/**
 * What clients of the chat completions API send, as JSON Schema; TypeBox derives the static types (see `anthropic.ts` beside it).
 * Nearly every field may be null, which says as little as leaving it out. Unknown keys are allowed everywhere.
 *
 * Taken from https://platform.openai.com/docs/api-reference/chat/create; `top_k`, `min_p` and `repeat_penalty` from
 * https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md, `reasoning_content` from
 * https://api-docs.deepseek.com/guides/thinking_mode
 */
import type { XStatic } from 'typebox/schema'
import type { ChatPart } from './openai.ts'

const nullableString = { type: ['string', 'null'] } as const
const nullableBoolean = { type: ['boolean', 'null'] } as const
const nullableList = { type: ['array', 'null'] } as const
const stringOrList = { anyOf: [{ type: 'string' }, { type: 'array' }] } as const
const stringListOrNull = { anyOf: [{ type: 'string' }, { type: 'array' }, { type: 'null' }] } as const

function between<Least extends number, Most extends number>(minimum: Least, maximum: Most) {
  return { type: ['number', 'null'], minimum, maximum } as const
}

/** Servers of local models take -1 for "as many as fit", and so do their clients. */
const tokenLimit = { type: ['integer', 'null'], minimum: -1 } as const

/** `messages`, `tools`, `functions`, `tool_choice`, `function_call` and `response_format` are looked at one by one after this. */
export const chatSchema = {
  type: 'object',
  required: ['model', 'messages'],
  properties: {
    model: { type: 'string', minLength: 1 },
    messages: { type: 'array', maxItems: 100_000 },
    max_completion_tokens: tokenLimit,
    max_tokens: tokenLimit,
    stream: nullableBoolean,
    stream_options: { type: ['object', 'null'], properties: { include_usage: nullableBoolean } },
    temperature: between(0, 2),
    top_p: between(0, 1),
    top_k: { type: ['integer', 'null'], minimum: -1 },
    min_p: between(0, 1),
    seed: { type: ['integer', 'null'] },
    frequency_penalty: between(-2, 2),
    presence_penalty: between(-2, 2),
    repeat_penalty: between(0.01, 100), // logits are divided by it
    logit_bias: { type: ['object', 'null'], additionalProperties: { type: 'number', minimum: -100, maximum: 100 } },
    stop: {
      anyOf: [
        { type: 'null' },
        { type: 'string' },
        { type: 'array', items: { type: 'string' }, maxItems: 8191 }, // every token is compared with all
      ],
    },
    tools: nullableList,
    functions: nullableList,
    tool_choice: true,
    function_call: true,
    parallel_tool_calls: nullableBoolean,
    response_format: true,
    reasoning_effort: { enum: ['none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', null] },
    n: { type: ['integer', 'null'], minimum: 1 },
    logprobs: nullableBoolean,
    top_logprobs: { type: ['integer', 'null'], minimum: 0 },
    modalities: nullableList,
    audio: true,
    user: nullableString,
    safety_identifier: nullableString,
    prompt_cache_key: nullableString,
  },
} as const

export const chatMessageSchemas = {
  system: { type: 'object', required: ['content'], properties: { content: stringOrList } },
  developer: { type: 'object', required: ['content'], properties: { content: stringOrList } },
  user: { type: 'object', required: ['content'], properties: { content: stringOrList } },
  assistant: {
    type: 'object',
    properties: {
      content: stringListOrNull,
      refusal: nullableString,
      reasoning_content: nullableString,
      reasoning: nullableString,
      tool_calls: nullableList,
      function_call: true,
    },
  },
  tool: {
    type: 'object',
    required: ['tool_call_id', 'content'],
    properties: { tool_call_id: { type: 'string', minLength: 1 }, content: stringOrList },
  },
  function: {
    type: 'object',
    required: ['name', 'content'],
    properties: { name: { type: 'string', minLength: 1 }, content: stringListOrNull },
  },
} as const

/** Other types are known, too (`input_audio`, `file`): their shape does not matter, as no model here takes them. */
export const chatPartSchemas = {
  text: { type: 'object', required: ['text'], properties: { text: { type: 'string' } } },
  refusal: { type: 'object', required: ['refusal'], properties: { refusal: { type: 'string' } } },
  image_url: {
    type: 'object',
    required: ['image_url'],
    properties: {
      image_url: { type: 'object', required: ['url'], properties: { url: { type: 'string', minLength: 1 } } },
    },
  },
} as const

/** In a call that the model made, `arguments` is JSON in a string. */
const calledFunction = {
  type: 'object',
  required: ['name', 'arguments'],
  properties: { name: { type: 'string', minLength: 1 }, arguments: { type: 'string' } },
} as const

export const calledFunctionSchema = calledFunction

export const toolCallSchema = {
  type: 'object',
  required: ['id', 'function'],
  properties: {
    id: { type: 'string', minLength: 1 },
    type: { enum: ['function', null] },
    function: calledFunction,
  },
} as const

/** OpenAI takes 64 characters, most other servers more. */
const functionName = { type: 'string', pattern: '^[a-zA-Z0-9_-]{1,128}$' } as const

export const functionSchema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: functionName,
    description: nullableString,
    parameters: {
      anyOf: [{ type: 'null' }, { type: 'object', properties: { type: { const: 'object' } } }],
    },
    strict: nullableBoolean,
  },
} as const

export const functionToolSchema = {
  type: 'object',
  required: ['function'],
  properties: { function: functionSchema },
} as const

export const functionChoiceSchema = {
  type: 'object',
  required: ['function'],
  properties: { function: { type: 'object', required: ['name'], properties: { name: { type: 'string' } } } },
} as const

/** Of `function_call`, the older form. */
export const functionNameSchema = {
  type: 'object',
  required: ['name'],
  properties: { name: { type: 'string' } },
} as const

/** llama-server takes a schema with `json_object`, too. */
export const responseFormatSchemas = {
  text: { type: 'object' },
  json_object: { type: 'object', properties: { schema: { type: ['object', 'null'] } } },
  json_schema: {
    type: 'object',
    required: ['json_schema'],
    properties: { json_schema: { type: 'object', properties: { schema: { type: ['object', 'null'] } } } },
  },
} as const

/** Not among those that headend knows. */
export interface OtherParam {
  readonly type: string
}
export type KnownPartParam =
  | Extract<ChatPart, { readonly type: 'text' | 'image_url' }>
  | { readonly type: 'refusal'; readonly refusal: string }
export type PartParam = KnownPartParam | OtherParam
export type ContentParam = string | readonly PartParam[]

export type CalledFunctionParam = XStatic<typeof calledFunctionSchema>
export type ToolCallParam = XStatic<typeof toolCallSchema>

export type ChatMessageParam =
  | { readonly role: 'system' | 'developer' | 'user'; readonly content: ContentParam }
  | AssistantParam
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: ContentParam }
  | { readonly role: 'function'; readonly name: string; readonly content: ContentParam | null }

export interface AssistantParam {
  readonly role: 'assistant'
  readonly content?: ContentParam | null
  readonly refusal?: string | null
  readonly reasoning_content?: string | null
  readonly reasoning?: string | null
  readonly tool_calls?: readonly ToolCallParam[] | null
  readonly function_call?: CalledFunctionParam | null
}

type JsonObject = Readonly<Record<string, unknown>>

export interface FunctionParam {
  readonly name: string
  readonly description?: string | null
  readonly parameters?: JsonObject | null
  readonly strict?: boolean | null
}

export interface FunctionToolParam {
  readonly type: 'function'
  readonly function: FunctionParam
}

export type FormatParam =
  | { readonly type: 'text' }
  | { readonly type: 'json_object'; readonly schema?: JsonObject | null }
  | { readonly type: 'json_schema'; readonly json_schema: { readonly schema?: JsonObject | null } }

interface CheckedParts {
  messages: readonly ChatMessageParam[]
  /** Those of other types are refused when the request is completed. */
  tools?: readonly (FunctionToolParam | OtherParam)[] | null
  functions?: readonly FunctionParam[] | null
  tool_choice?:
    | 'auto'
    | 'none'
    | 'required'
    | { readonly type: 'function'; readonly function: { readonly name: string } }
    | null
  function_call?: 'auto' | 'none' | { readonly name: string } | null
  response_format?: FormatParam | null
  modalities?: readonly unknown[] | null
}
export type ChatRequestParam = Omit<XStatic<typeof chatSchema>, keyof CheckedParts> & CheckedParts
