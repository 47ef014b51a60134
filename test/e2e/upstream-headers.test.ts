import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type ProxyServer, startProxy } from '../support/proxy-server.ts'
import { transports } from '../support/running-server.ts'
import { post, untilListed } from '../support/upstream-cases.ts'
import { prompts, scenePrompt } from '../support/upstreams/upstream-kind.ts'
import { upstreamKind } from '../support/upstreams/upstream-kinds.ts'

/** What its request-id header is called there. */
const upstreamIds = { openai: 'req_3f6f1a2b9c', anthropic: 'req_011CdZqGfVbM8o3bYQkX2rTn' } as const
const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01'

for (const transport of await transports()) {
  for (const name of ['openai', 'anthropic'] as const) {
    describe(`headers between a client and ${name}, over ${transport}`, () => {
      const kind = upstreamKind(name)
      let server: ProxyServer
      before(async () => {
        server = await startProxy(kind, { flags: { transport } })
        await untilListed({ server, model: kind.model })
      })
      after(() => server.destroy())

      const ask = (content: string, stream: boolean, headers = {}) =>
        post(
          server.url,
          { model: kind.model, max_tokens: 100, stream, messages: [{ role: 'user', content }] },
          { 'x-api-key': 'of-the-client', authorization: 'Bearer of-the-client', ...headers },
        )

      for (const stream of [false, true]) {
        it(`an answer, ${stream ? 'streamed' : 'not streamed'}`, async () => {
          const { headers } = await ask(prompts.text, stream)
          assert.match(headers.get('request-id') ?? '', /^req_[0-9A-Za-z]{24}$/)
          assert.equal(headers.get('x-upstream-request-id'), upstreamIds[name])
          assert.equal(headers.get('x-headend-target'), `${new URL(server.upstream.url).host}/${kind.model}`)
          assert.equal(headers.get('x-headend-attempts'), '1')
          for (const theirs of ['openai-processing-ms', 'anthropic-organization-id']) {
            assert.equal(headers.get(theirs), null, 'what is about our account stays here')
          }
        })

        it(`a refusal, ${stream ? 'streamed' : 'not streamed'}`, async () => {
          const response = await ask(scenePrompt(name === 'openai' ? 'busy' : 'limited'), stream)
          assert.equal(response.status, 429)
          assert.equal(response.headers.get('retry-after'), '7')
          assert.equal(response.headers.get('x-upstream-request-id'), upstreamIds[name])
          assert.match(response.headers.get('request-id') ?? '', /^req_[0-9A-Za-z]{24}$/)
          assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
        })
      }

      it('what goes up: our key and the trace, nothing of the client', async () => {
        const next = server.upstream.nextRequest()
        const version = '2023-06-01'
        const sent = { traceparent, tracestate: 'vendor=1', cookie: 'secret=1', 'anthropic-beta': 'some-beta' }
        await ask(prompts.text, false, { ...sent, 'anthropic-version': version })
        const { headers } = await next
        assert.equal(headers.traceparent, traceparent)
        assert.equal(headers.tracestate, 'vendor=1')
        assert.equal(headers.cookie, undefined)
        assert.doesNotMatch(JSON.stringify(headers), /of-the-client/)
        assert.equal(headers['content-type'], 'application/json')
        const speaksOurs = name === 'anthropic'
        assert.equal(headers['anthropic-version'], speaksOurs ? version : undefined)
        assert.equal(headers['anthropic-beta'], speaksOurs ? 'some-beta' : undefined)
        assert.equal(headers.authorization, speaksOurs ? undefined : `Bearer ${kind.key}`)
        assert.equal(headers['x-api-key'], speaksOurs ? kind.key : undefined)
      })
    })
  }
}

describe('what only the upstream of the same protocol says', () => {
  it('limits come down with the answer', async (test) => {
    const kind = upstreamKind('anthropic')
    const server = await startProxy(kind)
    test.after(() => server.destroy())
    const body = { model: kind.model, max_tokens: 100, messages: [{ role: 'user', content: prompts.text }] }
    for (const stream of [false, true]) {
      const { headers } = await post(server.url, { ...body, stream })
      assert.equal(headers.get('anthropic-ratelimit-requests-remaining'), '49')
    }
  })

  it('hosted tools are relayed, streamed and not, byte for byte', async (test) => {
    const kind = upstreamKind('anthropic')
    const server = await startProxy(kind)
    test.after(() => server.destroy())
    const tools = [{ type: 'web_search_20250305', name: 'web_search' }]
    const messages = [{ role: 'user', content: scenePrompt('search') }]
    for (const [stream, form] of [
      [false, 'whole'],
      [true, 'streamed'],
    ] as const) {
      const response = await post(server.url, { model: kind.model, max_tokens: 100, stream, tools, messages })
      assert.equal(await response.text(), kind.transcripts.get(`search ${form}`)?.body)
    }
  })
})

describe("the client's own credential, passed through", () => {
  for (const name of ['openai', 'anthropic'] as const) {
    it(`to ${name}`, async (test) => {
      const kind = upstreamKind(name)
      const flags = { upstreamPassThrough: true, upstreamModels: ['*'] }
      const server = await startProxy(kind, { key: null, flags })
      test.after(() => server.destroy())
      const ask = (key: string) =>
        post(
          server.url,
          { model: kind.model, max_tokens: 100, messages: [{ role: 'user', content: prompts.text }] },
          { 'x-api-key': key },
        )
      assert.equal((await ask(kind.key ?? '')).status, 200)
      const refused = await ask('sk-of-somebody')
      assert.equal(refused.status, 401)
      const { error } = (await refused.json()) as {
        readonly error: { readonly type: string; readonly message: string }
      }
      assert.equal(error.type, 'authentication_error')
      assert.match(error.message, name === 'openai' ? /^Incorrect API key provided/ : /^invalid x-api-key$/)
    })
  }
})
