import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  ask,
  bothProtocols,
  type Pair,
  readAnswer,
  type Scope,
  startPair,
  textOf,
  untilRouted,
} from '../support/routed-server.ts'
import { transports } from '../support/running-server.ts'
import { refuses, type ScriptedRequest } from '../support/scripted-upstream.ts'
import { readSseEvents } from '../support/sse-events.ts'

/** A stream whose first words are with the client. */
async function startStream(t: Scope, protocol: 'openai' | 'anthropic', flags: object) {
  const pair = await startPair(t, { protocol, flags: { ...flags } })
  const arriving = pair.first.hold()
  const responding = ask(pair.server, { stream: true })
  const request = await arriving
  request.begin().say('some')
  return { ...pair, request, response: await responding }
}

for (const transport of await transports()) {
  for (const protocol of bothProtocols) {
    describe(`a server that stops, ${protocol}, over ${transport}`, { concurrency: 4 }, () => {
      it('lets a running stream of an upstream end, and takes no new requests', async (t) => {
        const { server, request, response } = await startStream(t, protocol, { transport })
        const drained = server.drain()
        await assert.rejects(fetch(`${server.url}/health`, { headers: { connection: 'close' } }))
        request.end()
        const { text } = await readAnswer(response)
        assert.equal(text, 'some')
        await drained
      })

      it('lets a request end that waits for its first byte', async (t) => {
        const { server, first } = await startPair(t, { protocol, flags: { transport } })
        const arriving = first.hold()
        const responding = ask(server, { stream: false })
        const request = await arriving
        const drained = server.drain()
        request.answer('at last')
        assert.equal((await readAnswer(await responding)).text, 'at last')
        await drained
      })

      it('lets a request go on to the next target', async (t) => {
        const { server, first } = await startPair(t, { protocol, flags: { transport } })
        const arriving = first.hold()
        const responding = ask(server, { stream: true })
        const request = await arriving
        const drained = server.drain()
        request.refuse(503, 'no')
        assert.equal((await readAnswer(await responding)).text, 'second')
        await drained
      })

      it('ends what is left after --drain-timeout-ms with an error event, and lets its upstream go', async (t) => {
        const flags = { transport, drainTimeoutMs: '50' }
        const { server, request, response } = await startStream(t, protocol, flags)
        const drained = server.drain()
        const events = readSseEvents(await response.text())
        assert.equal(textOf(events), 'some')
        const last = events.at(-1)
        assert.ok(last?.type === 'error')
        assert.equal(last.error.type, 'overloaded_error')
        await request.abandoned
        await drained
      })

      it('that is ended at once closes both sides of every request', async (t) => {
        const { server, request, response, first, second } = await startStream(t, protocol, { transport })
        const waiting = first.hold()
        const silent = ask(server, { prompt: 'silent' }).then((other) => other.text())
        const other: ScriptedRequest = await waiting
        const ends = Promise.all([
          assert.rejects(response.text()),
          assert.rejects(silent),
          request.abandoned,
          other.abandoned,
        ])
        await server.destroy()
        await ends
        assert.equal(second.requests.length, 0, 'nobody is asked for clients that are gone')
      })

      it('ends a pause before a retry, too', async (t) => {
        const flags = { transport, upstreamRetries: '2', drainTimeoutMs: '50' }
        const { server, first, second }: Pair = await startPair(t, { protocol, flags })
        first.otherwise = refuses(429, 'no', { 'retry-after': '9' })
        second.otherwise = refuses(429, 'no', { 'retry-after': '9' })
        const responding = ask(server)
        await untilRouted(
          server,
          ({ targets }) => targets.length === 2 && targets.every(({ failures, outstanding }) => failures > outstanding),
        )
        await server.drain()
        assert.equal((await responding).status, 503)
        assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
      })
    })
  }
}
