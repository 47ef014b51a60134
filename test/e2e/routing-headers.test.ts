import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  answerOf,
  ask,
  bothProtocols,
  readAnswer,
  refusalOf,
  startPair,
  startRouted,
  untilIdle,
} from '../support/routed-server.ts'
import { transports } from '../support/running-server.ts'
import { refuses, says, startScriptedUpstream } from '../support/scripted-upstream.ts'

const trace = {
  traceparent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  tracestate: 'vendor=1,other=2',
}

/** Some would end a header, some no header may hold, some are written otherwise. */
const names = ['a\r\nset-cookie: a=b', '模型', 'tab\there', 'é', '\u0000', '\u{1f600}', 'ends in space ', '%']

for (const transport of await transports()) {
  for (const protocol of bothProtocols) {
    describe(`headers, ${protocol}, over ${transport}`, { concurrency: 4 }, () => {
      for (const stream of [false, true]) {
        const how = stream ? 'streamed' : 'not streamed'
        const limit = { 'anthropic-ratelimit-requests-remaining': '0', 'retry-after': '3' }

        it(`of an answer tell of the target that gave it, ${how}`, async (t) => {
          const { server, first, second } = await startPair(t, { protocol, flags: { transport } })
          first.script(refuses(503, 'no', { ...limit, 'x-request-id': 'of-the-first', 'request-id': 'of-the-first' }))
          second.script(says('second', { [protocol === 'openai' ? 'x-request-id' : 'request-id']: 'of-the-second' }))
          const { headers } = await answerOf(server, { stream, headers: trace })
          assert.equal(headers.get('x-headend-target'), 'second/two')
          assert.equal(headers.get('x-headend-attempts'), '2')
          assert.equal(headers.get('x-upstream-request-id'), 'of-the-second')
          assert.match(headers.get('request-id') ?? '', /^req_[0-9A-Za-z]{24}$/)
          assert.equal(headers.get('retry-after'), null)
          assert.equal(headers.get('anthropic-ratelimit-requests-remaining'), null)
          for (const { headers: up } of [...first.requests, ...second.requests]) {
            assert.deepEqual([up.traceparent, up.tracestate], [trace.traceparent, trace.tracestate])
          }
        })

        it(`of an answer without an id have none, and not that of a target that failed, ${how}`, async (t) => {
          const { server, first } = await startPair(t, { protocol, flags: { transport } })
          first.script(refuses(503, 'no', { 'x-request-id': 'of-the-first' }))
          const { headers } = await answerOf(server, { stream })
          assert.equal(headers.get('x-headend-target'), 'second/two')
          assert.equal(headers.get('x-upstream-request-id'), null)
        })

        it(`of a refusal tell of the target that gave it, ${how}`, async (t) => {
          const { server, first, second } = await startPair(t, { protocol, flags: { transport } })
          first.script(refuses(500))
          second.script(refuses(429, 'limited', { 'retry-after': '3', 'x-request-id': 'of-the-second' }))
          const { headers } = await refusalOf(ask(server, { stream }))
          assert.equal(headers.get('x-headend-target'), 'second/two')
          assert.equal(headers.get('x-headend-attempts'), '2')
          assert.equal(headers.get('x-upstream-request-id'), 'of-the-second')
          assert.equal(headers.get('retry-after'), '3')
        })
      }

      it('nothing goes up that no client sent', async (t) => {
        const { server, first } = await startPair(t, { protocol, flags: { transport } })
        await answerOf(server)
        const { headers } = await first.nextRequest()
        for (const name of ['traceparent', 'tracestate', 'authorization', 'x-api-key', 'cookie']) {
          assert.equal(headers[name], undefined, name)
        }
        assert.match(headers['user-agent'] ?? '', /^(?:headend\/|node)/)
      })

      it('nobody is named where nobody was asked', async (t) => {
        const { server } = await startPair(t, { protocol, flags: { transport } })
        const { status, headers } = await refusalOf(ask(server, { model: 'nobody' }))
        assert.equal(status, 404)
        for (const name of ['x-headend-target', 'x-headend-attempts', 'x-upstream-request-id']) {
          assert.equal(headers.get(name), null, name)
        }
      })

      it('names that no header can hold are names all the same', { timeout: 10_000 }, async (t) => {
        const upstream = await startScriptedUpstream(t)
        const server = await startRouted(t, {
          flags: { transport, upstream: upstream.url, upstreamProtocol: protocol, upstreamModels: ['*'] },
        })
        for (const model of names) {
          for (const stream of [false, true]) {
            const response = await ask(server, { model, stream })
            assert.equal(response.headers.get('set-cookie'), null)
            assert.match(response.headers.get('x-headend-target') ?? '', /^[\x20-\x7e]+$/, JSON.stringify(model))
            assert.equal((await readAnswer(response)).model, model)
            assert.equal((await upstream.nextRequest()).body.model, model)
          }
        }
        await untilIdle(server)
      })

      it('what an upstream says in odd bytes does not keep its answer', { timeout: 5000 }, async (t) => {
        const { server, first } = await startPair(t, { protocol, flags: { transport } })
        const odd = { 'x-request-id': 'caf\u00e9', 'anthropic-ratelimit-requests-remaining': '\u00e9\u00ff' }
        for (const stream of [false, true]) {
          first.script(says('first', odd))
          assert.equal((await answerOf(server, { stream })).text, 'first')
          first.script(refuses(400, 'no', odd))
          assert.equal((await refusalOf(ask(server, { stream }))).message, 'no')
        }
      })
    })
  }
}
