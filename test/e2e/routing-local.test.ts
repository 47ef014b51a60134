import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { closedPort } from '../support/bad-upstream.ts'
import { answerOf, ask, refusalOf, startRouted, suiteScope, untilIdle, untilRouted } from '../support/routed-server.ts'
import type { RunningServer } from '../support/running-server.ts'
import { refuses, type ScriptedUpstream, says, startScriptedUpstream } from '../support/scripted-upstream.ts'

describe('between the model of this machine and an upstream', () => {
  const suite = suiteScope()
  let upstream: ScriptedUpstream
  let server: RunningServer

  // The embedded model, so that a window is full, and an answer made, for real. One load serves all tests.
  before(async () => {
    upstream = await startScriptedUpstream(suite, {
      otherwise: says('far'),
      models: [
        { id: 'small', max_model_len: 256 },
        { id: 'large', max_model_len: 100_000 },
      ],
    })
    server = await startRouted(suite, {
      flags: { model: ['embedded'], workers: '1', threads: '1', slots: '1', context: '512', gpuLayers: '0' },
      upstreams: [
        { name: 'far', url: upstream.url },
        { name: 'gone', url: `http://127.0.0.1:${await closedPort()}` },
      ],
      models: [
        {
          id: 'local-first',
          targets: [
            { local: 'headend-tiny' },
            { upstream: 'far', model: 'small' },
            { upstream: 'far', model: 'large' },
          ],
        },
        { id: 'no-larger', targets: [{ local: 'headend-tiny' }, { upstream: 'far', model: 'small' }] },
        { id: 'far-first', targets: [{ upstream: 'far', model: 'large' }, { local: 'headend-tiny' }] },
        { id: 'gone-first', targets: [{ upstream: 'gone' }, { local: 'headend-tiny' }] },
      ],
    })
  })

  const long = 'word '.repeat(1000)

  for (const stream of [false, true]) {
    const how = stream ? 'streamed' : 'not streamed'
    /** Each its own conversation, because those go where they were before. */
    const asking = (model: string, about: string) => ({
      model,
      stream,
      prompt: `${about}, ${how}`,
      body: { max_tokens: 4 },
    })

    it(`what fits is answered here, ${how}`, async () => {
      const { headers, model } = await answerOf(server, asking('local-first', 'short'))
      assert.deepEqual([headers.get('x-headend-target'), model], ['headend-tiny', 'local-first'])
      assert.equal(headers.get('x-headend-attempts'), '1')
    })

    it(`what does not fit goes to the first that has a larger window, ${how}`, async () => {
      const before = upstream.requests.length
      const { text, headers } = await answerOf(server, asking('local-first', long))
      assert.deepEqual([text, headers.get('x-headend-target')], ['far', 'far/large'])
      assert.equal(headers.get('x-headend-attempts'), '2', 'the smaller one was not even asked')
      assert.equal(upstream.requests.length, before + 1)
    })

    it(`what fits nowhere is refused, in the words that clients look for, ${how}`, async () => {
      const before = upstream.requests.length
      const { status, message } = await refusalOf(ask(server, asking('no-larger', long)))
      assert.equal(status, 400)
      assert.match(message, /^prompt is too long: \d+ tokens > 512 maximum$/)
      assert.equal(upstream.requests.length, before)
    })

    it(`an upstream that is overloaded is left for the model here, ${how}`, async () => {
      upstream.script(refuses(503))
      const answer = await answerOf(server, asking('far-first', 'overloaded'))
      assert.deepEqual([answer.headers.get('x-headend-target'), answer.model], ['headend-tiny', 'far-first'])
      assert.equal(answer.headers.get('x-headend-attempts'), '2')
    })

    it(`an upstream that is down is left for the model here, ${how}`, async () => {
      const { headers } = await answerOf(server, asking('gone-first', 'gone'))
      assert.equal(headers.get('x-headend-target'), 'headend-tiny')
    })
  }

  it('an upstream that refuses a prompt as too long is not left for a smaller one', async () => {
    upstream.script(refuses(400, "This model's maximum context length is 100000 tokens, you requested 100500 tokens"))
    const { status, message } = await refusalOf(ask(server, { model: 'far-first', prompt: 'refused' }))
    assert.deepEqual([status, message], [400, 'prompt is too long: 100500 tokens > 100000 maximum'])
    await untilIdle(server)
  })

  it('what only a stand-in cannot hold is not called too long', async () => {
    upstream.script(refuses(503, 'busy'))
    const { status, message } = await refusalOf(ask(server, { model: 'far-first', prompt: `stand-in ${long}` }))
    assert.deepEqual([status, message], [529, 'busy'])
  })

  it('what one model remembers is nothing to another', async () => {
    const asking = { prompt: 'switched', body: { max_tokens: 4 } }
    const local = await answerOf(server, { model: 'local-first', ...asking })
    assert.equal(local.headers.get('x-headend-target'), 'headend-tiny')
    const far = await answerOf(server, { model: 'far-first', ...asking })
    assert.equal(far.headers.get('x-headend-target'), 'far/large')
  })
})

describe('a queue that is full', () => {
  /** Its answers take until the client leaves. */
  const endless = `echo:${JSON.stringify({ text: 'one two', delayMs: 60_000 })}`

  it('is left for an upstream, and without one it is 529', async (t) => {
    const upstream = await startScriptedUpstream(t, { otherwise: says('far') })
    const server = await startRouted(t, {
      flags: { backend: 'echo', concurrency: '1', queue: '0' },
      upstreams: [{ name: 'far', url: upstream.url }],
      models: [
        { id: 'm', targets: [{ local: 'echo' }, { upstream: 'far' }] },
        { id: 'local-only', targets: [{ local: 'echo' }] },
      ],
    })
    const client = new AbortController()
    const holder = await ask(server, { prompt: endless, stream: true, signal: client.signal })
    for (const stream of [false, true]) {
      const { text, headers } = await answerOf(server, { stream })
      assert.deepEqual([text, headers.get('x-headend-target')], ['far', 'far/m'])
      const refusal = await refusalOf(ask(server, { model: 'local-only', stream }))
      assert.deepEqual([refusal.status, refusal.type], [529, 'overloaded_error'])
      assert.match(refusal.headers.get('retry-after') ?? '', /^\d+$/)
    }
    client.abort()
    await assert.rejects(holder.text(), { name: 'AbortError' })
    await untilIdle(server)
    const { headers } = await answerOf(server, { prompt: 'again' })
    assert.equal(headers.get('x-headend-target'), 'echo')
  })

  it('of an upstream with --upstream-concurrency 1 is left for the model here', async (t) => {
    const upstream = await startScriptedUpstream(t, { otherwise: () => {} })
    const server = await startRouted(t, {
      flags: { backend: 'echo', queue: '0', upstreamConcurrency: '1' },
      upstreams: [{ name: 'far', url: upstream.url }],
      models: [{ id: 'm', targets: [{ upstream: 'far' }, { local: 'echo' }] }],
    })
    const held = answerOf(server, { prompt: 'held' })
    const request = await upstream.nextRequest()
    await untilRouted(server, ({ queue }) => queue.running === 1)
    const { text, headers } = await answerOf(server, { prompt: 'over' })
    assert.deepEqual([text, headers.get('x-headend-target')], ['over', 'echo'])
    request.answer('at last')
    assert.equal((await held).text, 'at last')
  })
})
