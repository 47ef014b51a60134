import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Asking,
  answerOf,
  ask,
  bothProtocols,
  startPair,
  startRouted,
  targetIn,
  untilIdle,
  untilRouted,
} from '../support/routed-server.ts'
import { transports } from '../support/running-server.ts'
import { type Answer, refuses, startScriptedUpstream, waits } from '../support/scripted-upstream.ts'

const half: Answer = (request) => {
  if (request.body.stream === true) request.begin().say('some')
  else request.response.writeHead(200, { 'content-type': 'application/json' }).write('{"id":')
}

const places: readonly (readonly [place: string, answer: Answer])[] = [
  ['before the first byte', waits],
  ['behind the first byte', half],
]

/** Asks, and reads until it is made to leave. */
async function askUntil(server: { readonly url: string }, asking: Asking): Promise<string> {
  return (await ask(server, asking)).text()
}

for (const transport of await transports()) {
  for (const protocol of bothProtocols) {
    describe(`a client that leaves, ${protocol}, over ${transport}`, { concurrency: 4 }, () => {
      for (const stream of [false, true]) {
        for (const [place, answer] of places) {
          it(`${stream ? 'streamed' : 'not streamed'}, ${place}: the upstream is let go, nobody else asked`, async (t) => {
            const pair = await startPair(t, { protocol, flags: { transport, upstreamRetries: '2' } })
            const { server, first, second } = pair
            first.script(answer)
            const client = new AbortController()
            const left = askUntil(server, { stream, signal: client.signal })
            const request = await first.nextRequest()
            client.abort()
            await assert.rejects(left, { name: 'AbortError' })
            await request.abandoned
            const target = targetIn(await untilIdle(server), 'first/one')
            assert.deepEqual([target.failures, target.breaker], [0, 'closed'])
            await untilRouted(server, ({ upstreams }) => upstreams.every(({ connections }) => connections <= 1))
            // The next client is served, and the one that left is not served behind it.
            assert.equal((await answerOf(server, { stream })).text, 'first')
            assert.deepEqual([first.requests.length, second.requests.length], [2, 0])
          })
        }

        it(`${stream ? 'streamed' : 'not streamed'}, from the queue: the upstream never hears of it`, async (t) => {
          const { server, first } = await startPair(t, { protocol, flags: { transport, upstreamConcurrency: '1' } })
          const arriving = first.hold()
          const held = answerOf(server, { prompt: 'held' })
          const request = await arriving
          const client = new AbortController()
          const left = askUntil(server, { stream, prompt: 'left', signal: client.signal })
          await untilRouted(server, ({ queue }) => queue.waiting === 1)
          client.abort()
          await assert.rejects(left, { name: 'AbortError' })
          await untilRouted(server, ({ queue }) => queue.waiting === 0)
          request.answer('held')
          assert.equal((await held).text, 'held')
          assert.equal((await answerOf(server, { stream, prompt: 'next' })).text, 'first')
          assert.equal(first.requests.length, 2)
        })
      }
    })
  }
}

describe('a client that leaves while a retry waits for its time', { concurrency: true }, () => {
  for (const [protocol, stream] of [
    ['openai', true],
    ['anthropic', false],
  ] as const) {
    it(`a retry is not sent, ${protocol}, ${stream ? 'streamed' : 'not streamed'}`, async (t) => {
      const upstream = await startScriptedUpstream(t)
      const server = await startRouted(t, {
        flags: { upstreamRetries: '3' },
        upstreams: [{ name: 'only', url: upstream.url, protocol }],
        models: [{ id: 'm', targets: [{ upstream: 'only' }] }],
      })
      upstream.otherwise = refuses(429)
      const client = new AbortController()
      const left = askUntil(server, { stream, prompt: 'left', signal: client.signal })
      await untilRouted(server, ({ targets }) => targets[0]?.failures === 1 && targets[0].outstanding === 0)
      client.abort()
      await assert.rejects(left, { name: 'AbortError' })

      // Its retry would have come before the third of somebody who asks now, as a pause is 250 to 750 ms at first.
      await (await ask(server, { stream, prompt: 'stays' })).text()
      const prompts = upstream.requests.map(({ body }) => JSON.stringify(body.messages))
      assert.equal(prompts.length, 5)
      assert.equal(prompts.filter((prompt) => prompt.includes('left')).length, 1)
      await untilIdle(server)
    })
  }
})
