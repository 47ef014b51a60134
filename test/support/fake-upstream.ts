import { EventEmitter, once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { type Cut, writeInPieces } from './upstreams/cut-answer.ts'
import type { Transcript } from './upstreams/transcripts.ts'
import { sceneOf, type UpstreamKind } from './upstreams/upstream-kind.ts'

/** Where an answer stops, until its reader goes: before its headers, or behind so many of its events; of one that is not streamed, behind half of its body. */
export type Hold = 'before-headers' | { readonly events: number }

export interface FakeOptions {
  readonly cut?: Cut
  readonly hold?: Hold
}

/** A server of one kind on a free port, over real sockets. */
export interface FakeUpstream {
  /** As its users write it: with `/v1` where that is the custom. */
  readonly url: string
  readonly kind: UpstreamKind
  /** All POSTs, in order. */
  readonly requests: readonly FakeRequest[]
  /** Scenes of the next answers, whatever is asked. */
  readonly script: string[]
  /** The next POST, once its body is here. */
  nextRequest(): Promise<FakeRequest>
  close(): Promise<void>
}

export interface FakeRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: Readonly<Record<string, unknown>>
  /** What is to be sent before the hold has left; without one, all of it. */
  readonly sent: Promise<void>
  /** The connection was closed before the answer was complete. */
  readonly abandoned: Promise<void>
}

export async function startFakeUpstream(kind: UpstreamKind, options: FakeOptions = {}): Promise<FakeUpstream> {
  const requests: FakeRequest[] = []
  const script: string[] = []
  const arrivals = new EventEmitter()
  const server = createServer(async (request, response) => {
    if (request.method === 'GET') return sendModels(kind, request, response)
    const body = JSON.parse(await readText(request))
    const answer = new FakeAnswer(kind, options, response)
    const sent = answer.send(choose(kind, request, body, script))
    const { url: path = '', headers } = request
    const arrived: FakeRequest = { path, headers, body, sent, abandoned: answer.abandoned }
    requests.push(arrived)
    arrivals.emit('request', arrived)
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: kind.protocol === 'openai' ? `${origin}/v1` : origin,
    kind,
    requests,
    script,
    nextRequest: async () => (await once(arrivals, 'request'))[0] as FakeRequest,
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What this server says to this request. */
function choose(
  kind: UpstreamKind,
  { url = '', headers }: IncomingMessage,
  body: FakeRequest['body'],
  script: string[],
): Transcript {
  const routes: Readonly<Record<string, string | null>> = {
    [kind.protocol === 'openai' ? '/v1/chat/completions' : '/v1/messages']: null,
    '/tokenize': 'tokenize whole',
    '/v1/messages/count_tokens': 'count whole',
  }
  const counted = routes[url]
  if (counted === undefined) return { status: 404, streamed: false, body: '{"detail":"Not Found"}' }
  if (!isAuthorized(kind, headers)) return transcript(kind, 'unauthorized')
  if (counted !== null) return transcript(kind, counted)
  const scripted = script.shift()
  const fault = scripted === undefined ? kind.refuse(body, headers) : null
  if (fault !== null) {
    const refusal = transcript(kind, fault.scene)
    return { ...refusal, body: refusal.body.replace(/\{(MESSAGE|MODEL)\}/, JSON.stringify(fault.message).slice(1, -1)) }
  }
  const scene = scripted ?? sceneOf(body)
  const form = body.stream === true ? 'streamed' : 'whole'
  return kind.transcripts.get(`${scene} ${form}`) ?? transcript(kind, scene)
}

function transcript(kind: UpstreamKind, scene: string): Transcript {
  const found = kind.transcripts.get(scene)
  if (found === undefined) throw new Error(`the fixture of ${kind.name} has no ${scene}`)
  return found
}

function isAuthorized({ key, protocol }: UpstreamKind, headers: IncomingHttpHeaders): boolean {
  if (key === null) return headers.authorization === undefined && headers['x-api-key'] === undefined
  return protocol === 'openai' ? headers.authorization === `Bearer ${key}` : headers['x-api-key'] === key
}

function sendModels(kind: UpstreamKind, { url = '', headers }: IncomingMessage, response: ServerResponse): void {
  const isList = /^\/v1\/models(\?|$)/.test(url)
  const answer = transcript(kind, isAuthorized(kind, headers) ? 'models whole' : 'unauthorized')
  response.writeHead(isList ? answer.status : 404, { 'content-type': 'application/json' })
  response.end(isList ? answer.body : '{}')
}

class FakeAnswer {
  readonly abandoned: Promise<void>
  readonly #kind: UpstreamKind
  readonly #options: FakeOptions
  readonly #response: ServerResponse
  #isComplete = false

  constructor(kind: UpstreamKind, options: FakeOptions, response: ServerResponse) {
    this.#kind = kind
    this.#options = options
    this.#response = response
    this.abandoned = new Promise((resolve) => {
      response.once('close', () => {
        if (!this.#isComplete) resolve()
      })
    })
  }

  async send(answer: Transcript): Promise<void> {
    const { hold } = this.#options
    if (hold === 'before-headers') return
    const body = Buffer.from(answer.body)
    const held = hold === undefined ? body : body.subarray(0, bytesBefore(answer, hold.events))
    const write = this.#open(answer)
    await writeInPieces(write, held, this.#options.cut ?? 'whole')
    if (hold !== undefined) return
    this.#isComplete = true
    if (this.#kind.isOldHttp) this.#response.socket?.end()
    else this.#response.end()
  }

  #open({ status, streamed }: Transcript): (piece: Buffer) => void {
    const { headers, refusalHeaders, eventStream, isOldHttp } = this.#kind
    const type = { 'content-type': streamed ? eventStream : 'application/json' }
    const all = { ...headers, ...(status === 200 ? {} : refusalHeaders), ...type }
    if (!isOldHttp) {
      this.#response.writeHead(status, all)
      this.#response.flushHeaders()
      return (piece) => void this.#response.write(piece)
    }
    const socket = this.#response.socket as Socket
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
    socket.write(`HTTP/1.0 ${status} ${status === 200 ? 'OK' : 'No'}\r\n${lines.join('')}\r\n`)
    return (piece) => void socket.write(piece)
  }
}

/** Of a stream its first events, of a whole answer half. */
function bytesBefore({ streamed, body }: Transcript, events: number): number {
  if (!streamed) return Buffer.byteLength(body) >> 1
  const frames = body.split('\n\n').slice(0, events)
  return Buffer.byteLength(frames.map((frame) => `${frame}\n\n`).join(''))
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of request.setEncoding('utf8')) text += piece
  return text
}
