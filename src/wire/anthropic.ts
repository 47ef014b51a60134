/**
 * What clients of the Messages API send, as JSON Schema. TypeBox derives the static types from the schemas; only its
 * types are imported, because loading its builder takes 140 ms, longer than everything else in this room together.
 * Unknown keys are allowed everywhere, because clients gain fields with every release.
 * Unions that are told apart by `type` are one schema per branch: the validator looks at the tag first, so that it can
 * name the one mistake.
 *
 * Taken from https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/messages-count-tokens
 */
import type { XStatic } from 'typebox/schema'

const cacheControl = {
  anyOf: [
    { type: 'null' },
    {
      type: 'object',
      required: ['type'],
      properties: { type: { const: 'ephemeral' }, ttl: { enum: ['5m', '1h'] } },
    },
  ],
} as const

const nullableString = { type: ['string', 'null'] } as const
const stringOrList = { anyOf: [{ type: 'string' }, { type: 'array' }] } as const
const anyObject = { type: 'object' } as const
const taggedObject = { type: 'object', required: ['type'], properties: { type: { type: 'string' } } } as const

/** https://docs.anthropic.com/en/api/messages#body-messages-content */
export const blockSchemas = {
  text: {
    type: 'object',
    required: ['type', 'text'],
    properties: { type: { const: 'text' }, text: { type: 'string' }, cache_control: cacheControl },
  },
  image: {
    type: 'object',
    required: ['type', 'source'],
    properties: { type: { const: 'image' }, source: taggedObject, cache_control: cacheControl },
  },
  document: {
    type: 'object',
    required: ['type', 'source'],
    properties: {
      type: { const: 'document' },
      source: taggedObject,
      title: nullableString,
      context: nullableString,
      cache_control: cacheControl,
    },
  },
  search_result: {
    type: 'object',
    required: ['type', 'source', 'title', 'content'],
    properties: {
      type: { const: 'search_result' },
      source: { type: 'string' },
      title: { type: 'string' },
      content: { type: 'array' },
      cache_control: cacheControl,
    },
  },
  tool_use: {
    type: 'object',
    required: ['type', 'id', 'name', 'input'],
    properties: {
      type: { const: 'tool_use' },
      id: { type: 'string', minLength: 1 },
      name: { type: 'string', minLength: 1 },
      input: anyObject,
      cache_control: cacheControl,
    },
  },
  tool_result: {
    type: 'object',
    required: ['type', 'tool_use_id'],
    properties: {
      type: { const: 'tool_result' },
      tool_use_id: { type: 'string', minLength: 1 },
      content: stringOrList,
      is_error: { type: 'boolean' },
      cache_control: cacheControl,
    },
  },
  thinking: {
    type: 'object',
    required: ['type', 'thinking', 'signature'],
    properties: { type: { const: 'thinking' }, thinking: { type: 'string' }, signature: { type: 'string' } },
  },
  redacted_thinking: {
    type: 'object',
    required: ['type', 'data'],
    properties: { type: { const: 'redacted_thinking' }, data: { type: 'string' } },
  },
  /** Only inside a `tool_result`: https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/tool-search-tool */
  tool_reference: {
    type: 'object',
    required: ['type', 'tool_name'],
    properties: { type: { const: 'tool_reference' }, tool_name: { type: 'string' }, cache_control: cacheControl },
  },
} as const

/** https://docs.anthropic.com/en/docs/build-with-claude/vision */
export const imageSourceSchemas = {
  base64: {
    type: 'object',
    required: ['type', 'media_type', 'data'],
    properties: {
      type: { const: 'base64' },
      media_type: { enum: ['image/jpeg', 'image/png', 'image/gif', 'image/webp'] },
      data: { type: 'string', minLength: 1 },
    },
  },
  url: {
    type: 'object',
    required: ['type', 'url'],
    properties: { type: { const: 'url' }, url: { type: 'string', minLength: 1 } },
  },
  file: {
    type: 'object',
    required: ['type', 'file_id'],
    properties: { type: { const: 'file' }, file_id: { type: 'string' } },
  },
} as const

/** https://docs.anthropic.com/en/docs/build-with-claude/citations#document-types; `base64` is a PDF. */
export const documentSourceSchemas = {
  text: {
    type: 'object',
    required: ['type', 'data'],
    properties: { type: { const: 'text' }, data: { type: 'string' } },
  },
  content: {
    type: 'object',
    required: ['type', 'content'],
    properties: { type: { const: 'content' }, content: stringOrList },
  },
  base64: { type: 'object', required: ['type'], properties: { type: { const: 'base64' } } },
  url: { type: 'object', required: ['type'], properties: { type: { const: 'url' } } },
  file: { type: 'object', required: ['type'], properties: { type: { const: 'file' } } },
} as const

export const messageSchema = {
  type: 'object',
  required: ['role', 'content'],
  properties: { role: { enum: ['user', 'assistant', 'system'] }, content: stringOrList },
} as const

/** https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use#specifying-client-tools */
export const customToolSchema = {
  type: 'object',
  required: ['name', 'input_schema'],
  properties: {
    type: { enum: ['custom', null] },
    name: { type: 'string', pattern: '^[a-zA-Z0-9_-]{1,128}$' },
    description: nullableString,
    input_schema: { type: 'object', required: ['type'], properties: { type: { const: 'object' } } },
    cache_control: cacheControl,
    strict: { type: ['boolean', 'null'] },
  },
} as const

/** https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use#forcing-tool-use */
export const toolChoiceSchemas = {
  auto: {
    type: 'object',
    required: ['type'],
    properties: { type: { const: 'auto' }, disable_parallel_tool_use: { type: 'boolean' } },
  },
  any: {
    type: 'object',
    required: ['type'],
    properties: { type: { const: 'any' }, disable_parallel_tool_use: { type: 'boolean' } },
  },
  tool: {
    type: 'object',
    required: ['type', 'name'],
    properties: { type: { const: 'tool' }, name: { type: 'string' }, disable_parallel_tool_use: { type: 'boolean' } },
  },
  none: { type: 'object', required: ['type'], properties: { type: { const: 'none' } } },
} as const

const display = { enum: ['summarized', 'omitted', null] } as const

/** https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking */
export const thinkingSchemas = {
  enabled: {
    type: 'object',
    required: ['type', 'budget_tokens'],
    properties: { type: { const: 'enabled' }, budget_tokens: { type: 'integer', minimum: 1024 }, display },
  },
  adaptive: { type: 'object', required: ['type'], properties: { type: { const: 'adaptive' }, display } },
  disabled: { type: 'object', required: ['type'], properties: { type: { const: 'disabled' } } },
  between_tools: { type: 'object', required: ['type'], properties: { type: { const: 'between_tools' } } },
} as const

const outputFormat = {
  anyOf: [
    { type: 'null' },
    {
      type: 'object',
      required: ['type', 'schema'],
      properties: { type: { const: 'json_schema' }, schema: anyObject },
    },
  ],
} as const

/**
 * What a counting request has, too: https://docs.anthropic.com/en/api/messages-count-tokens
 * `messages`, `tools`, `tool_choice` and `thinking` are looked at one by one after this.
 */
export const promptSchema = {
  type: 'object',
  required: ['model', 'messages'],
  properties: {
    model: { type: 'string', minLength: 1 },
    messages: { type: 'array', maxItems: 100_000 },
    system: stringOrList,
    tools: { type: 'array' },
    tool_choice: true,
    thinking: true,
    output_config: {
      type: 'object',
      properties: { effort: { enum: ['low', 'medium', 'high', 'xhigh', 'max', null] }, format: outputFormat },
    },
    output_format: outputFormat, // the beta's name of `output_config.format`
    metadata: { type: 'object', properties: { user_id: nullableString } },
    cache_control: cacheControl,
    service_tier: { enum: ['auto', 'standard_only', null] },
    speed: { enum: ['standard', 'fast', null] },
    container: true,
    mcp_servers: true,
    thread: true,
  },
} as const

/** What only a request for an answer has. */
export const generationSchema = {
  type: 'object',
  required: ['max_tokens'],
  properties: {
    max_tokens: { type: 'integer', minimum: 0 },
    stream: { type: 'boolean' },
    stop_sequences: { type: 'array', items: { type: 'string' }, maxItems: 8191 }, // every token is compared with all
    temperature: { type: 'number', minimum: 0, maximum: 1 },
    top_p: { type: 'number', minimum: 0, maximum: 1 },
    top_k: { type: 'integer', minimum: 0 },
  },
} as const

type Branches<Schemas> = { readonly [Tag in keyof Schemas]: XStatic<Schemas[Tag]> }

export type CacheControl = XStatic<typeof cacheControl>
type Blocks = Branches<typeof blockSchemas>
export type TextBlockParam = Blocks['text']
export type ToolReferenceParam = Blocks['tool_reference']

type ImageSources = Branches<typeof imageSourceSchemas>
export type ImageBlockParam = Omit<Blocks['image'], 'source'> & { source: ImageSources[keyof ImageSources] }

type DocumentSources = Branches<typeof documentSourceSchemas>
type DocumentContent = Omit<DocumentSources['content'], 'content'> & {
  content: string | (TextBlockParam | ImageBlockParam)[]
}
export type DocumentBlockParam = Omit<Blocks['document'], 'source'> & {
  source: Exclude<DocumentSources[keyof DocumentSources], { type: 'content' }> | DocumentContent
}
export type SearchResultBlockParam = Omit<Blocks['search_result'], 'content'> & { content: TextBlockParam[] }

export type ResultContentParam =
  | TextBlockParam
  | ImageBlockParam
  | DocumentBlockParam
  | SearchResultBlockParam
  | ToolReferenceParam
export type ToolUseBlockParam = Omit<Blocks['tool_use'], 'input'> & { input: Record<string, unknown> }
export type ToolResultBlockParam = Omit<Blocks['tool_result'], 'content'> & { content?: string | ResultContentParam[] }

/** Written by tools that run in the hosted service; only found in histories. */
export interface HostedBlockParam extends Readonly<Record<string, unknown>> {
  readonly type:
    | 'server_tool_use'
    | 'container_upload'
    | 'compaction'
    | 'fallback'
    | `mcp_${string}`
    | `${string}_tool_result`
}

export type ContentBlockParam =
  | TextBlockParam
  | ImageBlockParam
  | DocumentBlockParam
  | SearchResultBlockParam
  | ToolUseBlockParam
  | ToolResultBlockParam
  | Blocks['thinking']
  | Blocks['redacted_thinking']

export type MessageParam = Omit<XStatic<typeof messageSchema>, 'content'> & {
  content: string | (ContentBlockParam | HostedBlockParam)[]
}
export type ToolParam = Omit<XStatic<typeof customToolSchema>, 'input_schema'> & {
  input_schema: Record<string, unknown>
}
type ToolChoices = Branches<typeof toolChoiceSchemas>
export type ToolChoiceParam = ToolChoices[keyof ToolChoices]
type Thinkings = Branches<typeof thinkingSchemas>
export type ThinkingParam = Thinkings[keyof Thinkings]

interface CheckedParts {
  messages: MessageParam[]
  system?: string | TextBlockParam[]
  tools?: ToolParam[]
  tool_choice?: ToolChoiceParam
  thinking?: ThinkingParam
}
export type CountRequest = Omit<XStatic<typeof promptSchema>, keyof CheckedParts> & CheckedParts
export type MessagesRequest = CountRequest & XStatic<typeof generationSchema>
