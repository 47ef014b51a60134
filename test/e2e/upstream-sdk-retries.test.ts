import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { type ProxyOptions, type ProxyServer, startProxy } from '../support/proxy-server.ts'
import { untilStatus } from '../support/running-server.ts'
import { untilListed } from '../support/upstream-cases.ts'
import { prompts } from '../support/upstreams/upstream-kind.ts'
import { upstreamKind } from '../support/upstreams/upstream-kinds.ts'

const names = ['vllm', 'anthropic'] as const

async function open(name: string, options?: ProxyOptions): Promise<ProxyServer> {
  const kind = upstreamKind(name)
  const server = await startProxy(kind, options)
  await untilListed({ server, model: kind.model })
  return server
}

function ask(name: string) {
  const messages = [{ role: 'user' as const, content: prompts.text }]
  return { model: upstreamKind(name).model, max_tokens: 100, messages }
}

describe('who tries again', () => {
  for (const name of names) {
    it(`the SDK, when ${name} was overloaded once`, async (test) => {
      const server = await open(name)
      test.after(() => server.destroy())
      for (const answer of ['create', 'stream'] as const) {
        server.upstream.script.push('busy')
        const count = server.upstream.requests.length
        const client = new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 2 })
        const message =
          answer === 'create'
            ? await client.messages.create(ask(name))
            : await client.messages.stream(ask(name)).finalMessage()
        assert.equal(message.stop_reason, 'end_turn')
        assert.equal(server.upstream.requests.length, count + 2)
      }
    })

    it(`headend, when ${name} was overloaded once: its client does not notice`, async (test) => {
      const server = await open(name, { flags: { upstreamRetries: '2' } })
      test.after(() => server.destroy())
      server.upstream.script.push('busy')
      const { data, response } = await server.client.messages.create(ask(name)).withResponse()
      assert.equal(data.stop_reason, 'end_turn')
      assert.equal(response.headers.get('x-headend-attempts'), '2')
      assert.equal(server.upstream.requests.length, 2)
    })

    it(`nobody, once ${name} has begun to answer`, async (test) => {
      const server = await open(name, { flags: { upstreamRetries: '2' } })
      test.after(() => server.destroy())
      server.upstream.script.push('broken')
      const client = new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 2 })
      await assert.rejects(client.messages.stream(ask(name)).finalMessage(), Anthropic.APIError)
      assert.equal(server.upstream.requests.length, 1)
    })
  }
})

describe('who waits too long', () => {
  for (const name of names) {
    for (const stream of [false, true]) {
      const form = stream ? 'streamed' : 'not streamed'
      it(`the SDK gives up on ${name}, ${form}: its upstream is left, too`, { timeout: 20_000 }, async (test) => {
        const server = await open(name, { hold: 'before-headers' })
        test.after(() => server.destroy())
        const next = server.upstream.nextRequest()
        const client = new Anthropic({ baseURL: server.url, apiKey: 'none', maxRetries: 0, timeout: 300 })
        await assert.rejects(client.messages.create({ ...ask(name), stream }), Anthropic.APIConnectionTimeoutError)
        await (await next).abandoned
        await untilStatus(server, ({ queue }) => queue.running === 0)
      })

      it(`headend gives up on ${name}, ${form}`, { timeout: 20_000 }, async (test) => {
        const flags = { upstreamFirstByteTimeoutMs: '100' }
        const server = await open(name, { hold: 'before-headers', flags })
        test.after(() => server.destroy())
        const next = server.upstream.nextRequest()
        await assert.rejects(server.client.messages.create({ ...ask(name), stream }), (error: unknown) => {
          assert.ok(error instanceof Anthropic.GatewayTimeoutError)
          assert.equal(error.type, 'timeout_error')
          return true
        })
        await (await next).abandoned
      })
    }

    it(`headend gives up on ${name} amid a stream`, { timeout: 20_000 }, async (test) => {
      const server = await open(name, { hold: { events: 9 }, flags: { upstreamIdleTimeoutMs: '100' } })
      test.after(() => server.destroy())
      const next = server.upstream.nextRequest()
      await assert.rejects(server.client.messages.stream(ask(name)).finalMessage(), (error: unknown) => {
        assert.ok(error instanceof Anthropic.APIError)
        assert.deepEqual([error.status, error.type], [undefined, 'timeout_error'])
        return true
      })
      await (await next).abandoned
    })
  }
})
