import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  answerOf,
  ask,
  bothProtocols,
  type Pair,
  type PairOptions,
  refusalOf,
  type Scope,
  startPair,
  targetIn,
  untilIdle,
} from '../support/routed-server.ts'
import { refuses, waits } from '../support/scripted-upstream.ts'

/** A second target is asked at once, more or less. */
function startHedged(t: Scope, options: PairOptions = {}): Promise<Pair> {
  return startPair(t, { model: { hedge_after: 1 }, ...options })
}

const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

for (const protocol of bothProtocols) {
  for (const stream of [false, true]) {
    describe(`a hedge, ${protocol}, ${stream ? 'streamed' : 'not streamed'}`, { concurrency: true }, () => {
      it('the second target answers for a silent first one, whose socket is closed', async (t) => {
        const { server, first, second } = await startHedged(t, { protocol })
        first.script(waits)
        const answer = await answerOf(server, { stream, headers: { traceparent } })
        assert.equal(answer.text, 'second')
        assert.equal(answer.headers.get('x-headend-target'), 'second/two')
        assert.equal(answer.headers.get('x-headend-attempts'), '2')
        const loser = await first.nextRequest()
        await loser.abandoned
        assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
        assert.equal(second.requests[0]?.headers.traceparent, traceparent)
        const status = await untilIdle(server)
        assert.deepEqual([targetIn(status, 'first/one').failures, targetIn(status, 'second/two').failures], [0, 0])
      })

      it('the first one answers after all, and the second socket is closed', async (t) => {
        const { server, first, second } = await startHedged(t, { protocol })
        const [early, late] = [first.hold(), second.hold()]
        const answered = answerOf(server, { stream })
        const [winner, loser] = await Promise.all([early, late])
        winner.answer('first', { 'x-request-id': 'of-the-first' })
        const { text, headers } = await answered
        assert.deepEqual([text, headers.get('x-headend-target')], ['first', 'first/one'])
        assert.equal(headers.get('x-upstream-request-id'), 'of-the-first')
        await loser.abandoned
        await untilIdle(server)
      })

      it('one that fails leaves the answer to the other', async (t) => {
        const { server, first, second } = await startHedged(t, { protocol })
        const [early, late] = [first.hold(), second.hold()]
        const answered = answerOf(server, { stream })
        const [winner, loser] = await Promise.all([early, late])
        loser.refuse(500, 'broken')
        winner.answer('first')
        assert.equal((await answered).text, 'first')
        const { failures } = targetIn(await untilIdle(server), 'second/two')
        assert.ok(failures <= 1, 'none, when it was beaten before its failure was read')
      })

      it('when both fail there is one error, and nobody is asked twice', async (t) => {
        const { server, first, second } = await startHedged(t, { protocol })
        const [early, late] = [first.hold(), second.hold()]
        const refused = refusalOf(ask(server, { stream }))
        const both = await Promise.all([early, late])
        both[1].refuse(429, 'second is limited')
        both[0].refuse(529, 'first is busy')
        const { status, message } = await refused
        assert.deepEqual([status, message], [529, 'first is busy'])
        assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
        await untilIdle(server)
      })

      it('a client that leaves closes both sockets', async (t) => {
        const { server, first, second } = await startHedged(t, { protocol })
        const [early, late] = [first.hold(), second.hold()]
        const client = new AbortController()
        const left = ask(server, { stream, signal: client.signal })
        const both = await Promise.all([early, late])
        client.abort()
        await assert.rejects(left, { name: 'AbortError' })
        await Promise.all(both.map(({ abandoned }) => abandoned))
        const { targets } = await untilIdle(server)
        for (const { failures, breaker } of targets) assert.deepEqual([failures, breaker], [0, 'closed'])
        assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
      })
    })
  }
}

describe('no hedge', { concurrency: true }, () => {
  it('where the first target begins in time', async (t) => {
    const { server, second } = await startHedged(t, { model: { hedge_after: '1h' } })
    assert.equal((await answerOf(server)).text, 'first')
    assert.equal(second.requests.length, 0)
  })

  it('beyond the budget of retries: an upstream that is slow is not asked twice for everything', async (t) => {
    const { server, first, second } = await startHedged(t)
    first.otherwise = waits
    second.otherwise = waits
    const client = new AbortController()
    const count = 30
    const left = Array.from({ length: count }, (_, index) =>
      ask(server, { prompt: `${index}`, signal: client.signal }).catch((cause: Error) => cause.name),
    )
    while (first.requests.length < count) await first.nextRequest()
    while (second.requests.length < 10) await second.nextRequest()
    client.abort()
    assert.deepEqual([...new Set(await Promise.all(left))], ['AbortError'])
    await untilIdle(server)
    assert.ok(second.requests.length <= 16, `${second.requests.length}`)
  })

  it('without a second target that is fit', async (t) => {
    const { server, first, second } = await startHedged(t)
    first.otherwise = refuses(500)
    second.otherwise = refuses(500)
    for (let time = 0; time < 10; time++) await refusalOf(ask(server, { prompt: `${time}` }))
    const { targets } = await untilIdle(server)
    assert.ok(targets.every(({ breaker }) => breaker === 'open'))
    assert.match((await refusalOf(ask(server))).message, /left alone/)
  })
})
