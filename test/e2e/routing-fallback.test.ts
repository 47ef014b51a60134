import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { closedPort } from '../support/bad-upstream.ts'
import {
  type Asking,
  answerOf,
  ask,
  bothProtocols,
  refusalOf,
  startPair,
  startRouted,
  textOf,
  untilIdle,
} from '../support/routed-server.ts'
import { type Answer, cuts, refuses, says, startScriptedUpstream } from '../support/scripted-upstream.ts'
import { readSseEvents } from '../support/sse-events.ts'

const asks: readonly Asking[] = [{ stream: false }, { stream: true }]

/** Of both protocols. */
const errorEvent = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"busy"}}\n\n'

const answerInPart: Answer = (request) => {
  request.response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' })
  request.write('{"id":').cut()
}

for (const protocol of bothProtocols) {
  describe(`from one upstream to the next, ${protocol}`, () => {
    const failures: readonly (readonly [why: string, answer: Answer])[] = [
      ['503', refuses(503)],
      ['529', refuses(529)],
      ['500', refuses(500)],
      ['429 with a long retry-after', refuses(429, 'slow down', { 'retry-after': '30' })],
      ['401, as the key is ours', refuses(401)],
      ['404, as another may have it', refuses(404)],
      ['a redirect', (request) => void request.response.writeHead(307, { location: '/elsewhere' }).end()],
      ['a connection that is closed', cuts],
      ['a stream that ends before any content', (request) => request.begin().cut()],
      ['an error in a stream, before any content', (request) => request.begin().write(errorEvent).response.end()],
      ['half of a whole answer', answerInPart],
      ['HTML', (request) => void request.response.writeHead(200, { 'content-type': 'text/html' }).end('<p>')],
    ]
    for (const [why, failure] of failures) {
      it(`after ${why}`, async (t) => {
        for (const asking of asks) {
          const { first, second, server } = await startPair(t, { protocol })
          first.script(failure)
          const { text, headers, model } = await answerOf(server, asking)
          assert.deepEqual([text, model], ['second', 'm'])
          assert.equal(headers.get('x-headend-target'), 'second/two')
          assert.equal(headers.get('x-headend-attempts'), '2')
          assert.deepEqual([first.requests.length, second.requests.length], [1, 1])
          await untilIdle(server)
        }
      })
    }

    it('not after 400: that is the fault of the client', async (t) => {
      const { first, second, server } = await startPair(t, { protocol })
      for (const asking of asks) {
        first.script(refuses(400, 'temperature: too hot'))
        const { status, type, message, headers } = await refusalOf(ask(server, asking))
        assert.deepEqual([status, type, message], [400, 'invalid_request_error', 'temperature: too hot'])
        assert.equal(headers.get('x-headend-target'), 'first/one')
      }
      assert.deepEqual([first.requests.length, second.requests.length], [2, 0])
    })

    const ends: readonly (readonly [why: string, end: Answer])[] = [
      ['is cut', cuts],
      ['holds an error', (request) => request.write(errorEvent).response.end()],
      ['ends without an ending', (request) => request.response.end()],
    ]
    for (const [why, end] of ends) {
      it(`not once content has begun: a stream that ${why} ends with an error`, async (t) => {
        const { first, second, server } = await startPair(t, { protocol })
        first.script((request) => end(request.begin().say('some')))
        const response = await ask(server, { stream: true })
        assert.equal(response.status, 200)
        const events = readSseEvents(await response.text())
        assert.equal(textOf(events), 'some')
        const types = events.map(({ type }) => type)
        assert.equal(types.at(-1), 'error')
        assert.ok(!types.includes('message_stop') && !types.includes('message_delta'), types.join())
        await untilIdle(server)
        assert.deepEqual([first.requests.length, second.requests.length], [1, 0])
      })
    }

    it('the last error is the answer, with its status and retry-after', async (t) => {
      for (const asking of asks) {
        const { first, second, server } = await startPair(t, { protocol })
        first.script(refuses(500, 'broken'))
        second.script(refuses(429, 'slow down', { 'retry-after': '17' }))
        const { status, type, message, headers } = await refusalOf(ask(server, asking))
        assert.deepEqual([status, type, message], [429, 'rate_limit_error', 'slow down'])
        assert.equal(headers.get('retry-after'), '17')
        assert.equal(headers.get('x-headend-target'), 'second/two')
        assert.equal(headers.get('x-headend-attempts'), '2')
        await untilIdle(server)
      }
    })

    it('and not the first one, with its retry-after', async (t) => {
      for (const asking of asks) {
        const { first, second, server } = await startPair(t, { protocol })
        first.script(refuses(429, 'slow down', { 'retry-after': '17' }))
        second.script(refuses(404, 'no such model'))
        const { status, type, message, headers } = await refusalOf(ask(server, asking))
        assert.deepEqual([status, type, message], [404, 'not_found_error', 'no such model'])
        assert.equal(headers.get('retry-after'), null)
      }
    })
  })
}

describe('from one kind of target to another', () => {
  it('an upstream that cannot be reached', async (t) => {
    const second = await startScriptedUpstream(t, { otherwise: says('second') })
    const server = await startRouted(t, {
      upstreams: [
        { name: 'gone', url: `http://127.0.0.1:${await closedPort()}` },
        { name: 'there', url: second.url, protocol: 'anthropic' },
      ],
      models: [{ id: 'm', targets: [{ upstream: 'gone' }, { upstream: 'there' }] }],
    })
    for (const asking of asks) {
      const { text, headers } = await answerOf(server, asking)
      assert.deepEqual([text, headers.get('x-headend-target')], ['second', 'there/m'])
    }
  })

  it('bytes that were relayed in vain are translated for the next', async (t) => {
    const relayed = await startScriptedUpstream(t)
    const translated = await startScriptedUpstream(t, { otherwise: says('translated') })
    const server = await startRouted(t, {
      upstreams: [
        { name: 'relayed', url: relayed.url, protocol: 'anthropic' },
        { name: 'translated', url: translated.url },
      ],
      models: [{ id: 'm', targets: [{ upstream: 'relayed' }, { upstream: 'translated', model: 'two' }] }],
    })
    for (const asking of asks) {
      relayed.script(refuses(529))
      assert.equal((await answerOf(server, { ...asking, prompt: `${asking.stream}` })).text, 'translated')
      assert.equal((await translated.nextRequest()).body.model, 'two')
    }
  })

  it('what only the client\u2019s own protocol can say goes to upstreams that speak it, and to no other', async (t) => {
    const translated = await startScriptedUpstream(t)
    const relayed = await startScriptedUpstream(t, { otherwise: says('relayed') })
    const server = await startRouted(t, {
      upstreams: [
        { name: 'translated', url: translated.url },
        { name: 'relayed', url: relayed.url, protocol: 'anthropic' },
      ],
      models: [{ id: 'm', targets: [{ upstream: 'translated' }, { upstream: 'relayed' }] }],
    })
    const body = { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }
    assert.equal((await answerOf(server, { body })).text, 'relayed')
    relayed.script(refuses(529, 'busy'))
    const { message } = await refusalOf(ask(server, { body }))
    assert.deepEqual([message, translated.requests.length], ['busy', 0])
  })
})
