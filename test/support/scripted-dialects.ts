/** How a scripted upstream writes one plain answer; tokens are 3 in, 2 out. */
export interface Dialect {
  /** The events before any content. */
  head(request: RequestBody): string
  piece(text: string): string
  readonly tail: string
  whole(request: RequestBody, text: string): string
  refusal(status: number, message: string): string
}

type RequestBody = Readonly<Record<string, unknown>>

/** https://platform.openai.com/docs/api-reference/chat-streaming */
const openai: Dialect = {
  head: ({ model }) => chunk({ model, choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] }),
  piece: (content) => chunk({ choices: [{ index: 0, delta: { content } }] }),
  tail:
    chunk({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }) +
    chunk({ choices: [], usage: { prompt_tokens: 3, completion_tokens: 2 } }) +
    'data: [DONE]\n\n',
  whole: ({ model }, content) =>
    JSON.stringify({
      id: 'chatcmpl-1',
      object: 'chat.completion',
      model,
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 3, completion_tokens: 2 },
    }),
  refusal: (status, message) => JSON.stringify({ error: { message, type: 'some_error', param: null, code: status } }),
}

function chunk(fields: object): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', ...fields })}\n\n`
}

/** https://docs.anthropic.com/en/docs/build-with-claude/streaming */
const anthropic: Dialect = {
  head: ({ model }) =>
    event({ type: 'message_start', message: { ...message(model), stop_reason: null, usage: usage(1) } }),
  piece: (text) =>
    event({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) +
    event({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  tail:
    event({ type: 'content_block_stop', index: 0 }) +
    event({ type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: usage(2) }) +
    event({ type: 'message_stop' }),
  whole: ({ model }, text) =>
    JSON.stringify({ ...message(model), content: [{ type: 'text', text }], stop_reason: 'end_turn', usage: usage(2) }),
  refusal: (status, text) =>
    JSON.stringify({ type: 'error', error: { type: errorTypes[status] ?? 'api_error', message: text } }),
}

const errorTypes: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  404: 'not_found_error',
  429: 'rate_limit_error',
  529: 'overloaded_error',
}

function event(fields: { readonly type: string } & Readonly<Record<string, unknown>>): string {
  return `event: ${fields.type}\ndata: ${JSON.stringify(fields)}\n\n`
}

function message(model: unknown): object {
  return { id: 'msg_01', type: 'message', role: 'assistant', model, content: [], stop_sequence: null }
}

function usage(outputTokens: number): object {
  return { input_tokens: 3, output_tokens: outputTokens }
}

export const dialects = { openai, anthropic } as const
