import assert from 'node:assert/strict'
import { after, type TestContext } from 'node:test'
import { type RunningServer, startServer } from './running-server.ts'
import { type ScriptedUpstream, says, startScriptedUpstream } from './scripted-upstream.ts'
import { readSseEvents, type SseEvent } from './sse-events.ts'

/** As a config file has them. */
export interface Routing {
  readonly upstreams?: readonly object[]
  readonly models?: readonly object[]
  /** No retries unless a test is about them. */
  readonly flags?: Readonly<Record<string, unknown>>
  readonly env?: NodeJS.ProcessEnv
}

/** What ends what was opened, as a test's context does. */
export type Scope = Pick<TestContext, 'after'>

/** For what the tests of a suite share: it ends with the suite. */
export function suiteScope(): Scope {
  const ends: (() => unknown)[] = []
  after(async () => {
    for (const end of ends.reverse()) await end()
  })
  return { after: (end) => void ends.push(end as () => unknown) }
}

/** A whole server that ends with the test. */
export async function startRouted(
  t: Scope,
  { upstreams = [], models = [], flags = {}, env = {} }: Routing,
): Promise<RunningServer> {
  const file = JSON.stringify({ upstreams, models })
  const server = await startServer({ upstreamRetries: '0', ...flags }, env, file)
  t.after(() => server.destroy())
  return server
}

export interface Pair {
  readonly server: RunningServer
  /** Says `first`, unless it is told otherwise. */
  readonly first: ScriptedUpstream
  /** Says `second`. */
  readonly second: ScriptedUpstream
}

export interface PairOptions {
  readonly protocol?: 'openai' | 'anthropic'
  readonly flags?: Readonly<Record<string, unknown>>
  /** Further keys of both upstreams, and of the model. */
  readonly upstream?: object
  readonly model?: object
  /** Further keys of both targets. */
  readonly target?: object
}

/** A model `m` with the targets `first/one` and `second/two`. */
export async function startPair(t: Scope, options: PairOptions = {}): Promise<Pair> {
  const { protocol = 'openai', flags = {}, upstream = {}, model = {}, target = {} } = options
  const first = await startScriptedUpstream(t, { otherwise: says('first') })
  const second = await startScriptedUpstream(t, { otherwise: says('second') })
  const server = await startRouted(t, {
    flags,
    upstreams: [
      { name: 'first', url: first.url, protocol, ...upstream },
      { name: 'second', url: second.url, protocol, ...upstream },
    ],
    models: [
      {
        id: 'm',
        targets: [
          { upstream: 'first', model: 'one', ...target },
          { upstream: 'second', model: 'two', ...target },
        ],
        ...model,
      },
    ],
  })
  return { server, first, second }
}

export const bothProtocols = ['openai', 'anthropic'] as const

export interface Asking {
  readonly model?: string
  readonly prompt?: string
  readonly stream?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** In place of what is asked otherwise. */
  readonly body?: Readonly<Record<string, unknown>>
}

const patienceMs = 20_000

/** As curl would: nothing retries, follows or repairs. An answer that never ends is an error. */
export function ask({ url }: { readonly url: string }, asking: Asking = {}): Promise<Response> {
  const { model = 'm', prompt = 'hi', stream = false, headers = {}, body = {} } = asking
  const late = AbortSignal.timeout(patienceMs)
  const signal = asking.signal === undefined ? late : AbortSignal.any([asking.signal, late])
  const messages = [{ role: 'user', content: prompt }]
  return fetch(`${url}/v1/messages`, {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify({ model, max_tokens: 100, stream, messages, ...body }),
  })
}

export interface Answered {
  readonly status: number
  readonly headers: Headers
  readonly model: string
  readonly text: string
}

/** An answer that ended well, streamed or not. */
export async function readAnswer(response: Response): Promise<Answered> {
  const { status, headers } = response
  const body = await response.text()
  assert.equal(status, 200, body)
  if (!headers.get('content-type')?.startsWith('text/event-stream')) {
    const { model, content } = JSON.parse(body)
    return { status, headers, model, text: content.map(({ text = '' }) => text).join('') }
  }
  const events = readSseEvents(body)
  assert.equal(events.at(-1)?.type, 'message_stop', body)
  const start = events.find((event) => event.type === 'message_start')
  return { status, headers, model: start?.message.model ?? '', text: textOf(events) }
}

/** Asks, and reads an answer that ends well. */
export async function answerOf(server: { readonly url: string }, asking: Asking = {}): Promise<Answered> {
  return readAnswer(await ask(server, asking))
}

/** Of the text blocks of a stream, whole or not. */
export function textOf(events: readonly SseEvent[]): string {
  return events
    .map((event) => (event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : ''))
    .join('')
}

export interface Refused {
  readonly status: number
  readonly headers: Headers
  readonly type: string
  readonly message: string
}

/** A refusal before anything was sent, in the envelope of api-surface.md section 9. */
export async function refusalOf(asked: Promise<Response>): Promise<Refused> {
  const response = await asked
  const { status, headers } = response
  const body = JSON.parse(await response.text())
  assert.notEqual(status, 200)
  assert.equal(body.type, 'error')
  return { status, headers, type: body.error.type, message: body.error.message }
}

export interface RoutedStatus {
  readonly queue: { readonly running: number; readonly waiting: number }
  readonly upstreams: readonly { readonly name: string; readonly up: boolean | null; readonly connections: number }[]
  readonly targets: readonly {
    readonly id: string
    readonly breaker: 'closed' | 'open' | 'half-open'
    readonly closedForMs: number
    readonly outstanding: number
    readonly requests: number
    readonly failures: number
    readonly lastFailure: string | null
  }[]
}

/** Asks `/status` until it says so. */
export async function untilRouted(
  { url }: { readonly url: string },
  holds: (status: RoutedStatus) => boolean,
): Promise<RoutedStatus> {
  const lastMs = performance.now() + patienceMs
  for (;;) {
    const status = (await (await fetch(`${url}/status`)).json()) as RoutedStatus
    if (holds(status)) return status
    assert.ok(performance.now() < lastMs, `it never came to what the test waits for: ${JSON.stringify(status)}`)
  }
}

/** Nothing runs, waits or is asked. */
export function untilIdle(server: { readonly url: string }): Promise<RoutedStatus> {
  return untilRouted(
    server,
    ({ queue, targets }) =>
      queue.running === 0 && queue.waiting === 0 && targets.every(({ outstanding }) => outstanding === 0),
  )
}

export function targetIn({ targets }: RoutedStatus, id: string): RoutedStatus['targets'][number] {
  const target = targets.find((candidate) => candidate.id === id)
  assert.ok(target !== undefined, `${id} is not among ${targets.map((each) => each.id).join()}`)
  return target
}
