import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  answerOf,
  ask,
  bothProtocols,
  refusalOf,
  type Scope,
  startPair,
  startRouted,
  targetIn,
  untilIdle,
  untilRouted,
} from '../support/routed-server.ts'
import { refuses, type ScriptedUpstream, says, startScriptedUpstream, waits } from '../support/scripted-upstream.ts'

async function startAlone(t: Scope, protocol: string, upstreamKeys = {}) {
  const upstream = await startScriptedUpstream(t)
  const server = await startRouted(t, {
    upstreams: [{ name: 'only', url: upstream.url, protocol, ...upstreamKeys }],
    models: [{ id: 'm', targets: [{ upstream: 'only' }] }],
  })
  return { upstream, server }
}

/** So many failures in a row open a breaker. */
const failuresMax = 10

async function failOften(server: { readonly url: string }, upstream: ScriptedUpstream): Promise<void> {
  for (let time = 0; time < failuresMax; time++) {
    await refusalOf(ask(server, { prompt: `failing ${time}` }))
    await upstream.nextRequest()
  }
}

for (const protocol of bothProtocols) {
  describe(`a breaker, ${protocol}`, { concurrency: true }, () => {
    it('opens after ten failures, lets one look after a while, and closes when that goes well', async (t) => {
      const { upstream, server } = await startAlone(t, protocol)
      upstream.otherwise = refuses(500)
      await failOften(server, upstream)
      const open = targetIn(await untilIdle(server), 'only/m')
      assert.equal(open.breaker, 'open')
      assert.ok(open.closedForMs > 0 && open.closedForMs <= 1000, `${open.closedForMs}`)
      assert.deepEqual([open.requests, open.failures, open.lastFailure], [failuresMax, failuresMax, 'upstream-failed'])

      const left = await refusalOf(ask(server))
      assert.deepEqual([left.status, left.headers.get('retry-after')], [502, '1'], 'as it failed last')
      assert.match(left.message, /left alone; try again in 1 s$/)
      assert.equal(upstream.requests.length, failuresMax, 'it was not asked')

      await untilRouted(server, (status) => targetIn(status, 'only/m').closedForMs === 0)
      upstream.otherwise = waits
      const probing = answerOf(server, { prompt: 'probe' })
      await untilRouted(server, (status) => targetIn(status, 'only/m').breaker === 'half-open')
      assert.match((await refusalOf(ask(server))).message, /left alone/, 'one looks, and no other')
      const probe = await upstream.nextRequest()
      assert.equal(upstream.requests.length, failuresMax + 1)
      probe.answer('well again')
      assert.equal((await probing).text, 'well again')
      const closed = targetIn(await untilIdle(server), 'only/m')
      assert.deepEqual([closed.breaker, closed.closedForMs], ['closed', 0])
      upstream.otherwise = says('hello')
      assert.equal((await answerOf(server)).text, 'hello')
    })

    it('opens for longer when whoever looked has failed, and a probe whose client leaves is given back', async (t) => {
      const { upstream, server } = await startAlone(t, protocol)
      upstream.otherwise = refuses(503)
      await failOften(server, upstream)
      await untilRouted(server, (status) => targetIn(status, 'only/m').closedForMs === 0)

      upstream.otherwise = waits
      const client = new AbortController()
      const left = ask(server, { signal: client.signal })
      const probe = await upstream.nextRequest()
      client.abort()
      await assert.rejects(left, { name: 'AbortError' })
      await probe.abandoned
      await untilIdle(server)

      upstream.otherwise = refuses(503, 'still down')
      assert.equal((await refusalOf(ask(server))).message, 'still down')
      assert.equal(upstream.requests.length, failuresMax + 2, 'the next one looked at once')
      const open = targetIn(await untilIdle(server), 'only/m')
      assert.equal(open.breaker, 'open')
      assert.ok(open.closedForMs > 1000, `${open.closedForMs}`)
    })

    for (const [status, why] of [
      [400, 'the fault of clients'],
      [404, 'an answer'],
      [429, 'a limit that works'],
    ] as const) {
      it(`stays closed whatever happens: ${status} is ${why}`, async (t) => {
        const { upstream, server } = await startAlone(t, protocol)
        upstream.otherwise = refuses(status)
        await failOften(server, upstream)
        await refusalOf(ask(server))
        assert.equal(targetIn(await untilIdle(server), 'only/m').breaker, 'closed')
        assert.equal(upstream.requests.length, failuresMax + 1)
      })
    }

    it('sends everybody to the next target while it is open', async (t) => {
      const { first, second, server } = await startPair(t, { protocol })
      first.otherwise = refuses(500)
      for (let time = 0; time < failuresMax; time++) await answerOf(server, { prompt: `${time}` })
      assert.equal(targetIn(await untilIdle(server), 'first/one').breaker, 'open')
      const { headers } = await answerOf(server, { prompt: 'more' })
      assert.equal(headers.get('x-headend-attempts'), '1')
      assert.deepEqual([first.requests.length, second.requests.length], [failuresMax, failuresMax + 1])
    })
  })
}

describe('a health check', { concurrency: true }, () => {
  for (const protocol of bothProtocols) {
    it(`keeps requests from an upstream that is down, and lets them in when it is up, ${protocol}`, async (t) => {
      const upstream = { health_interval: 20 }
      const { first, second, server } = await startPair(t, { protocol, upstream })
      assert.equal((await answerOf(server, { prompt: 'well' })).text, 'first')
      for (const [round, down] of [500, 503, 500].entries()) {
        first.models = down
        await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === false)
        assert.notEqual(targetIn(await untilIdle(server), 'first/one').breaker, 'closed')
        const prompt = `down ${round}`
        assert.equal((await answerOf(server, { prompt })).text, 'second')

        first.models = []
        await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === true)
        assert.equal((await answerOf(server, { prompt: `up ${round}`, stream: true })).text, 'first')
        assert.equal(targetIn(await untilIdle(server), 'first/one').breaker, 'closed')
      }
      assert.deepEqual([first.requests.length, second.requests.length], [4, 3])
      assert.equal(second.listings > 1, true)
    })

    it(`that nobody answers ends, ${protocol}`, async (t) => {
      const { upstream, server } = await startAlone(t, protocol, { health_interval: 20, timeouts: { first_byte: 50 } })
      upstream.models = 'hang'
      await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === false)
      assert.equal((await refusalOf(ask(server))).status, 529)
      upstream.models = []
      await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === true)
      assert.equal((await answerOf(server)).text, 'hello')
    })

    it(`is passed by servers without a list, ${protocol}`, async (t) => {
      const { upstream, server } = await startAlone(t, protocol, { health_interval: 20 })
      upstream.models = 404
      const { listings } = upstream
      await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === true && upstream.listings > listings + 1)
      assert.equal((await answerOf(server)).text, 'hello')
    })
  }

  it('while requests come and go: each is answered, by whoever is up', async (t) => {
    const { first, second, server } = await startPair(t, { upstream: { health_interval: 10 } })
    const outcomes: string[] = []
    for (let round = 0; round < 30; round++) {
      const isUp = round % 3 !== 0
      first.models = isUp ? [] : 500
      first.otherwise = isUp ? says('first') : refuses(503)
      const asked = [0, 1, 2].map((one) => answerOf(server, { prompt: `${round} ${one}`, stream: one > 0 }))
      for (const { text } of await Promise.all(asked)) outcomes.push(text)
    }
    assert.ok(outcomes.every((text) => text === 'first' || text === 'second'))
    assert.ok(second.requests.length >= 10, 'in every third round somebody found out')
    first.models = []
    const { listings } = first
    await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === true && first.listings > listings + 1)
    assert.equal((await answerOf(server, { prompt: 'in the end' })).text, 'first')
    await untilIdle(server)
  })
})
