/**
 * The floor: the shortest server that translates Messages to chat completions and back, streamed and not, text and tools, on the
 * same two libraries. No checks, no limits, no error handling, no backpressure, no log. What stands above it is what headend's care
 * costs; what goes below it is what headend's code saves. Usage: floor.js UPSTREAM. Writes `{"url"}` once it listens.
 *
 * `pool.dispatch` and not `pool.request`: both were measured in turns, and a small request took 20 to 28 us less; events cost the same.
 */

import uws, { type HttpResponse } from 'uWebSockets.js'
import { StringDecoder } from 'node:string_decoder'
import { type Dispatcher, Pool } from 'undici'

const upstream = new Pool(new URL(process.argv[2] as string).origin)
const headers = { 'content-type': 'application/json', authorization: 'Bearer key' }

uws
  .App()
  .post('/v1/messages', (response) => {
    let body: Buffer = Buffer.alloc(0)
    let handler: Whole | Stream | null = null
    response.onAborted(() => handler?.abort())
    response.onData((piece, isLast) => {
      body = Buffer.concat([body, Buffer.from(piece)])
      if (!isLast) return
      const request = JSON.parse(body.toString()) as MessagesRequest
      handler = request.stream ? new Stream(response, request.model) : new Whole(response, request.model)
      const translated = JSON.stringify(toChat(request))
      upstream.dispatch({ path: '/v1/chat/completions', method: 'POST', headers, body: translated }, handler)
    })
  })
  .listen('127.0.0.1', 0, (socket) => {
    console.log(JSON.stringify({ url: `http://127.0.0.1:${uws.us_socket_local_port(socket as never)}` }))
  })

interface MessagesRequest {
  readonly model: string
  readonly max_tokens: number
  readonly stream?: boolean
  readonly temperature?: number
  readonly system?: string | readonly { readonly text: string }[]
  readonly messages: readonly { readonly role: string; readonly content: string | readonly Block[] }[]
  readonly tools?: readonly { readonly name: string; readonly description: string; readonly input_schema: object }[]
}

type Block =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'tool_use'; readonly id: string; readonly name: string; readonly input: object }
  | {
      readonly type: 'tool_result'
      readonly tool_use_id: string
      readonly content: string | readonly { text: string }[]
    }

function toChat(request: MessagesRequest): object {
  const { model, max_tokens, stream, temperature, system, tools } = request
  const messages: object[] = []
  if (system) messages.push({ role: 'system', content: joined(system, '\n\n') })
  for (const { role, content } of request.messages) {
    if (typeof content === 'string') messages.push({ role, content })
    else if (role === 'assistant') messages.push(assistant(content))
    else user(content, messages)
  }
  return {
    model,
    max_tokens,
    messages,
    ...(temperature !== undefined && { temperature }),
    ...(stream && { stream, stream_options: { include_usage: true } }),
    ...(tools && {
      tools: tools.map(({ name, description, input_schema }) => ({
        type: 'function',
        function: { name, description, parameters: input_schema },
      })),
    }),
  }
}

function assistant(content: readonly Block[]): object {
  let text = ''
  const calls = []
  for (const block of content) {
    if (block.type === 'text') text += block.text
    else if (block.type === 'tool_use') {
      const { id, name, input } = block
      calls.push({ id, type: 'function', function: { name, arguments: JSON.stringify(input) } })
    }
  }
  return calls.length === 0
    ? { role: 'assistant', content: text }
    : { role: 'assistant', content: text, tool_calls: calls }
}

function user(content: readonly Block[], messages: object[]): void {
  let text = ''
  for (const block of content) {
    if (block.type === 'text') text += block.text
    else if (block.type === 'tool_result') {
      messages.push({ role: 'tool', tool_call_id: block.tool_use_id, content: joined(block.content, '\n') })
    }
  }
  if (text !== '') messages.push({ role: 'user', content: text })
}

function joined(content: string | readonly { readonly text: string }[], separator: string): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join(separator)
}

const stopReasons: Record<string, string> = { stop: 'end_turn', length: 'max_tokens', tool_calls: 'tool_use' }

class Exchange {
  readonly response: HttpResponse
  readonly model: string
  #controller: Dispatcher.DispatchController | null = null
  #isGone = false

  constructor(response: HttpResponse, model: string) {
    this.response = response
    this.model = model
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#isGone) this.abort()
  }

  onResponseError(): void {}

  abort(): void {
    this.#isGone = true
    this.#controller?.abort(new Error('the client is gone'))
  }
}

class Whole extends Exchange {
  readonly #pieces: Buffer[] = []

  onResponseData(_controller: unknown, piece: Buffer): void {
    this.#pieces.push(piece)
  }

  onResponseEnd(): void {
    const { id, choices, usage } = JSON.parse(Buffer.concat(this.#pieces).toString())
    const { message, finish_reason } = choices[0]
    const content: Block[] = message.content ? [{ type: 'text', text: message.content }] : []
    for (const call of message.tool_calls ?? []) {
      const { name, arguments: input } = call.function
      content.push({ type: 'tool_use', id: call.id, name, input: JSON.parse(input) })
    }
    const answer = {
      id: `msg_${id}`,
      type: 'message',
      role: 'assistant',
      model: this.model,
      content,
      stop_reason: stopReasons[finish_reason],
      stop_sequence: null,
      usage: { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens },
    }
    this.response.cork(() => {
      this.response.writeHeader('content-type', 'application/json').end(JSON.stringify(answer))
    })
  }
}

class Stream extends Exchange {
  readonly #decoder = new StringDecoder()
  #rest = ''
  #index = -1
  #open: 'text' | 'tool' | null = null
  #stopReason = 'end_turn'

  onResponseData(_controller: unknown, piece: Buffer): void {
    this.#rest += this.#decoder.write(piece)
    this.response.cork(() => {
      let start = 0
      for (let end = this.#rest.indexOf('\n', start); end !== -1; end = this.#rest.indexOf('\n', start)) {
        if (end > start) this.#line(this.#rest.slice(start, end))
        start = end + 1
      }
      this.#rest = this.#rest.slice(start)
    })
  }

  onResponseEnd(): void {
    this.response.cork(() => this.response.end())
  }

  #line(line: string): void {
    if (!line.startsWith('data: ') || line === 'data: [DONE]') return
    const { id, choices, usage } = JSON.parse(line.slice(6))
    if (usage) this.#finish(usage)
    const choice = choices[0]
    if (!choice) return
    const { delta, finish_reason } = choice
    if (delta.role) this.#begin(id)
    if (delta.content) this.#text(delta.content)
    for (const call of delta.tool_calls ?? []) this.#call(call)
    if (finish_reason) this.#stopReason = stopReasons[finish_reason] as string
  }

  #begin(id: string): void {
    const usage = { input_tokens: 0, output_tokens: 1 }
    const { model } = this
    const message = { id: `msg_${id}`, type: 'message', role: 'assistant', model, content: [], stop_reason: null }
    this.response.writeHeader('content-type', 'text/event-stream')
    this.#write({ type: 'message_start', message: { ...message, stop_sequence: null, usage } })
  }

  #text(text: string): void {
    if (this.#open !== 'text') this.#start('text', { type: 'text', text: '' })
    this.#write({ type: 'content_block_delta', index: this.#index, delta: { type: 'text_delta', text } })
  }

  #call(call: { id?: string; function: { name?: string; arguments?: string } }): void {
    const { name, arguments: json } = call.function
    if (name) this.#start('tool', { type: 'tool_use', id: call.id, name, input: {} })
    if (!json) return
    this.#write({
      type: 'content_block_delta',
      index: this.#index,
      delta: { type: 'input_json_delta', partial_json: json },
    })
  }

  #start(kind: 'text' | 'tool', content_block: object): void {
    this.#stop()
    this.#open = kind
    this.#write({ type: 'content_block_start', index: ++this.#index, content_block })
  }

  #stop(): void {
    if (this.#open !== null) this.#write({ type: 'content_block_stop', index: this.#index })
    this.#open = null
  }

  #finish(usage: { prompt_tokens: number; completion_tokens: number }): void {
    this.#stop()
    this.#write({
      type: 'message_delta',
      delta: { stop_reason: this.#stopReason, stop_sequence: null },
      usage: { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens },
    })
    this.#write({ type: 'message_stop' })
  }

  #write(event: { type: string; [field: string]: unknown }): void {
    this.response.write(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
  }
}
