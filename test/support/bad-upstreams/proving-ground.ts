import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { type BadUpstream, type ReceivedRequest, respond, stream } from '../bad-upstream.ts'
import { type RunningServer, type ServerStatus, startServer, untilStatus } from '../running-server.ts'
import { readSseEvents, type SseEvent, sseEventsOf } from '../sse-events.ts'
import { post } from '../upstream-cases.ts'
import { type Case, deadlines, type Misbehaviour } from './misbehaviour.ts'
import { startMisbehaving, streamedAnswer, type Wording } from './misbehaving-upstream.ts'

export const forms = ['streamed', 'whole'] as const
/** The bad upstream is the only target, or the first of two. */
export const places = ['alone', 'first'] as const

export type Form = (typeof forms)[number]
export type Place = (typeof places)[number]

/** A server of headend's in front of an upstream that does what a table says, and a good one. */
export interface ProvingGround {
  readonly server: RunningServer
  readonly bad: BadUpstream
  readonly good: BadUpstream
  /** Asks for the model that brings a case about. */
  ask(name: string, form: Form, place: Place): Promise<Seen>
  /** Waits until nothing of the requests is left, at most the one connection that may be used again. */
  settle(kept: boolean): Promise<void>
}

/** What a client saw. */
export interface Seen {
  readonly status: number
  readonly headers: Headers
  /** Of an answer that is not streamed. */
  readonly body: Readonly<Record<string, unknown>> | null
  readonly events: readonly SseEvent[]
}

interface FullStatus extends ServerStatus {
  readonly upstreams: readonly { readonly name: string; readonly connections: number }[]
  readonly targets: readonly { readonly id: string; readonly outstanding: number; readonly breaker: string }[]
}

export async function openProvingGround(
  t: TestContext,
  say: Wording,
  table: readonly Misbehaviour[],
  flags: Readonly<Record<string, string>>,
): Promise<ProvingGround> {
  const cases = new Map(table.flatMap(entriesOf))
  const going: ReceivedRequest[] = []
  const bad = await startMisbehaving(t, (model) => (request) => {
    going.push(request)
    caseOf(cases, model).behave(request)
  })
  const good = await startMisbehaving(t, () => (request) => answerWell(request, say))
  const server = await startServer(
    { upstreamRetries: '0', upstreamConcurrency: '1', ...flags },
    {},
    JSON.stringify(configOf(say, bad, good, cases)),
  )
  t.after(() => server.destroy())

  return {
    server,
    bad,
    good,
    async ask(name, form, place) {
      const model = `${name}, ${form}, ${place}`
      const response = await post(server.url, {
        model,
        max_tokens: 100,
        stream: form === 'streamed',
        messages: [{ role: 'user', content: 'Hi' }],
      })
      return see(response, () => caseOf(cases, model).goOn?.(going.at(-1) as ReceivedRequest))
    },
    async settle(kept) {
      if (!kept) await bad.allClosed()
    },
  }
}
