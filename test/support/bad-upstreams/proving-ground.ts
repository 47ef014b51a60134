import type { TestContext } from 'node:test'
import { type BadUpstream, type Behaviour, type ReceivedRequest, respond, stream } from '../bad-upstream.ts'
import { type RunningServer, type ServerStatus, startServer, untilStatus } from '../running-server.ts'
import { type SseEvent, sseEventsOf } from '../sse-events.ts'
import { post } from '../upstream-cases.ts'
import { startMisbehaving, streamedAnswer, type Wording } from './misbehaving-upstream.ts'
import { deadlines, type Misbehaviour } from './misbehaviour.ts'

export type Form = 'streamed' | 'whole'
/** The bad upstream is the only target, or the first of two. */
export type Place = 'alone' | 'first'

export interface Question {
  readonly misbehaviour: Misbehaviour
  readonly form: Form
  readonly place: Place
}

/** What a client saw. */
export interface Seen {
  readonly status: number
  readonly headers: Headers
  /** Of a stream. */
  readonly events: readonly SseEvent[]
  /** Of anything else. */
  readonly body: Readonly<Record<string, unknown>>
}

/** A server of headend's in front of an upstream that behaves as badly as its table says, and of a good one. */
export interface ProvingGround {
  readonly server: RunningServer
  readonly bad: BadUpstream
  readonly good: BadUpstream
  ask(question: Question): Promise<Seen>
  /** Ends when nothing of a request is left in the server, nor of its connection; `kept`: but for an idle one, which is then closed. */
  settle(kept: boolean): Promise<void>
}

/** What the tests of bad upstreams look at in `/status`. */
export interface UpstreamStatus extends ServerStatus {
  readonly upstreams: readonly { readonly name: string; readonly connections: number; readonly up: boolean | null }[]
  readonly targets: readonly {
    readonly id: string
    readonly breaker: string
    readonly outstanding: number
    readonly lastFailure: string | null
  }[]
}

export async function openProvingGround(
  t: TestContext,
  say: Wording,
  table: readonly Misbehaviour[],
  flags: Readonly<Record<string, string>> = {},
): Promise<ProvingGround> {
  const questions = new Map(table.flatMap(questionsOf).map((question) => [modelOf(question), question]))
  let request: ReceivedRequest | null = null
  const bad = await startMisbehaving(t, (model) => (received) => {
    request = received
    caseOf(questions.get(model) as Question).behave(received)
  })
  const good = await startMisbehaving(t, () => answerWell(say))
  const config = configOf(say, bad.url, good.url, [...questions.values()])
  const server = await startServer({ upstreamRetries: '0', upstreamConcurrency: '1', ...flags }, {}, config)
  t.after(() => server.destroy())
  return {
    server,
    bad,
    good,
    async ask(question) {
      const response = await postQuestion(server.url, modelOf(question), question.form)
      return see(response, () => caseOf(question).goOn?.(request as ReceivedRequest))
    },
    async settle(kept) {
      if (!kept) await bad.allClosed()
      await untilIdle(server, kept ? 1 : 0)
      for (const socket of bad.sockets) socket.end()
      await untilIdle(server, 0)
    },
  }
}

/** @param connections that may stay open, to the upstreams that are not good */
export async function untilIdle(server: RunningServer, connections: number): Promise<UpstreamStatus> {
  const isIdle = (status: ServerStatus): boolean => {
    const { queue, upstreams, targets } = status as UpstreamStatus
    const open = upstreams
      .filter(({ name }) => name !== 'good')
      .reduce((sum, upstream) => sum + upstream.connections, 0)
    const outstanding = targets.reduce((sum, target) => sum + target.outstanding, 0)
    return queue.running === 0 && queue.waiting === 0 && outstanding === 0 && open === connections
  }
  return (await untilStatus(server, isIdle)) as UpstreamStatus
}

/** @param text of the prompt; a conversation, which its first message tells, goes back to the target that has answered it before */
export function postQuestion(url: string, model: string, form: Form, text = `Hi, ${form}`): Promise<Response> {
  const messages = [{ role: 'user', content: text }]
  return post(url, { model, max_tokens: 100, stream: form === 'streamed', messages })
}

/** @param onContent called once, at the first content of a stream */
export async function see(response: Response, onContent: () => void = () => {}): Promise<Seen> {
  const { status, headers } = response
  const isStream = headers.get('content-type')?.startsWith('text/event-stream') === true
  if (!isStream) return { status, headers, events: [], body: (await response.json()) as Seen['body'] }
  const events: SseEvent[] = []
  let hasContent = false
  for await (const event of sseEventsOf(response)) {
    events.push(event)
    if (event.type !== 'content_block_delta' || hasContent) continue
    hasContent = true
    onContent()
  }
  return { status, headers, events, body: {} }
}

export function questionsOf(misbehaviour: Misbehaviour): readonly Question[] {
  const forms = (['streamed', 'whole'] as const).filter((form) => misbehaviour[form] !== undefined)
  return forms.flatMap((form) => [
    { misbehaviour, form, place: 'alone' },
    { misbehaviour, form, place: 'first' },
  ])
}

export function caseOf({ misbehaviour, form }: Question) {
  const found = misbehaviour[form]
  if (found === undefined) throw new Error(`${misbehaviour.name}: never ${form}`)
  return found
}

/** Each question has a model of its own, and so a breaker of its own. */
export function modelOf({ misbehaviour, form, place }: Question): string {
  return `${misbehaviour.name}, ${form}, ${place}`
}

export function answerWell(say: Wording): Behaviour {
  return (request) => {
    const { stream: streams = false } = JSON.parse(request.body) as { readonly stream?: boolean }
    const better = (text: string): string => text.replace('Hello', 'Better')
    if (streams) stream([better(streamedAnswer(say))])(request)
    else respond(better(say.whole), ['content-type: application/json'])(request)
  }
}

function configOf({ protocol }: Wording, badUrl: string, goodUrl: string, questions: readonly Question[]): string {
  return JSON.stringify({
    upstreams: [
      ...Object.entries(deadlines).map(([name, timeouts]) => ({ name, url: badUrl, protocol, timeouts })),
      { name: 'good', url: goodUrl, protocol },
    ],
    models: questions.map((question) => ({
      id: modelOf(question),
      targets: [{ upstream: caseOf(question).deadline }, ...(question.place === 'first' ? [{ upstream: 'good' }] : [])],
    })),
  })
}
