/**
 * What the Messages API answers, as JSON Schema; TypeBox derives the static types. Current SDK typings declare many
 * fields as always present and nullable: they are sent as null, older clients ignore them.
 *
 * Taken from https://docs.anthropic.com/en/api/messages (also models-list and errors beside it) and
 * https://docs.anthropic.com/en/docs/build-with-claude/streaming
 */
import type { XStatic } from 'typebox/schema'

const string = { type: 'string' } as const
const integer = { type: 'integer' } as const
const nullValue = { type: 'null' } as const
const nullableString = { type: ['string', 'null'] } as const
const nullableInteger = { type: ['integer', 'null'] } as const

// `type` lists instead of `anyOf`: fast-json-stringify needs a validator at run time to choose a branch.
const outputTokensDetails = {
  type: ['object', 'null'],
  required: ['thinking_tokens'],
  properties: { thinking_tokens: { type: 'integer' } },
} as const

const promptUsage = {
  input_tokens: integer,
  cache_creation_input_tokens: integer,
  cache_read_input_tokens: integer,
} as const

const usageSchema = {
  type: 'object',
  required: [
    'input_tokens',
    'cache_creation_input_tokens',
    'cache_read_input_tokens',
    'cache_creation',
    'output_tokens',
    'output_tokens_details',
    'server_tool_use',
    'service_tier',
    'inference_geo',
    'speed',
  ],
  properties: {
    ...promptUsage,
    cache_creation: {
      type: 'object',
      required: ['ephemeral_5m_input_tokens', 'ephemeral_1h_input_tokens'],
      properties: { ephemeral_5m_input_tokens: integer, ephemeral_1h_input_tokens: integer },
    },
    output_tokens: integer,
    output_tokens_details: outputTokensDetails,
    server_tool_use: nullValue,
    service_tier: { const: 'standard' },
    inference_geo: nullValue,
    speed: nullValue,
  },
} as const

const stopDetails = {
  type: ['object', 'null'],
  required: ['type', 'category', 'explanation'],
  properties: { type: { const: 'refusal' }, category: nullValue, explanation: nullableString },
} as const

export type StopReason =
  | 'end_turn'
  | 'max_tokens'
  | 'stop_sequence'
  | 'tool_use'
  | 'refusal'
  | 'model_context_window_exceeded'

export const messageSchema = {
  type: 'object',
  required: [
    'id',
    'type',
    'role',
    'model',
    'content',
    'stop_reason',
    'stop_sequence',
    'stop_details',
    'container',
    'diagnostics',
    'usage',
  ],
  properties: {
    id: string,
    type: { const: 'message' },
    role: { const: 'assistant' },
    model: string,
    // Any JSON to the serializer: a tool's input is, and telling branches apart would need a validator at run time.
    content: { type: 'array', items: {} },
    stop_reason: nullableString,
    stop_sequence: nullableString,
    stop_details: stopDetails,
    container: nullValue,
    diagnostics: nullValue,
    usage: usageSchema,
  },
} as const

export type MessageContent =
  | { readonly type: 'thinking'; readonly thinking: string; readonly signature: string }
  | { readonly type: 'text'; readonly text: string; readonly citations: null }
  | {
      readonly type: 'tool_use'
      readonly id: string
      readonly name: string
      readonly input: object
      readonly caller: { readonly type: 'direct' }
    }

// The static type of a schema whose `type` is a list of 'object' and 'null' forgets the null.
type OutputTokensDetails = XStatic<typeof outputTokensDetails> | null
type StopDetails = XStatic<typeof stopDetails> | null

export type MessageUsage = Omit<XStatic<typeof usageSchema>, 'output_tokens_details'> & {
  output_tokens_details: OutputTokensDetails
}
export type Message = Omit<XStatic<typeof messageSchema>, 'content' | 'stop_reason' | 'stop_details' | 'usage'> & {
  content: readonly MessageContent[]
  stop_reason: StopReason | null
  stop_details: StopDetails
  usage: MessageUsage
}

export const messageStartSchema = {
  type: 'object',
  required: ['type', 'message'],
  properties: { type: { const: 'message_start' }, message: messageSchema },
} as const
export interface MessageStart {
  readonly type: 'message_start'
  readonly message: Message
}

export const blockStartSchema = {
  type: 'object',
  required: ['type', 'index', 'content_block'],
  properties: { type: { const: 'content_block_start' }, index: integer, content_block: {} },
} as const
export interface BlockStart {
  readonly type: 'content_block_start'
  readonly index: number
  readonly content_block: MessageContent
}

/** The field of a delta that carries the text, by the delta's type. */
export const deltaFields = {
  text_delta: 'text',
  thinking_delta: 'thinking',
  signature_delta: 'signature',
  input_json_delta: 'partial_json',
} as const
export type DeltaType = keyof typeof deltaFields

export const blockStopSchema = {
  type: 'object',
  required: ['type', 'index'],
  properties: { type: { const: 'content_block_stop' }, index: integer },
} as const
export type BlockStop = XStatic<typeof blockStopSchema>

export const messageDeltaSchema = {
  type: 'object',
  required: ['type', 'delta', 'usage'],
  properties: {
    type: { const: 'message_delta' },
    delta: {
      type: 'object',
      required: ['stop_reason', 'stop_sequence', 'stop_details', 'container'],
      properties: {
        stop_reason: string,
        stop_sequence: nullableString,
        stop_details: stopDetails,
        container: nullValue,
      },
    },
    usage: {
      type: 'object',
      required: [
        'input_tokens',
        'cache_creation_input_tokens',
        'cache_read_input_tokens',
        'output_tokens',
        'output_tokens_details',
        'server_tool_use',
      ],
      properties: {
        ...promptUsage,
        output_tokens: integer,
        output_tokens_details: outputTokensDetails,
        server_tool_use: nullValue,
      },
    },
  },
} as const
export interface MessageDelta {
  readonly type: 'message_delta'
  readonly delta: Pick<Message, 'stop_sequence' | 'stop_details' | 'container'> & { readonly stop_reason: StopReason }
  readonly usage: Omit<MessageUsage, 'cache_creation' | 'service_tier' | 'inference_geo' | 'speed'>
}

export type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'request_too_large'
  | 'rate_limit_error'
  | 'api_error'
  | 'overloaded_error'
  | 'timeout_error'

export const errorSchema = {
  type: 'object',
  required: ['type', 'error', 'request_id'],
  properties: {
    type: { const: 'error' },
    error: {
      type: 'object',
      required: ['type', 'message'],
      properties: {
        type: string,
        message: string,
        details: {
          type: 'object',
          required: ['error_code', 'unsupported'],
          properties: { error_code: string, unsupported: { type: 'array', items: string } },
        },
      },
    },
    request_id: string,
  },
} as const
export type ErrorBody = XStatic<typeof errorSchema> & { error: { type: ErrorType } }

export const countSchema = {
  type: 'object',
  required: ['input_tokens', 'context_management'],
  properties: { input_tokens: integer, context_management: nullValue },
} as const
export type Count = XStatic<typeof countSchema>

const support = { type: 'object', required: ['supported'], properties: { supported: { type: 'boolean' } } } as const

/** https://docs.anthropic.com/en/api/models: every member is always there. */
const capabilitiesSchema = {
  type: ['object', 'null'],
  required: [
    'batch',
    'citations',
    'code_execution',
    'context_management',
    'effort',
    'image_input',
    'pdf_input',
    'server_tools',
    'structured_outputs',
    'thinking',
    'tool_use',
  ],
  properties: {
    batch: support,
    citations: support,
    code_execution: support,
    context_management: {
      type: 'object',
      required: ['supported', 'clear_thinking_20251015', 'clear_tool_uses_20250919', 'compact_20260112'],
      properties: {
        supported: { type: 'boolean' },
        clear_thinking_20251015: support,
        clear_tool_uses_20250919: support,
        compact_20260112: support,
      },
    },
    effort: {
      type: 'object',
      required: ['supported', 'low', 'medium', 'high', 'xhigh', 'max'],
      properties: {
        supported: { type: 'boolean' },
        low: support,
        medium: support,
        high: support,
        xhigh: support,
        max: support,
      },
    },
    image_input: support,
    pdf_input: support,
    server_tools: {
      type: 'object',
      required: ['supported', 'code_execution', 'web_search'],
      properties: { supported: { type: 'boolean' }, code_execution: support, web_search: support },
    },
    structured_outputs: support,
    thinking: {
      type: 'object',
      required: ['supported', 'types'],
      properties: {
        supported: { type: 'boolean' },
        types: {
          type: 'object',
          required: ['adaptive', 'enabled', 'disabled', 'between_tools'],
          properties: { adaptive: support, enabled: support, disabled: support, between_tools: support },
        },
      },
    },
    tool_use: support, // ours: the hosted models all call tools
  },
} as const
export type Capabilities = XStatic<typeof capabilitiesSchema>

/** One item serves the clients of both APIs: https://platform.openai.com/docs/api-reference/models/object */
export const modelSchema = {
  type: 'object',
  required: [
    'type',
    'object',
    'id',
    'display_name',
    'created_at',
    'created',
    'owned_by',
    'lifecycle',
    'line',
    'max_input_tokens',
    'max_tokens',
    'deprecated_at',
    'retires_at',
    'capabilities',
  ],
  properties: {
    type: { const: 'model' },
    object: { const: 'model' },
    id: string,
    display_name: string,
    created_at: string,
    created: integer,
    owned_by: { const: 'headend' },
    lifecycle: { const: 'active' },
    line: nullValue,
    max_input_tokens: nullableInteger,
    max_tokens: nullableInteger,
    deprecated_at: nullValue,
    retires_at: nullValue,
    capabilities: capabilitiesSchema,
  },
} as const
export type Model = Omit<XStatic<typeof modelSchema>, 'capabilities'> & { capabilities: Capabilities | null }

export const modelListSchema = {
  type: 'object',
  required: ['object', 'data', 'has_more', 'first_id', 'last_id'],
  properties: {
    object: { const: 'list' },
    data: { type: 'array', items: modelSchema },
    has_more: { type: 'boolean' },
    first_id: nullableString,
    last_id: nullableString,
  },
} as const
export type ModelList = Omit<XStatic<typeof modelListSchema>, 'data'> & { data: readonly Model[] }
