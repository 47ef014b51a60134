/**
 * An upstream that costs next to nothing: every answer is made before the first request, and a request is searched for its model's
 * name instead of being parsed. It speaks chat completions and Messages; the name of the model says how it answers (scenarios.ts).
 * `GET /counts` tells what it saw. Writes `{"url"}` once it listens.
 */
import uws, { type HttpRequest, type HttpResponse } from 'uWebSockets.js'
import { type Answer, buildAnswers, type Dialect } from './mock-answers.ts'
import { scenarioNames } from './scenarios.ts'

export interface MockCounts {
  /** Come whole, body included. */
  readonly requests: number
  /** Answers under way. */
  readonly open: number
  /** Their connection was closed before they had ended. */
  readonly aborted: number
  /** Of streams. */
  readonly bytesWritten: number
}

const counts = { requests: 0, open: 0, aborted: 0, bytesWritten: 0 }
const silent = new Set<Reply>()
const marker = Buffer.from('"model":"')
const nameBytesMax = 32

class Reply {
  readonly #response: HttpResponse
  readonly #answer: Answer
  #written = 0
  #isReset = false
  #timer: NodeJS.Timeout | null = null

  constructor(response: HttpResponse, answer: Answer) {
    this.#response = response
    this.#answer = answer
    counts.requests++
    counts.open++
  }

  start(): void {
    const { headerDelayMs } = this.#answer.scenario
    if (headerDelayMs === 0) this.#begin()
    else if (headerDelayMs !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(this.#begin, headerDelayMs)
  }

  aborted(): void {
    this.#close()
    if (!this.#isReset) counts.aborted++
  }

  release(): void {
    this.#response.cork(() => this.#end(this.#answer.end))
  }

  readonly #begin = (): void => {
    const { scenario, status, contentType, writes, end } = this.#answer
    const isUnpaced = scenario.gapMs === 0
    this.#response.cork(() => {
      this.#response.writeStatus(status).writeHeader('content-type', contentType)
      if (writes.length === 0) this.#end(end)
      else if (isUnpaced) this.#writeAll()
      else this.#writeOne()
    })
    if (this.#written === writes.length) return
    if (isUnpaced) this.#response.onWritable(() => this.#writeAll())
    else this.#timer = setInterval(this.#tick, scenario.gapMs)
  }

  readonly #tick = (): void => {
    this.#response.cork(this.#corked)
  }

  readonly #corked = (): void => {
    this.#writeOne()
  }

  /** Tells whether the socket took it all. */
  #writeOne(): boolean {
    const { writes } = this.#answer
    const bytes = writes[this.#written++] as Buffer
    counts.bytesWritten += bytes.length
    const isTaken = this.#response.write(bytes)
    if (this.#written === writes.length) this.#finish()
    return isTaken
  }

  #writeAll(): boolean {
    const { length } = this.#answer.writes
    while (this.#written < length && this.#writeOne()) {}
    return true // what uWebSockets.js expects of a handler that has used its turn
  }

  #finish(): void {
    const { scenario, end } = this.#answer
    if (scenario.ending === 'silent') silent.add(this)
    else if (scenario.ending === 'reset') this.#reset()
    else this.#end(end)
  }

  #reset(): void {
    this.#isReset = true
    setImmediate(() => this.#response.close()) // outside of the cork, so that the events do leave
  }

  #end(body: Buffer): void {
    this.#close()
    if (body.length === 0) this.#response.end()
    else this.#response.end(body)
  }

  #close(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    silent.delete(this)
    counts.open--
  }
}

const app = uws.App()
app.post('/v1/chat/completions', serve('openai'))
app.post('/v1/messages', serve('anthropic'))
app.get('/v1/models', (response) => {
  const data = scenarioNames.map((id) => ({ id, object: 'model', type: 'model', display_name: id, owned_by: 'mock' }))
  response
    .writeHeader('content-type', 'application/json')
    .end(JSON.stringify({ object: 'list', data, has_more: false }))
})
app.get('/counts', (response) => {
  response.end(JSON.stringify(counts satisfies MockCounts))
})
app.post('/release', (response) => {
  for (const reply of silent) reply.release()
  response.end()
})
app.any('/*', (response) => {
  response.writeStatus('404 Not Found').end()
})
app.listen('127.0.0.1', 0, (socket) => {
  if (socket === false) throw new Error('the mock cannot listen')
  console.log(JSON.stringify({ url: `http://127.0.0.1:${uws.us_socket_local_port(socket as never)}` }))
})

function serve(dialect: Dialect): (response: HttpResponse, request: HttpRequest) => void {
  const answers = buildAnswers(dialect)
  return (response) => {
    let answer: Answer | null = null
    let reply: Reply | null = null
    let tail: Buffer = Buffer.alloc(0) // a name may lie across two pieces
    response.onAborted(() => reply?.aborted())
    response.onData((piece, isLast) => {
      if (answer === null) {
        tail = tail.length === 0 ? Buffer.from(piece) : Buffer.concat([tail, Buffer.from(piece)])
        answer = answers.get(modelName(tail)) ?? null
        if (answer === null && !isLast) tail = Buffer.from(tail.subarray(-marker.length - nameBytesMax))
      }
      if (!isLast) return
      if (answer === null) {
        response.writeStatus('404 Not Found').end('the mock has no such model')
        return
      }
      reply = new Reply(response, answer)
      reply.start()
    })
  }
}

function modelName(body: Buffer): string {
  const start = body.indexOf(marker) + marker.length
  if (start < marker.length) return ''
  const end = body.indexOf(0x22, start)
  return end === -1 ? '' : body.toString('latin1', start, end)
}
