/** What one server of the chat completions API accepts, where servers differ. */
export interface ChatRules {
  /** Any other field is refused, as OpenAI does; `null`: unknown fields are passed over, as nearly all others do. */
  readonly fields: ReadonlySet<string> | null
  /** An assistant message may have `content: null` when it calls tools. */
  readonly nullContent: boolean
  /** Calls of an unfinished tool loop must carry what was thought before them. */
  readonly wantsReasoning: boolean
  /** How it is asked to think. */
  readonly thinkingField: 'reasoning_effort' | 'reasoning' | 'thinking'
  /** Tool messages answer all calls of the message before them, and nothing stands in between. */
  readonly pairsTools: boolean
}

interface Message {
  readonly role?: unknown
  readonly content?: unknown
  readonly tool_calls?: readonly { readonly id?: unknown; readonly function?: { readonly arguments?: unknown } }[]
  readonly tool_call_id?: unknown
  readonly reasoning_content?: unknown
}

interface Body {
  readonly [field: string]: unknown
  readonly messages?: readonly Message[]
}

const roles: ReadonlySet<unknown> = new Set(['system', 'developer', 'user', 'assistant', 'tool'])

/** @returns what such a server says against the request, in the words of OpenAI where those are known; `null`: it accepts it */
export function faultOfChat(body: Body, rules: ChatRules): string | null {
  return faultOfFields(body, rules) ?? faultOfMessages(body.messages ?? [], rules)
}

function faultOfFields(body: Body, { fields }: ChatRules): string | null {
  const unknown = Object.keys(body).find((field) => fields !== null && !fields.has(field))
  if (unknown !== undefined) return `Unrecognized request argument supplied: ${unknown}`
  if (body.stream_options !== undefined && body.stream !== true) {
    return "The 'stream_options' parameter is only allowed when 'stream' is enabled."
  }
  if (body.tools === undefined) {
    if (body.tool_choice !== undefined) return "'tool_choice' is only allowed when 'tools' are specified."
    if (body.parallel_tool_calls !== undefined)
      return "'parallel_tool_calls' is only allowed when 'tools' are specified."
  }
  const limit = body.max_completion_tokens ?? body.max_tokens
  if (limit !== undefined && !(Number.isInteger(limit) && (limit as number) > 0)) return 'max_tokens must be at least 1'
  const tools = (body.tools ?? []) as readonly { readonly type?: unknown; readonly function?: { name?: unknown } }[]
  const odd = tools.findIndex(({ type, function: tool }) => type !== 'function' || typeof tool?.name !== 'string')
  return odd === -1 ? null : `Invalid 'tools[${odd}]'`
}

function faultOfMessages(messages: readonly Message[], rules: ChatRules): string | null {
  if (messages.length === 0) return "Invalid 'messages': empty array."
  let open = new Set<unknown>()
  for (const [index, message] of messages.entries()) {
    if (!roles.has(message.role)) return `Invalid value: '${String(message.role)}' in messages.[${index}].role`
    if (message.role === 'tool') {
      if (!open.delete(message.tool_call_id)) {
        return "messages with role 'tool' must be a response to a preceeding message with 'tool_calls'."
      }
    } else if (rules.pairsTools && open.size > 0) {
      return "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'."
    }
    const fault = faultOfContent(message, rules)
    if (fault !== null) return `messages.[${index}]: ${fault}`
    if (message.tool_calls !== undefined) open = new Set(message.tool_calls.map(({ id }) => id))
  }
  return null
}

function faultOfContent(message: Message, { nullContent, wantsReasoning }: ChatRules): string | null {
  const { content, tool_calls: calls } = message
  const isText = typeof content === 'string' || Array.isArray(content)
  if (!isText && !(nullContent && calls !== undefined && content === null))
    return `invalid content type: ${typeof content}`
  if (calls === undefined) return null
  if (wantsReasoning && typeof message.reasoning_content !== 'string') {
    return 'The `reasoning_content` in the thinking mode must be passed back to the API.'
  }
  return calls.every(isSound) ? null : 'invalid tool call arguments'
}

function isSound(call: NonNullable<Message['tool_calls']>[number]): boolean {
  if (typeof call.id !== 'string' || call.id === '' || typeof call.function?.arguments !== 'string') return false
  try {
    return typeof JSON.parse(call.function.arguments) === 'object'
  } catch {
    return false
  }
}
