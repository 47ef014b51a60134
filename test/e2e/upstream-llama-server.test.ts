import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { type LlamaServer, llamaModel, llamaServerBinary, startLlamaServer } from '../support/llama-server.ts'
import { type RunningServer, startServer, untilStatus } from '../support/running-server.ts'
import { describeUpstream, untilListed } from '../support/upstream-cases.ts'

type Protocol = 'openai' | 'anthropic'

const texts = {
  text: /^The capital of France is Paris\.$/,
  stopped: /^The capital of $/,
  answer: /\S/,
  sum: /\S/,
  thought: /\S/,
}

interface Proxied {
  readonly server: RunningServer
  readonly llama: LlamaServer
}

async function startProxied(binary: string, protocol: Protocol): Promise<Proxied> {
  const llama = await startLlamaServer(binary)
  const server = await startServer({ upstream: llama.url, upstreamProtocol: protocol, upstreamRetries: '0' })
  const destroy = async () => {
    await server.destroy()
    await llama.close()
  }
  return { llama, server: { ...server, destroy } }
}

if (llamaServerBinary === null) {
  describe('a real llama-server', { skip: 'LLAMA_SERVER names no llama-server binary' }, () => {})
} else {
  for (const protocol of ['openai', 'anthropic'] as const) describeLlamaServer(llamaServerBinary, protocol)
}

function describeLlamaServer(binary: string, protocol: Protocol): void {
  const speaksOurs = protocol === 'anthropic'
  describeUpstream(
    `a real llama-server as an upstream that speaks ${protocol}`,
    async () => {
      const { server } = await startProxied(binary, protocol)
      return { server, model: llamaModel, texts, usage: null, thinkingTokens: null, counted: speaksOurs ? 17 : null }
    },
    speaksOurs ? { stop: 'llama-server looks for stop sequences in thoughts, too, and calls the end end_turn' } : {},
  )

  describe(`a real llama-server that speaks ${protocol}, and its failures`, () => {
    let proxied: Proxied
    let client: Anthropic
    before(async () => {
      proxied = await startProxied(binary, protocol)
      client = proxied.server.client
      await untilListed({ server: proxied.server, model: llamaModel })
    })
    after(() => proxied?.server.destroy())

    const ask = (content: string) => ({
      model: llamaModel,
      max_tokens: 2000,
      messages: [{ role: 'user' as const, content }],
    })

    it('a prompt beyond its context', async () => {
      await assert.rejects(client.messages.create(ask('apple river stone '.repeat(3000))), (error: unknown) => {
        assert.ok(error instanceof Anthropic.BadRequestError)
        assert.equal(error.type, 'invalid_request_error')
        assert.match(error.apiMessage ?? '', /^prompt is too long: \d+ tokens > 4096 maximum$/)
        return true
      })
    })

    it('a client that leaves', { timeout: 20_000 }, async () => {
      const stream = client.messages.stream(ask('Count from 1 to 1000, and explain each number.'))
      await new Promise((resolve) => stream.once('streamEvent', resolve))
      assert.equal(await proxied.llama.busySlots(), 1)
      stream.abort()
      await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError)
      while ((await proxied.llama.busySlots()) > 0); // each question is an event of its own
      await untilStatus(proxied.server, ({ queue }) => queue.running === 0)
    })

    it('counts as many tokens as it then reads', async () => {
      const messages: Anthropic.MessageParam[] = [{ role: 'user', content: 'Name three rivers of France.' }]
      const counted = await client.messages.countTokens({ model: llamaModel, messages })
      const { usage } = await client.messages.create({ model: llamaModel, max_tokens: 5, messages })
      const read = usage.input_tokens + (usage.cache_read_input_tokens ?? 0)
      if (protocol === 'anthropic') assert.equal(counted.input_tokens, read)
      else assert.ok(Math.abs(counted.input_tokens - read) < 15, `estimated ${counted.input_tokens}, read ${read}`)
    })
  })
}
