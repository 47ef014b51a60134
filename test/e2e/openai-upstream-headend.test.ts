import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'
import { describeUpstream, embeddedAnswers, untilListed } from '../support/upstream-cases.ts'
import { prompts } from '../support/upstreams/upstream-kind.ts'

const model = 'headend-tiny'

interface Chain {
  readonly inner: RunningServer
  readonly outer: RunningServer
}

/** One headend with the embedded model, and one in front that translates for it: Messages API in, chat completions in between. */
async function startChain(transport: string): Promise<Chain> {
  const inner = await startServer({ transport, slots: '2' })
  const outer = await startServer({ transport, upstream: inner.url, upstreamProtocol: 'openai', upstreamRetries: '0' })
  return { inner, outer }
}

/** As above, by a config file that says what the inner one can do more than other servers. */
async function startConfiguredChain(transport: string): Promise<Chain> {
  const inner = await startServer({ transport, slots: '2' })
  const quirks = { reports_stop: true }
  const upstreams = [{ name: 'inner', url: inner.url, protocol: 'openai', expose: true, quirks }]
  const outer = await startServer({ transport, upstreamRetries: '0' }, {}, JSON.stringify({ upstreams }))
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
const capital = {
  type: 'object' as const,
  properties: { country: { enum: ['France'] }, isCapital: { type: 'boolean' } },
  required: ['country', 'isCapital'],
  additionalProperties: false,
}

for (const transport of await transports()) {
  describeUpstream(`headend through headend by chat completions, over ${transport}`, async () => {
    const chain = await startChain(transport)
    return {
      server: { ...chain.outer, destroy: () => destroy(chain) },
      model,
      ...embeddedAnswers,
    }
  })

  describe(`headend in front of headend says what headend says, over ${transport}`, () => {
    let chain: Chain
    before(async () => {
      chain = await startConfiguredChain(transport)
      await untilListed({ server: chain.outer, model })
      await chain.inner.client.messages.create({ ...greedy, messages: question }) // its prompt is in the cache of a slot
    })
    after(() => destroy(chain))

    const requests: Readonly<Record<string, Partial<Anthropic.MessageCreateParams>>> = {
      text: {},
      'a system text': { system: 'Answer in one word.' },
      'a conversation': {
        messages: [...question, { role: 'assistant', content: 'Paris.' }, { role: 'user', content: 'And of Spain?' }],
      },
      'a stop sequence': { stop_sequences: ['France'] },
      'a limit': { max_tokens: 3 },
      'a forced call': {
        messages: [{ role: 'user', content: prompts.tools }],
        tools: [weather],
        tool_choice: { type: 'tool', name: 'get_weather', disable_parallel_tool_use: true },
      },
      'parallel calls': {
        messages: [{ role: 'user', content: prompts.tools }],
        tools: [weather],
        tool_choice: { type: 'any' },
      },
      'no call': {
        messages: [{ role: 'user', content: prompts.tools }],
        tools: [weather],
        tool_choice: { type: 'none' },
      },
      thinking: { max_tokens: 4000, thinking: { type: 'enabled', budget_tokens: 2000 } },
      'structured output': { output_config: { format: { type: 'json_schema', schema: capital } } },
    }
    for (const [name, request] of Object.entries(requests)) {
      it(`${name}, streamed and not`, async () => {
        const body = { ...greedy, messages: question, ...request, stream: false as const }
        await chain.inner.client.messages.create(body) // all find the same prefix in the cache
        const direct = contentOf(await chain.inner.client.messages.create(body))
        assert.deepEqual(contentOf(await chain.outer.client.messages.create(body)), direct)
        const stream = chain.outer.client.messages.stream({ ...body, stream: true })
        assert.deepEqual(contentOf(await stream.finalMessage()), direct)
      })
    }

    it('says in its words that a prompt is too long, before a stream begins, too', async () => {
      const messages = [{ role: 'user' as const, content: 'apple river stone '.repeat(3000) }]
      const { input_tokens } = await chain.inner.client.messages.countTokens({ model, messages })
      const request = { model, max_tokens: 10, messages }
      const isOverflow = (error: unknown): true => {
        assert.ok(error instanceof Anthropic.BadRequestError)
        assert.equal(error.apiMessage, `prompt is too long: ${input_tokens} tokens > 4096 maximum`)
        return true
      }
      await assert.rejects(chain.outer.client.messages.create(request), isOverflow)
      await assert.rejects(chain.outer.client.messages.stream(request).finalMessage(), isOverflow)
    })

    it('passes on the id of the inner request', async () => {
      const { response } = await chain.outer.client.messages.create({ ...greedy, messages: question }).withResponse()
      const [ours, theirs] = [response.headers.get('request-id'), response.headers.get('x-upstream-request-id')]
      assert.match(theirs ?? '', /^req_[0-9A-Za-z]{24}$/)
      assert.notEqual(ours, theirs)
    })

    for (const stream of [true, false]) {
      it(`a client that leaves frees the slot of the inner one, ${stream ? 'streamed' : 'not streamed'}`, async () => {
        const controller = new AbortController()
        const messages = [{ role: 'user' as const, content: 'Count from 1 to 100' }]
        const request = { model, max_tokens: 2000, messages, stream }
        const asked = chain.outer.client.messages.create(request, { signal: controller.signal })
        const settled = Promise.allSettled([asked])
        await untilStatus(chain.inner, (status) => busySlots(status) === 1)
        controller.abort()
        await settled
        await untilStatus(chain.inner, (status) => busySlots(status) === 0 && status.queue.running === 0)
        await untilStatus(chain.outer, ({ queue }) => queue.running === 0)
      })
    }
  })
}

/** All that a client sees of an answer, but for ids, which each has of its own. */
function contentOf({ content, stop_reason, stop_sequence, usage, model: name }: Anthropic.Message): unknown {
  const { input_tokens: input, cache_read_input_tokens: cached, output_tokens: output } = usage
  return {
    name,
    content: content.map((block) => {
      if (block.type === 'tool_use') return [block.name, block.input]
      return block.type === 'thinking' ? ['', block.thinking] : block
    }),
    stop_reason,
    stop_sequence,
    usage: { prompt: input + (cached ?? 0), output },
    thinking: usage.output_tokens_details,
  }
}
