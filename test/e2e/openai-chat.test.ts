import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type { Completion } from '../../src/wire/openai-reply.ts'
import { assembleChunks, type ReadAnswer, readChunks } from '../support/chat-chunks.ts'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'
import { prompts } from '../support/upstreams/upstream-kind.ts'

const model = 'headend-tiny'
const question = [{ role: 'user', content: prompts.text }]
const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
}
const paris = 'The capital of France is Paris.'

for (const transport of await transports()) {
  describe(`chat completions, over ${transport}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer({ transport, slots: '2' })
    })
    after(() => server.destroy())

    const post = (body: object, signal: AbortSignal | null = null): Promise<Response> =>
      fetch(`${server.url}/v1/chat/completions`, {
        method: 'POST',
        signal,
        headers: { authorization: 'Bearer not-needed' },
        body: JSON.stringify({ model, temperature: 0, messages: question, ...body }),
      })
    const complete = async (body: object): Promise<Completion> => {
      const response = await post(body)
      const text = await response.text()
      assert.equal(response.status, 200, text)
      return JSON.parse(text)
    }
    /** The same answer whole and streamed, and what is the same in both. */
    const both = async (body: object): Promise<ReadAnswer & { readonly usage: Completion['usage'] }> => {
      await complete(body) // both find the same prefix in the cache
      const { choices, usage } = await complete(body)
      const [{ message, finish_reason }] = choices
      const response = await post({ ...body, stream: true, stream_options: { include_usage: true } })
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
      assert.match(response.headers.get('x-request-id') ?? '', /^req_/)
      const read = readChunks(await response.text())
      assert.deepEqual(read.chunks.at(-1)?.usage, usage)
      const answer = assembleChunks({ ...read, chunks: read.chunks.slice(0, -1) })
      const calls = (message.tool_calls ?? []).map(({ function: { name, arguments: json } }) => [
        name,
        JSON.parse(json),
      ])
      assert.deepEqual(
        [answer.text, answer.thought, answer.calls.map(({ name, input }) => [name, input]), answer.finishReason],
        [message.content ?? '', message.reasoning_content ?? '', calls, finish_reason],
      )
      return { ...answer, usage }
    }

    it('text', async () => {
      const { text, finishReason, usage } = await both({})
      assert.deepEqual([text, finishReason], [paris, 'stop'])
      assert.equal(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
      assert.ok(usage.prompt_tokens_details.cached_tokens > 0 && usage.prompt_tokens > usage.completion_tokens)
    })

    it('is what the Messages API says', async () => {
      const greedy = { model, max_tokens: 100, temperature: 0 }
      const message = await server.client.messages.create({
        ...greedy,
        system: 'Be brief.',
        messages: [{ role: 'user', content: prompts.text }],
      })
      const messages = [{ role: 'system', content: 'Be brief.' }, ...question]
      const { text, usage } = await both({ messages, max_completion_tokens: 100 })
      assert.deepEqual(message.content, [{ type: 'text', text, citations: null }])
      const { input_tokens: input, cache_read_input_tokens: cached } = message.usage
      assert.equal(usage.prompt_tokens, input + (cached ?? 0))
    })

    it('parallel calls, and their results', async () => {
      const messages = [{ role: 'user', content: prompts.tools }]
      const { calls, finishReason } = await both({ messages, tools: [weather], tool_choice: 'required' })
      assert.deepEqual(
        calls.map(({ input }) => input),
        [{ city: 'Paris' }, { city: 'Rome' }],
      )
      assert.equal(finishReason, 'tool_calls')
      const tool_calls = calls.map(({ id, name, input }) => ({
        id,
        type: 'function',
        function: { name, arguments: JSON.stringify(input) },
      }))
      const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, content: 'sunny' }))
      const history = [...messages, { role: 'assistant', content: null, tool_calls }, ...results]
      const answer = await both({ messages: history, tools: [weather] })
      assert.equal(answer.finishReason, 'stop')
      assert.match(answer.text, /\S/)
    })

    it('one call where one is wanted', async () => {
      const messages = [{ role: 'user', content: prompts.tools }]
      const tool_choice = { type: 'function', function: { name: 'get_weather' } }
      const { calls } = await both({ messages, tools: [weather], tool_choice, parallel_tool_calls: false })
      assert.equal(calls.length, 1)
    })

    it('thinking', async () => {
      const messages = [{ role: 'user', content: prompts.thinking }]
      const thinking = await both({ messages, reasoning_effort: 'low' })
      assert.match(thinking.thought, /\S/)
      assert.ok((thinking.usage.completion_tokens_details?.reasoning_tokens ?? 0) > 0)
      assert.equal((await both({ messages, reasoning_effort: 'none' })).thought, '')
    })

    it('an answer by a schema', async () => {
      const schema = { type: 'object', properties: { a: { enum: [7] } }, required: ['a'], additionalProperties: false }
      const { text } = await both({ response_format: { type: 'json_schema', json_schema: { name: 'x', schema } } })
      assert.deepEqual(JSON.parse(text), { a: 7 })
      const any = await both({ response_format: { type: 'json_object' }, max_tokens: 20 })
      assert.match(any.text, /^\{/)
    })

    it('ends at a stop sequence and at a limit', async () => {
      assert.deepEqual(pick(await both({ stop: 'France' })), ['The capital of ', 'stop'])
      assert.deepEqual(pick(await both({ stop: ['nowhere', ' is'] })), ['The capital of France', 'stop'])
      const limited = await both({ max_tokens: 3 })
      assert.deepEqual([limited.finishReason, limited.usage.completion_tokens], ['length', 3])
    })

    it('a bias keeps tokens away', async () => {
      const said = async (more: object): Promise<string> => (await both({ max_tokens: 3, ...more })).text
      const plain = await said({})
      const every = Array.from({ length: 4096 }, (_, token) => [token, -100]) // the first of a vocabulary, its letters among them
      assert.notEqual(await said({ logit_bias: Object.fromEntries(every) }), plain)
      // Of a vocabulary that has no such token nothing is forbidden.
      assert.equal(await said({ logit_bias: { '999999999': 100 } }), plain)
    })

    it('penalties change what is said again', async () => {
      const sampled = {
        messages: [{ role: 'user', content: 'Count from 1 to 100' }],
        temperature: 2,
        seed: 7,
        max_tokens: 60,
      }
      const { text: plain } = await both(sampled)
      assert.equal((await both({ ...sampled, frequency_penalty: 0, repeat_penalty: 1 })).text, plain)
      for (const penalty of [{ frequency_penalty: 2 }, { repeat_penalty: 5 }]) {
        assert.notEqual((await both({ ...sampled, ...penalty })).text, plain, JSON.stringify(penalty))
      }
    })

    it('a seed makes a sampled answer come again', async () => {
      const sampled = { temperature: 2, top_p: 1, top_k: 0, min_p: 0, max_tokens: 30 }
      const [first] = pick(await both({ ...sampled, seed: 7 }))
      assert.equal(pick(await both({ ...sampled, seed: 7 }))[0], first)
      assert.notEqual(pick(await both({ ...sampled, seed: -8 }))[0], first)
    })

    it('a client that leaves frees its slot', async () => {
      const controller = new AbortController()
      const messages = [{ role: 'user', content: 'Count from 1 to 100' }]
      const response = await post({ messages, max_tokens: 2000, stream: true }, controller.signal)
      await untilStatus(server, (status) => busySlots(status) === 1)
      controller.abort()
      await assert.rejects(response.text())
      await untilStatus(server, (status) => busySlots(status) === 0 && status.queue.running === 0)
    })
  })
}

function pick({ text, finishReason }: ReadAnswer): readonly [string, string | null] {
  return [text, finishReason]
}
