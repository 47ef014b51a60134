/**
 * What chat completion requests hold, as far as headend writes it, and the extensions of servers that speak the same protocol.
 *
 * Taken from https://platform.openai.com/docs/api-reference/chat/create,
 * https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html (`top_k`, `min_p`, `chat_template_kwargs`,
 * `continue_final_message`, `add_generation_prompt`), https://api-docs.deepseek.com/guides/thinking_mode (`thinking`,
 * `reasoning_content`) and https://openrouter.ai/docs/use-cases/reasoning-tokens (`reasoning`, `cache_control`).
 */
export interface ChatRequest {
  readonly model: string
  readonly messages: readonly ChatMessage[]
  readonly stream: boolean
  readonly stream_options?: { readonly include_usage: boolean }
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
  readonly temperature?: number
  readonly top_p?: number
  readonly top_k?: number
  readonly min_p?: number
  readonly seed?: number
  readonly frequency_penalty?: number
  readonly presence_penalty?: number
  readonly repeat_penalty?: number
  readonly logit_bias?: Readonly<Record<string, number>>
  readonly stop?: readonly string[]
  readonly tools?: readonly ChatTool[]
  readonly tool_choice?: ChatToolChoice
  readonly parallel_tool_calls?: boolean
  readonly response_format?: ChatResponseFormat
  readonly user?: string
  readonly reasoning_effort?: ReasoningEffort
  readonly thinking?: { readonly type: 'enabled' | 'disabled'; readonly budget_tokens?: number }
  readonly reasoning?: { readonly enabled?: boolean; readonly effort?: ReasoningEffort; readonly max_tokens?: number }
  readonly chat_template_kwargs?: Readonly<Record<string, unknown>>
  readonly continue_final_message?: boolean
  readonly add_generation_prompt?: boolean
}

export type ReasoningEffort = 'none' | 'low' | 'medium' | 'high' | 'xhigh' | 'max'

export type ChatMessage =
  | { readonly role: 'system' | 'developer'; readonly content: ChatContent }
  | { readonly role: 'user'; readonly content: ChatContent }
  | ChatAssistantMessage
  | { readonly role: 'tool'; readonly tool_call_id: string; readonly content: ChatContent }

export interface ChatAssistantMessage {
  readonly role: 'assistant'
  readonly content: ChatContent | null
  readonly reasoning_content?: string
  readonly reasoning?: string
  readonly tool_calls?: readonly ChatToolCall[]
}

export type ChatContent = string | readonly ChatPart[]

export type ChatPart =
  | { readonly type: 'text'; readonly text: string; readonly cache_control?: ChatCacheControl }
  | {
      readonly type: 'image_url'
      readonly image_url: { readonly url: string }
      readonly cache_control?: ChatCacheControl
    }

export interface ChatCacheControl {
  readonly type: 'ephemeral'
  readonly ttl?: '1h'
}

export interface ChatToolCall {
  readonly id: string
  readonly type: 'function'
  /** `arguments` is JSON in a string. */
  readonly function: { readonly name: string; readonly arguments: string }
}

export interface ChatTool {
  readonly type: 'function'
  readonly function: {
    readonly name: string
    readonly description?: string
    readonly parameters: Readonly<Record<string, unknown>>
    readonly strict?: true
  }
}

export type ChatToolChoice =
  | 'auto'
  | 'required'
  | 'none'
  | { readonly type: 'function'; readonly function: { readonly name: string } }

export type ChatResponseFormat =
  | { readonly type: 'json_object' }
  | {
      readonly type: 'json_schema'
      readonly json_schema: {
        readonly name: string
        readonly schema: Readonly<Record<string, unknown>>
        readonly strict: boolean
      }
    }
