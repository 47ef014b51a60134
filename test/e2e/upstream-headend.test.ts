import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'
import { describeUpstream, embeddedAnswers, post, untilListed } from '../support/upstream-cases.ts'
import { prompts } from '../support/upstreams/upstream-kind.ts'

const model = 'headend-tiny'

interface Chain {
  readonly inner: RunningServer
  readonly outer: RunningServer
}

/** One headend with the embedded model, and one in front that relays to it. */
async function startChain(transport: string): Promise<Chain> {
  const inner = await startServer({ transport, slots: '2' })
  const outer = await startServer({
    transport,
    upstream: inner.url,
    upstreamProtocol: 'anthropic',
    upstreamRetries: '0',
  })
  return { inner, outer }
}

async function destroy({ inner, outer }: Chain): Promise<void> {
  await outer.destroy()
  await inner.destroy()
}

const greedy = { model, max_tokens: 200, temperature: 0 }
const question = [{ role: 'user' as const, content: prompts.text }]
const weather = {
  name: 'get_weather',
  input_schema: { type: 'object' as const, properties: { city: { type: 'string' } }, required: ['city'] },
}

for (const transport of await transports()) {
  describeUpstream(`headend through headend, over ${transport}`, async () => {
    const chain = await startChain(transport)
    return {
      server: { ...chain.outer, destroy: () => destroy(chain) },
      model,
      ...embeddedAnswers,
    }
  })

  describe(`headend in front of headend is headend, over ${transport}`, () => {
    let chain: Chain
    before(async () => {
      chain = await startChain(transport)
      await untilListed({ server: chain.outer, model })
      await post(chain.inner.url, { ...greedy, messages: question }) // from here on its prompt is in the cache of a slot
    })
    after(() => destroy(chain))

    const requests: Readonly<Record<string, object>> = {
      text: { messages: question },
      'a stop sequence': { messages: question, stop_sequences: ['France'] },
      'a limit': { messages: question, max_tokens: 3 },
      tools: { messages: [{ role: 'user', content: prompts.tools }], tools: [weather], tool_choice: { type: 'any' } },
      thinking: { messages: question, max_tokens: 1100, thinking: { type: 'enabled', budget_tokens: 1024 } },
      'a prompt beyond the context': { messages: [{ role: 'user', content: 'apple river stone '.repeat(3000) }] },
      'a bad request': { messages: [] },
    }
    for (const [name, request] of Object.entries(requests)) {
      for (const stream of [false, true]) {
        it(`${name}, ${stream ? 'streamed' : 'not streamed'}`, async () => {
          const body = { ...greedy, ...request, stream }
          await (await post(chain.inner.url, body)).text() // both find the same prefix in the cache
          const direct = await post(chain.inner.url, body)
          const expected = withoutIds(await direct.text())
          const relayed = await post(chain.outer.url, body)
          assert.equal(withoutIds(await relayed.text()), expected)
          assert.equal(relayed.status, direct.status)
          assert.equal(relayed.headers.get('content-type'), direct.headers.get('content-type'))
        })
      }
    }

    it('counts tokens as the inner one', async () => {
      const request = { model, messages: question, tools: [weather], system: 'Be brief.' }
      const expected = await chain.inner.client.messages.countTokens(request)
      assert.deepEqual(await chain.outer.client.messages.countTokens(request), expected)
    })

    it('tells the errors of the inner one in its words', async () => {
      const messages = [{ role: 'user' as const, content: 'apple river stone '.repeat(3000) }]
      const { input_tokens } = await chain.inner.client.messages.countTokens({ model, messages })
      await assert.rejects(
        chain.outer.client.messages.create({ model, max_tokens: 10, messages }),
        (error: unknown) => {
          assert.ok(error instanceof Anthropic.BadRequestError)
          assert.equal(error.apiMessage, `prompt is too long: ${input_tokens} tokens > 4096 maximum`)
          return true
        },
      )
      await assert.rejects(
        chain.outer.client.messages.create({ ...greedy, model: 'nobody', messages: question }),
        (e) => {
          assert.ok(e instanceof Anthropic.NotFoundError)
          assert.equal(e.apiMessage, 'model: nobody')
          return true
        },
      )
    })

    it('passes on the id of the inner request', async () => {
      const { headers } = await post(chain.outer.url, { ...greedy, messages: question })
      const [ours, theirs] = [headers.get('request-id'), headers.get('x-upstream-request-id')]
      assert.match(theirs ?? '', /^req_[0-9A-Za-z]{24}$/)
      assert.notEqual(ours, theirs)
    })

    it('a client that leaves frees the slot of the inner one', { timeout: 20_000 }, async () => {
      const stream = chain.outer.client.messages.stream({
        model,
        max_tokens: 2000,
        messages: [{ role: 'user', content: 'Count from 1 to 100' }],
      })
      await new Promise((resolve) => stream.once('text', resolve))
      assert.equal(busySlots(await untilStatus(chain.inner, () => true)), 1)
      stream.abort()
      await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError)
      await untilStatus(chain.inner, (status) => busySlots(status) === 0 && status.queue.running === 0)
      await untilStatus(chain.outer, ({ queue }) => queue.running === 0)
    })
  })
}

/** Each answer, call and request has an id of its own. */
function withoutIds(text: string): string {
  return text.replace(/\b(msg|toolu|req)_[0-9A-Za-z]{24}\b/g, '$1_ID')
}
