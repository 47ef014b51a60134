import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { busySlots, type RunningServer, startServer, transports, untilStatus } from '../support/running-server.ts'

const model = 'headend-tiny'
const greedy = { temperature: 0 }
type Messages = Anthropic.MessageParam[]

for (const transport of await transports()) {
  describe(`the official SDK against the embedded model, over ${transport}`, () => {
    let server: RunningServer
    let client: Anthropic
    before(async () => {
      server = await startServer({ transport, slots: '4', model: ['embedded', 'second=embedded', 'third=embedded'] })
      client = server.client
    })
    after(() => server.destroy())

    it('creates a message', async () => {
      const message = await client.messages.create({
        model,
        max_tokens: 50,
        ...greedy,
        messages: [{ role: 'user', content: 'What is the capital of France?' }],
      })
      assert.equal(textOf(message), 'The capital of France is Paris.')
      assert.equal(message.stop_reason, 'end_turn')
      assert.equal(message.role, 'assistant')
      assert.equal(message.model, model)
      assert.match(message.id, /^msg_[0-9A-Za-z]{24}$/)
      assert.match(message._request_id ?? '', /^req_[0-9A-Za-z]{24}$/)
    })

    it('streams a message that equals the one not streamed', async () => {
      const request = {
        model,
        max_tokens: 400,
        ...greedy,
        messages: [{ role: 'user', content: 'Tell me a story' }] as Messages,
      }
      const whole = await client.messages.create(request)
      const stream = client.messages.stream(request)
      const pieces: string[] = []
      stream.on('text', (piece) => pieces.push(piece))
      const final = await stream.finalMessage()
      assert.equal(pieces.join(''), textOf(whole))
      assert.equal(textOf(final), textOf(whole))
      assert.ok(pieces.length > 50, 'the text came token by token')
      assert.deepEqual(final.usage.output_tokens, whole.usage.output_tokens)
      assert.equal(final.stop_reason, 'end_turn')
    })

    it('answers hosted model names with the local model', async () => {
      const message = await client.messages.create({
        model: 'claude-sonnet-4-5',
        max_tokens: 20,
        messages: [{ role: 'user', content: 'Hello!' }],
      })
      assert.equal(message.model, 'claude-sonnet-4-5')
    })

    it('counts the tokens that the same request is billed', async () => {
      const request = {
        model,
        system: [
          { type: 'text' as const, text: 'You are terse.' },
          { type: 'text' as const, text: 'Bob is here.' },
        ],
        messages: [
          { role: 'user', content: 'My name is Maria. Grüße, 日本 👩‍👩‍👧!' },
          { role: 'assistant', content: 'Hello Maria.' },
          {
            role: 'user',
            content: [
              { type: 'text', text: 'What is' },
              { type: 'text', text: 'my name?' },
            ],
          },
        ] as Messages,
      }
      const { input_tokens } = await client.messages.countTokens(request)
      const { usage } = await client.messages.create({ ...request, max_tokens: 5 })
      assert.equal(promptTokens(usage), input_tokens)
    })

    it('remembers the conversation, and reads only what is new of it', async () => {
      const first: Messages = [{ role: 'user', content: 'My name is Maria.' }]
      const one = await client.messages.create({ model, max_tokens: 50, ...greedy, messages: first })
      const second: Messages = [
        ...first,
        { role: 'assistant', content: textOf(one) },
        { role: 'user', content: 'What is my name?' },
      ]
      const two = await client.messages.create({ model, max_tokens: 50, ...greedy, messages: second })
      assert.match(textOf(two), /Maria/)
      const { input_tokens } = await client.messages.countTokens({ model, messages: first })
      const read = two.usage.cache_read_input_tokens ?? 0
      // The template opens an answer with an empty thought, which it leaves out of the history: that much is read again.
      assert.ok(read > 0 && read >= input_tokens - 8, `read ${read} of ${input_tokens} from the cache`)
      assert.equal(
        promptTokens(two.usage),
        (await client.messages.countTokens({ model, messages: second })).input_tokens,
      )
    })

    it('continues a prefilled answer', async () => {
      const message = await client.messages.create({
        model,
        max_tokens: 20,
        ...greedy,
        messages: [
          { role: 'user', content: 'What is the capital of France?' },
          { role: 'assistant', content: 'The capital of France is' },
        ],
      })
      assert.equal(textOf(message).trim(), 'Paris.')
    })

    it('reports the stop sequence that matched', async () => {
      const message = await client.messages.create({
        model,
        max_tokens: 100,
        ...greedy,
        stop_sequences: ['nowhere', 'lighthouse by the sea'],
        messages: [{ role: 'user', content: 'Tell me a story' }],
      })
      assert.equal(message.stop_reason, 'stop_sequence')
      assert.equal(message.stop_sequence, 'lighthouse by the sea')
      assert.ok(textOf(message).endsWith('who lived in a '))
    })

    it('pages through the models', async () => {
      const ids: string[] = []
      for await (const entry of client.models.list({ limit: 1 })) ids.push(entry.id)
      assert.deepEqual(ids.toSorted(), ['claude-local', model, 'second', 'third'])
      assert.equal((await client.models.retrieve('second')).id, 'second')
      await assert.rejects(client.models.retrieve('nobody'), Anthropic.NotFoundError)
    })

    it('frees the slot when the client aborts in mid-stream', async () => {
      const stream = client.messages.stream({
        model,
        max_tokens: 2000,
        messages: [{ role: 'user', content: 'Count from 1 to 100' }],
      })
      await new Promise((resolve) => stream.once('text', resolve))
      assert.equal(busySlots(await untilStatus(server, () => true)), 1)
      stream.abort()
      await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError)
      await untilStatus(server, (status) => busySlots(status) === 0 && status.queue.running === 0)
    })

    it('completes 8 streams on 4 slots, and mixes none', async () => {
      const words = ['apple', 'stone', 'tiger', 'piano', 'lemon', 'chair', 'banana', 'PONG']
      const answers = await Promise.all(
        words.map((word) =>
          client.messages
            .stream({
              model,
              max_tokens: 60,
              ...greedy,
              messages: [{ role: 'user', content: `Reply with the single word: ${word}` }],
            })
            .finalMessage(),
        ),
      )
      assert.deepEqual(answers.map(textOf), words)
    })

    it('fills the cache and generates nothing for max_tokens 0', async () => {
      const messages: Messages = [{ role: 'user', content: 'Say OK and remember the number 4711' }]
      const filled = await client.messages.create({ model, max_tokens: 0, messages })
      assert.deepEqual(filled.content, [])
      assert.equal(filled.stop_reason, 'max_tokens')
      assert.equal(filled.usage.output_tokens, 0)
      const next = await client.messages.create({ model, max_tokens: 1, messages })
      assert.equal(next.usage.input_tokens, 1)
    })

    it('refuses a prompt beyond the context in the words that clients act on', async () => {
      const messages: Messages = [{ role: 'user', content: 'apple river stone '.repeat(3000) }]
      const { input_tokens } = await client.messages.countTokens({ model, messages })
      await assert.rejects(client.messages.create({ model, max_tokens: 10, messages }), (error: unknown) => {
        assert.ok(error instanceof Anthropic.BadRequestError)
        const { message } = (error.error as { error: { message: string } }).error
        assert.equal(message, `prompt is too long: ${input_tokens} tokens > 4096 maximum`)
        return true
      })
    })
  })
}

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

function promptTokens(usage: Anthropic.Usage): number {
  return usage.input_tokens + (usage.cache_read_input_tokens ?? 0) + (usage.cache_creation_input_tokens ?? 0)
}
