import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { startBadUpstream } from '../support/bad-upstream.ts'
import {
  answerOf,
  ask,
  bothProtocols,
  type Pair,
  refusalOf,
  type Scope,
  startPair,
  startRouted,
  textOf,
  untilIdle,
} from '../support/routed-server.ts'
import { type Answer, type ScriptedRequest, says, startScriptedUpstream, waits } from '../support/scripted-upstream.ts'
import { readSseEvents, sseEventsOf } from '../support/sse-events.ts'

type Deadline = 'first_byte' | 'idle' | 'total'

/** Short, and long enough for the list of models, which is asked for with the same deadlines: who misses it is not asked first. */
const deadlineMs = 300

/** The first upstream has a short deadline, the second has none to speak of. */
async function startShort(t: Scope, protocol: string, deadline: Deadline, alone = false): Promise<Pair> {
  const [first, second] = await Promise.all([
    startScriptedUpstream(t),
    startScriptedUpstream(t, { otherwise: says('second') }),
  ])
  const targets = [{ upstream: 'first' }, { upstream: 'second' }]
  const server = await startRouted(t, {
    upstreams: [
      { name: 'first', url: first.url, protocol, timeouts: { [deadline]: deadlineMs } },
      { name: 'second', url: second.url, protocol },
    ],
    models: [{ id: 'm', targets: alone ? targets.slice(0, 1) : targets }],
  })
  return { server, first, second }
}

/** Headers that leave at once, and half of a body. */
const halfOfAWholeAnswer: Answer = ({ response }) => {
  response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":')
}
const headersOnly: Answer = ({ response }) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()
}
const beforeContent: Answer = (request) => void request.begin()
const amidContent: Answer = (request) => void request.begin().say('some')

for (const protocol of bothProtocols) {
  describe(`deadlines, ${protocol}`, { concurrency: 4 }, () => {
    const cases: readonly (readonly [deadline: Deadline, stream: boolean, answer: Answer, words: RegExp])[] = [
      ['first_byte', true, waits, /not begun to answer within 300 ms/],
      ['first_byte', false, waits, /not begun to answer within 300 ms/],
      ['first_byte', true, headersOnly, /not begun to answer within 300 ms/],
      ['idle', true, beforeContent, /fell silent for 300 ms/],
      ['idle', false, halfOfAWholeAnswer, /fell silent for 300 ms/],
      ['total', true, beforeContent, /not finished its answer within 300 ms/],
      ['total', false, halfOfAWholeAnswer, /not finished its answer within 300 ms/],
      ['total', false, waits, /not finished its answer within 300 ms/],
    ]
    for (const [index, [deadline, stream, answer, words]] of cases.entries()) {
      const name = `${deadline}, ${stream ? 'streamed' : 'not streamed'}, case ${index + 1}`
      it(`${name}: 504, and the socket is closed`, async (t) => {
        const { server, first } = await startShort(t, protocol, deadline, true)
        first.script(answer)
        const { status, type, message } = await refusalOf(ask(server, { stream }))
        assert.deepEqual([status, type], [504, 'timeout_error'])
        assert.match(message, words)
        await (await first.nextRequest()).abandoned
        await untilIdle(server)
      })

      it(`${name}: the next target answers`, async (t) => {
        const { server, first } = await startShort(t, protocol, deadline)
        first.script(answer)
        assert.equal((await answerOf(server, { stream })).text, 'second')
        await (await first.nextRequest()).abandoned
      })
    }

    for (const deadline of ['idle', 'total'] as const) {
      it(`${deadline}, amid content: an error event, and nobody else is asked`, async (t) => {
        const { server, first, second } = await startShort(t, protocol, deadline)
        first.script(amidContent)
        const events = readSseEvents(await (await ask(server, { stream: true })).text())
        assert.equal(textOf(events), 'some')
        const last = events.at(-1)
        assert.ok(last?.type === 'error')
        assert.equal(last.error.type, 'timeout_error')
        await (await first.nextRequest()).abandoned
        await untilIdle(server)
        assert.equal(second.requests.length, 0)
      })
    }
  })
}

describe('the deadline of a connection', { concurrency: 4 }, () => {
  for (const protocol of bothProtocols) {
    it(`502, or the next target, ${protocol}`, async (t) => {
      // It takes connections and never speaks TLS, which is a part of connecting.
      const silent = await startBadUpstream(t)
      const second = await startScriptedUpstream(t, { otherwise: says('second') })
      const url = silent.url.replace('http:', 'https:')
      const server = await startRouted(t, {
        upstreams: [
          { name: 'silent', url, protocol, timeouts: { connect: deadlineMs } },
          { name: 'second', url: second.url, protocol },
        ],
        models: [
          { id: 'm', targets: [{ upstream: 'silent' }, { upstream: 'second' }] },
          { id: 'alone', targets: [{ upstream: 'silent' }] },
        ],
      })
      const { status, type, message } = await refusalOf(ask(server, { model: 'alone' }))
      assert.deepEqual([status, type], [502, 'api_error'])
      assert.equal(message, 'Upstream silent cannot be reached: no connection within 300 ms')
      assert.equal((await answerOf(server, { stream: true })).text, 'second')
      await silent.allClosed()
    })
  }
})

describe('--commit-after-ms: a stream that waits long', { concurrency: 4 }, () => {
  const flags = { commitAfterMs: '1', pingIntervalMs: '5' }

  /** Asked and not answered, and two pings later. */
  async function startPinged(t: Scope, protocol: 'openai' | 'anthropic') {
    const pair = await startPair(t, { protocol, flags })
    const arriving = pair.first.hold()
    const response = await ask(pair.server, { stream: true })
    assert.equal(response.status, 200)
    const events = sseEventsOf(response)
    for (const _ of [1, 2]) assert.equal((await events.next()).value?.type, 'ping')
    const rest = async () => {
      const all = []
      for await (const event of events) if (event.type !== 'ping') all.push(event)
      return all
    }
    return { ...pair, request: (await arriving) as ScriptedRequest, rest }
  }

  for (const protocol of bothProtocols) {
    it(`begins with pings, and is answered then, ${protocol}`, async (t) => {
      const { request, rest } = await startPinged(t, protocol)
      request.answer('first')
      const events = await rest()
      assert.equal(textOf(events), 'first')
      assert.deepEqual([events[0]?.type, events.at(-1)?.type], ['message_start', 'message_stop'])
    })

    it(`falls over to the next target all the same, ${protocol}`, async (t) => {
      const { request, rest, server } = await startPinged(t, protocol)
      request.refuse(503, 'busy')
      const events = await rest()
      assert.equal(textOf(events), 'second')
      assert.equal(events.filter(({ type }) => type === 'message_start').length, 1)
      assert.equal(events.at(-1)?.type, 'message_stop')
      await untilIdle(server)
    })

    for (const [status, type] of [
      [429, 'rate_limit_error'],
      [529, 'overloaded_error'],
      [400, 'invalid_request_error'],
    ] as const) {
      it(`gets an error as an event, ${status}, ${protocol}`, async (t) => {
        const { request, second, rest } = await startPinged(t, protocol)
        second.otherwise = (other) => other.refuse(status, 'no')
        request.refuse(status, 'no')
        const events = await rest()
        assert.deepEqual(
          events.map((event) => (event.type === 'error' ? [event.error.type, event.error.message] : event.type)),
          [[type, 'no']],
        )
      })
    }
  }
})
