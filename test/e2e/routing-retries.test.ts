import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { closedPort } from '../support/bad-upstream.ts'
import {
  answerOf,
  ask,
  bothProtocols,
  refusalOf,
  startPair,
  startRouted,
  targetIn,
  untilIdle,
  untilRouted,
} from '../support/routed-server.ts'
import {
  type Answer,
  cuts,
  refuses,
  type ScriptedRequest,
  startScriptedUpstream,
  waits,
} from '../support/scripted-upstream.ts'

/** One upstream, alone. */
async function startAlone(t: Parameters<typeof startRouted>[0], retries: number, protocol = 'openai') {
  const upstream = await startScriptedUpstream(t)
  const server = await startRouted(t, {
    flags: { upstreamRetries: `${retries}` },
    upstreams: [{ name: 'only', url: upstream.url, protocol }],
    models: [{ id: 'm', targets: [{ upstream: 'only' }] }],
  })
  return { upstream, server }
}

for (const protocol of bothProtocols) {
  describe(`an upstream is asked again, ${protocol}`, { concurrency: true }, () => {
    const passing: readonly (readonly [why: string, answer: Answer])[] = [
      ['503', refuses(503)],
      ['500', refuses(500)],
      ['408', refuses(408)],
      ['429', refuses(429)],
      ['a connection that is closed', cuts],
      ['a stream that ends before any content', (request) => request.begin().cut()],
    ]
    for (const [why, failure] of passing) {
      it(`after ${why}`, async (t) => {
        const { upstream, server } = await startAlone(t, 2, protocol)
        upstream.script(failure, failure)
        const { text, headers } = await answerOf(server, { stream: true })
        assert.deepEqual([text, headers.get('x-headend-attempts')], ['hello', '3'])
        const [first, ...more] = upstream.requests
        assert.equal(more.length, 2)
        for (const { body } of more) assert.deepEqual(body, first?.body, 'with the same question')
        const only = targetIn(await untilIdle(server), 'only/m')
        assert.deepEqual([only.requests, only.failures, only.breaker], [3, 2, 'closed'])
      })
    }

    it('no more often than --upstream-retries says, and the last refusal is the answer', async (t) => {
      const { upstream, server } = await startAlone(t, 1, protocol)
      upstream.script(refuses(503, 'first'), refuses(429, 'second', { 'retry-after': '9' }))
      const { status, message, headers } = await refusalOf(ask(server))
      assert.deepEqual([status, message, headers.get('retry-after')], [429, 'second', '9'])
      assert.equal(upstream.requests.length, 2)
    })

    for (const status of [400, 401, 404, 413]) {
      it(`not after ${status}, which would come again`, async (t) => {
        const { upstream, server } = await startAlone(t, 2, protocol)
        upstream.otherwise = refuses(status)
        await refusalOf(ask(server))
        assert.equal(upstream.requests.length, 1)
      })
    }

    it('no sooner than it says itself', async (t) => {
      const { upstream, server } = await startAlone(t, 2, protocol)
      let refusedAtMs = 0
      upstream.script((request) => {
        refusedAtMs = performance.now()
        request.refuse(429, 'in a second', { 'retry-after': '1' })
      })
      const answered = answerOf(server)
      await upstream.nextRequest()
      await upstream.nextRequest()
      // The one promise about time that is made to others; a timer may be a millisecond early.
      assert.ok(performance.now() - refusedAtMs > 990)
      assert.equal((await answered).text, 'hello')
    })

    it('not at all when it wants to be left alone for long: its client learns for how long', async (t) => {
      const { upstream, server } = await startAlone(t, 2, protocol)
      upstream.script(refuses(429, 'in a minute', { 'retry-after': '60' }))
      const { status, message, headers } = await refusalOf(ask(server))
      assert.deepEqual([status, message, headers.get('retry-after')], [429, 'in a minute', '60'])
      assert.equal(upstream.requests.length, 1)
    })
  })
}

describe('retries', { concurrency: true }, () => {
  for (const protocol of bothProtocols) {
    it(`of a request that met a connection just closed as idle are nobody's affair, ${protocol}`, async (t) => {
      const { upstream, server } = await startAlone(t, 0, protocol)
      await answerOf(server, { prompt: 'opens a connection' })
      upstream.script((request) => request.cut())
      const { text, headers } = await answerOf(server, { prompt: 'meets its end', stream: true })
      assert.deepEqual([text, headers.get('x-headend-attempts')], ['hello', '1'])
      const only = targetIn(await untilIdle(server), 'only/m')
      assert.deepEqual([only.requests, only.failures, upstream.requests.length], [2, 0, 3])
    })
  }

  it('of a connection that is refused', async (t) => {
    const port = await closedPort()
    const server = await startRouted(t, {
      flags: { upstreamRetries: '2' },
      upstreams: [{ name: 'late', url: `http://127.0.0.1:${port}` }],
      models: [{ id: 'm', targets: [{ upstream: 'late' }] }],
    })
    const answered = answerOf(server)
    await untilRouted(server, ({ targets }) => targets[0]?.failures === 1)
    await startScriptedUpstream(t, { port })
    assert.equal((await answered).text, 'hello')
  })

  it('come after every target was asked once, and not before', async (t) => {
    const { first, second, server } = await startPair(t, { flags: { upstreamRetries: '1' } })
    const order: string[] = []
    const fail = (name: string) => (request: ScriptedRequest) => {
      order.push(name)
      request.refuse(503, 'no')
    }
    first.otherwise = fail('first')
    second.otherwise = fail('second')
    const { status, headers } = await refusalOf(ask(server))
    assert.deepEqual([status, headers.get('x-headend-attempts')], [529, '4'])
    assert.deepEqual(order.slice(0, 2), ['first', 'second'])
    assert.deepEqual(order.toSorted(), ['first', 'first', 'second', 'second'])
  })

  it('are a share of the load: when everything fails, most requests are sent once', async (t) => {
    const { upstream, server } = await startAlone(t, 2)
    upstream.otherwise = waits
    const count = 30
    const refused = Array.from({ length: count }, (_, index) => refusalOf(ask(server, { prompt: `${index}` })))
    const requests: ScriptedRequest[] = []
    while (requests.length < count) requests.push(await upstream.nextRequest())
    upstream.otherwise = refuses(429)
    for (const request of requests) request.refuse(429, 'no')
    for (const { status } of await Promise.all(refused)) assert.equal(status, 429)
    // Ten are saved up, and nothing is earned meanwhile but one in ten seconds; unlimited, it would be 60.
    const retries = upstream.requests.length - count
    assert.ok(retries >= 10 && retries <= 13, `${retries}`)
  })
})
