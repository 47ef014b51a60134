import type { TestContext } from 'node:test'
import { type BadUpstream, type Behaviour, respond, startBadUpstream } from '../bad-upstream.ts'

/** An answer of `Hello there` in the pieces that bad servers break it into, and errors, as a protocol writes them. */
export interface Wording {
  readonly protocol: 'openai' | 'anthropic'
  /** Of a streamed answer, in order: what comes before any content, `Hello`, ` there` with the reason to end, the last word. */
  readonly opening: string
  readonly hello: string
  readonly there: string
  readonly farewell: string
  /** The same answer in one piece. */
  readonly whole: string
  /** A further event of content. */
  delta(text: string): string
  /** The body of an error, and the event of a stream. */
  error(type: string, message: string): string
  errorEvent(type: string, message: string): string
}

export const openai: Wording = {
  protocol: 'openai',
  opening: chunk({ role: 'assistant', content: '' }),
  hello: chunk({ content: 'Hello' }),
  there: chunk({ content: ' there' }) + chunk({}, 'stop'),
  farewell: 'data: [DONE]\n\n',
  whole: JSON.stringify({
    choices: [{ index: 0, message: { role: 'assistant', content: 'Hello there' }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 5, completion_tokens: 2 },
  }),
  delta: (text) => chunk({ content: text }),
  error: openaiError,
  errorEvent: (type, message) => `data: ${openaiError(type, message)}\n\n`,
}

const message = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'theirs',
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 5, output_tokens: 1 },
}

export const anthropic: Wording = {
  protocol: 'anthropic',
  opening: named({ type: 'message_start', message }) + named({ type: 'ping' }),
  hello:
    named({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }) + textDelta('Hello'),
  there:
    textDelta(' there') +
    named({ type: 'content_block_stop', index: 0 }) +
    named({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }),
  farewell: named({ type: 'message_stop' }),
  whole: JSON.stringify({ ...message, content: [{ type: 'text', text: 'Hello there' }], stop_reason: 'end_turn' }),
  delta: textDelta,
  error: (type, text) => JSON.stringify(anthropicError(type, text)),
  errorEvent: (type, text) => named(anthropicError(type, text)),
}

export function streamedAnswer({ opening, hello, there, farewell }: Wording): string {
  return opening + hello + there + farewell
}

/** A chunk of a chat completion. */
export function chunk(delta: object, finish: string | null = null): string {
  return `data: ${JSON.stringify({ id: 'chatcmpl-1', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`
}

function openaiError(type: string, message: string): string {
  return JSON.stringify({ error: { message, type, code: type } })
}

function anthropicError(type: string, text: string) {
  return { type: 'error', error: { type, message: text }, request_id: 'req_theirs' }
}

function textDelta(text: string): string {
  return named({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })
}

function named(event: { readonly type: string; readonly [field: string]: unknown }): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}

/** A server that does to a request for a model what `behave` says. Its list of models alone is right, and empty. */
export function startMisbehaving(t: TestContext, behave: (model: string) => Behaviour): Promise<BadUpstream> {
  return startBadUpstream(t, (request) => {
    // Without `close` the question for models would leave a used connection to the first request.
    if (request.line.startsWith('GET ')) respond('{"object":"list","data":[]}', ['connection: close'])(request)
    else behave((JSON.parse(request.body) as { readonly model: string }).model)(request)
  })
}
