import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Dialect, dialects } from './scripted-dialects.ts'

/** What is to become of a request. Doing nothing leaves it to the test, which holds the request as well. */
export type Answer = (request: ScriptedRequest) => void

/** A server of both protocols that does what the test says next. */
export interface ScriptedUpstream {
  readonly url: string
  /** All POSTs, in order. */
  readonly requests: readonly ScriptedRequest[]
  /** How often it was asked for its models. */
  readonly listings: number
  /** What it says when it is asked for its models: entries, or the ids alone; a status; `hang`: nothing. */
  models: readonly (string | object)[] | number | 'hang'
  /** Of every POST that the script has no answer for. */
  otherwise: Answer
  /** Answers of the next POSTs, one each. */
  script(...answers: readonly Answer[]): void
  /** Resolves with the first POST that nobody has waited for. */
  nextRequest(): Promise<ScriptedRequest>
  /** The POST behind those of the script is left to the test. */
  hold(): Promise<ScriptedRequest>
}

export interface ScriptedOptions {
  readonly models?: ScriptedUpstream['models']
  readonly otherwise?: Answer
  /** A port that is known to be free. */
  readonly port?: number
}

export async function startScriptedUpstream(
  t: Pick<TestContext, 'after'>,
  { models = [], otherwise = says('hello'), port = 0 }: ScriptedOptions = {},
): Promise<ScriptedUpstream> {
  const requests: ScriptedRequest[] = []
  const unseen: ScriptedRequest[] = []
  const answers: Answer[] = []
  const arrivals = new EventEmitter()
  let listings = 0

  const server = createServer(async (incoming, response) => {
    if (incoming.method === 'GET') {
      listings++
      return sendModels(upstream.models, response)
    }
    const request = new ScriptedRequest(incoming, response, JSON.parse(await readText(incoming)))
    requests.push(request)
    unseen.push(request)
    const answer = answers.shift() ?? upstream.otherwise
    answer(request)
    arrivals.emit('request')
  })
  await once(server.listen(port, '127.0.0.1'), 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })

  const upstream: ScriptedUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    get listings() {
      return listings
    },
    models,
    otherwise,
    script: (...more) => void answers.push(...more),
    async nextRequest() {
      while (unseen.length === 0) await soon(once(arrivals, 'request'), 'another request')
      return unseen.shift() as ScriptedRequest
    },
    hold: () => soon(new Promise((resolve) => answers.push(resolve)), 'another request'),
  }
  return upstream
}

/** One request, and the answer to it: step by step, or by one of the answers below. */
export class ScriptedRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
  readonly response: ServerResponse
  readonly #dialect: Dialect
  readonly #abandoned: Promise<void>

  constructor(incoming: IncomingMessage, response: ServerResponse, body: ScriptedRequest['body']) {
    this.path = incoming.url ?? ''
    this.headers = incoming.headers
    this.body = body
    this.response = response
    this.#dialect = dialects[this.path.startsWith('/v1/messages') ? 'anthropic' : 'openai']
    this.#abandoned = new Promise((resolve) => {
      response.once('close', () => {
        if (!response.writableFinished) resolve()
      })
    })
  }

  /** Resolves when its connection was closed before the answer was complete. */
  get abandoned(): Promise<void> {
    return soon(this.#abandoned, 'the end of this connection')
  }

  /** The headers of a stream, and what comes before any content. */
  begin(headers: Readonly<Record<string, string>> = {}): this {
    this.response.writeHead(200, { 'content-type': 'text/event-stream', ...headers })
    return this.write(this.#dialect.head(this.body))
  }

  say(text: string): this {
    return this.write(this.#dialect.piece(text))
  }

  end(): void {
    this.response.end(this.#dialect.tail)
  }

  write(bytes: string): this {
    this.response.write(bytes)
    return this
  }

  /** As it was asked for: as a stream or whole. */
  answer(text: string, headers: Readonly<Record<string, string>> = {}): void {
    if (this.body.stream === true) this.begin(headers).say(text).end()
    else this.#respond(200, this.#dialect.whole(this.body, text), headers)
  }

  refuse(status: number, message: string, headers: Readonly<Record<string, string>> = {}): void {
    this.#respond(status, this.#dialect.refusal(status, message), headers)
  }

  /** Closes the connection behind what was sent. */
  cut(): void {
    this.response.socket?.destroySoon()
  }

  #respond(status: number, body: string, headers: Readonly<Record<string, string>>): void {
    this.response.writeHead(status, { 'content-type': 'application/json', ...headers })
    this.response.end(body)
  }
}

export function says(text: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return (request) => request.answer(text, headers)
}

export function refuses(status: number, message = 'no', headers: Readonly<Record<string, string>> = {}): Answer {
  return (request) => request.refuse(status, message, headers)
}

/** Closes the connection amid the headers: without a byte it would look like one that was closed as idle, which is no failure. */
export const cuts: Answer = (request) => {
  request.response.socket?.write('HTTP/1.1 200 OK\r\n')
  request.cut()
}

/** Until the test goes on with the request, or its client leaves. */
export const waits: Answer = () => {}

const patienceMs = 20_000

/** What never comes is an error, where the test would wait for ever. */
function soon<Value>(promise: Promise<Value>, what: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const late = (): void => reject(new Error(`the test waits in vain for ${what}`))
    const timer = setTimeout(late, patienceMs)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

function sendModels(models: ScriptedUpstream['models'], response: ServerResponse): void {
  if (models === 'hang') return
  response.writeHead(typeof models === 'number' ? models : 200, { 'content-type': 'application/json' })
  const list = typeof models === 'number' ? [] : models
  const data = list.map((model) => (typeof model === 'string' ? { id: model } : model))
  response.end(JSON.stringify({ object: 'list', data }))
}

async function readText(incoming: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of incoming.setEncoding('utf8')) text += piece
  return text
}
