/**
 * What the chat completions API answers, as JSON Schema; TypeBox derives the static types.
 *
 * Taken from https://platform.openai.com/docs/api-reference/chat/object, https://platform.openai.com/docs/api-reference/chat-streaming
 * and https://platform.openai.com/docs/guides/error-codes; `reasoning_content` from
 * https://api-docs.deepseek.com/guides/thinking_mode, `stop_reason` from
 * https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
 */
import type { XStatic } from 'typebox/schema'
import type { ChatToolCall } from './openai.ts'

const string = { type: 'string' } as const
const integer = { type: 'integer' } as const
const nullableString = { type: ['string', 'null'] } as const
const nullValue = { type: 'null' } as const

export type ChatFinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter'

const chatUsageSchema = {
  type: 'object',
  required: ['prompt_tokens', 'completion_tokens', 'total_tokens', 'prompt_tokens_details'],
  properties: {
    prompt_tokens: integer,
    completion_tokens: integer,
    total_tokens: integer,
    prompt_tokens_details: { type: 'object', required: ['cached_tokens'], properties: { cached_tokens: integer } },
    completion_tokens_details: {
      type: 'object',
      required: ['reasoning_tokens'],
      properties: { reasoning_tokens: integer },
    },
  },
} as const
export type ChatUsage = XStatic<typeof chatUsageSchema>

const toolCallSchema = {
  type: 'object',
  required: ['id', 'type', 'function'],
  properties: {
    id: string,
    type: { const: 'function' },
    function: { type: 'object', required: ['name', 'arguments'], properties: { name: string, arguments: string } },
  },
} as const

/** What is the same in all chunks of a stream, and in a whole answer. */
export interface CompletionHead {
  readonly id: string
  /** Seconds since 1970. */
  readonly created: number
  readonly model: string
}

export const completionSchema = {
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'choices', 'usage'],
  properties: {
    id: string,
    object: { const: 'chat.completion' },
    created: integer,
    model: string,
    choices: {
      type: 'array',
      items: {
        type: 'object',
        required: ['index', 'message', 'logprobs', 'finish_reason'],
        properties: {
          index: integer,
          message: {
            type: 'object',
            required: ['role', 'content', 'refusal'],
            properties: {
              role: { const: 'assistant' },
              content: nullableString,
              refusal: nullableString,
              reasoning_content: string,
              tool_calls: { type: 'array', items: toolCallSchema },
            },
          },
          logprobs: nullValue,
          finish_reason: string,
          stop_reason: string,
        },
      },
    },
    usage: chatUsageSchema,
  },
} as const

export interface CompletionMessage {
  readonly role: 'assistant'
  readonly content: string | null
  readonly refusal: string | null
  readonly reasoning_content?: string
  readonly tool_calls?: readonly ChatToolCall[]
}

export interface Completion extends CompletionHead {
  readonly object: 'chat.completion'
  readonly choices: readonly [
    {
      readonly index: 0
      readonly message: CompletionMessage
      readonly logprobs: null
      readonly finish_reason: ChatFinishReason
      /** The stop sequence that ended the text, as vLLM tells it. */
      readonly stop_reason?: string
    },
  ]
  readonly usage: ChatUsage
}

/** Everything but the pieces of text, which are framed by hand. */
export const chunkSchema = {
  type: 'object',
  required: ['id', 'object', 'created', 'model', 'choices'],
  properties: {
    id: string,
    object: { const: 'chat.completion.chunk' },
    created: integer,
    model: string,
    choices: {
      type: 'array',
      items: {
        type: 'object',
        required: ['index', 'delta', 'logprobs', 'finish_reason'],
        properties: {
          index: integer,
          delta: {
            type: 'object',
            properties: {
              role: { const: 'assistant' },
              content: string,
              refusal: string,
              tool_calls: {
                type: 'array',
                items: {
                  type: 'object',
                  required: ['index', ...toolCallSchema.required],
                  properties: { index: integer, ...toolCallSchema.properties },
                },
              },
            },
          },
          logprobs: nullValue,
          finish_reason: nullableString,
          stop_reason: string,
        },
      },
    },
    usage: chatUsageSchema,
  },
} as const

export interface ChunkDelta {
  readonly role?: 'assistant'
  readonly content?: string
  readonly refusal?: string
  readonly tool_calls?: readonly (ChatToolCall & { readonly index: number })[]
}

export interface Chunk extends CompletionHead {
  readonly object: 'chat.completion.chunk'
  readonly choices: readonly {
    readonly index: 0
    readonly delta: ChunkDelta
    readonly logprobs: null
    readonly finish_reason: ChatFinishReason | null
    readonly stop_reason?: string
  }[]
  readonly usage?: ChatUsage
}

export type ChatErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'server_error'

export type ChatErrorCode =
  | 'model_not_found'
  | 'context_length_exceeded'
  | 'invalid_api_key'
  | 'rate_limit_exceeded'
  | null

export const chatErrorSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: {
      type: 'object',
      required: ['message', 'type', 'param', 'code'],
      properties: { message: string, type: string, param: nullableString, code: nullableString },
    },
  },
} as const
export interface ChatErrorBody {
  readonly error: {
    readonly message: string
    readonly type: ChatErrorType
    readonly param: string | null
    readonly code: ChatErrorCode
  }
}
