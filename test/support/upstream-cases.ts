import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import type { RunningServer } from './running-server.ts'
import { assertWholeStream, readSseEvents } from './sse-events.ts'
import { prompts } from './upstreams/upstream-kind.ts'

/** A server of headend's, and what of its upstream a client is to see. Texts of a real model are patterns. */
export interface UpstreamSubject {
  readonly server: RunningServer
  readonly model: string
  readonly texts: {
    readonly text: RegExp
    /** Of `text` when it is stopped at `France`. */
    readonly stopped: RegExp
    readonly answer: RegExp
    readonly sum: RegExp
    /** `null`: the upstream keeps its thoughts. */
    readonly thought: RegExp | null
  }
  /** Of `text`; `null`: whatever the upstream says. */
  readonly usage: { readonly input: number; readonly cached: number; readonly output: number } | null
  /** Of `thinking`; `null`: the upstream does not say. */
  readonly thinkingTokens: number | null
  /** Tokens of the prompt of `text`; `null`: some. */
  readonly counted: number | null
}

type Weather = { readonly city: string }
type Text = Exclude<keyof UpstreamSubject['texts'], 'thought'>

const weather = {
  name: 'get_weather',
  description: 'The weather of a city',
  input_schema: {
    type: 'object' as const,
    properties: { city: { type: 'string', description: 'Name of the city' } },
    required: ['city'],
    additionalProperties: false,
  },
}

/** What else belongs to some prompts. */
const special: Readonly<Record<string, Partial<Anthropic.MessageCreateParams>>> = {
  [prompts.tools]: { tools: [weather] },
  [prompts.thinking]: { max_tokens: 2000, thinking: { type: 'enabled', budget_tokens: 1024 } },
}

/**
 * What every upstream must look like to the official SDK, streamed and not.
 * @param own what an upstream that is relayed gets wrong itself, and why
 */
export function describeUpstream(
  name: string,
  open: () => Promise<UpstreamSubject>,
  own: { readonly stop?: string } = {},
): void {
  describe(name, () => {
    let subject: UpstreamSubject
    let client: Anthropic
    before(async () => {
      subject = await open()
      client = subject.server.client
      await untilListed(subject)
    })
    after(() => subject?.server.destroy())

    const ask = (prompt: string, more: Partial<Anthropic.MessageCreateParams> = {}) => ({
      model: subject.model,
      max_tokens: 500,
      messages: [{ role: 'user' as const, content: prompt }],
      ...more,
      stream: false as const,
    })
    const both = async (request: ReturnType<typeof ask>, check: (message: Anthropic.Message) => void) => {
      const message = await client.messages.create(request)
      check(message)
      const stream = client.messages.stream({ ...request, stream: true })
      const final = await stream.finalMessage()
      check(final)
      assert.equal(final.model, message.model)
    }
    const assertText = (message: Anthropic.Message, expected: Text) => {
      assert.match(textOf(message), subject.texts[expected])
      assertNoEmptyText(message)
    }

    it('text', () =>
      both(ask(prompts.text), (message) => {
        assertText(message, 'text')
        assert.equal(message.model, subject.model)
        assert.equal(message.role, 'assistant')
        assert.equal(message.stop_reason, 'end_turn')
        assert.equal(message.stop_sequence, null)
        assert.ok(message.usage.output_tokens > 0)
        if (subject.usage === null) return
        const { input_tokens: input, cache_read_input_tokens: cached, output_tokens: output } = message.usage
        assert.deepEqual({ input, cached, output }, subject.usage)
      }))

    it('a stream that keeps the grammar', async () => {
      for (const prompt of [prompts.text, prompts.tools, prompts.thinking]) {
        const body = { ...ask(prompt, special[prompt]), stream: true }
        const response = await post(subject.server.url, body)
        assert.equal(response.status, 200)
        assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
        const events = readSseEvents(await response.text())
        assertWholeStream(events)
        const start = events.find((event) => event.type === 'message_start')
        assert.ok(start !== undefined && start.message.usage.input_tokens > 0, 'the prompt is counted from the start')
        assert.equal(start.message.model, subject.model)
      }
    })

    it('parallel calls', () =>
      both(ask(prompts.tools, { tools: [weather], tool_choice: { type: 'any' } }), (message) => {
        const calls = message.content.filter((block) => block.type === 'tool_use')
        assert.deepEqual(
          calls.map(({ name, input }) => [name, input]),
          [
            ['get_weather', { city: 'Paris' }],
            ['get_weather', { city: 'Rome' }],
          ],
        )
        for (const { id } of calls) assert.match(id, /^[a-zA-Z0-9_-]+$/)
        assert.equal(new Set(calls.map(({ id }) => id)).size, 2)
        assert.equal(message.stop_reason, 'tool_use')
        assertNoEmptyText(message)
      }))

    for (const stream of [false, true]) {
      it(`a tool loop, ${stream ? 'streamed' : 'not streamed'}`, async () => {
        const cities: string[] = []
        const runner = client.beta.messages.toolRunner({
          ...ask(prompts.tools),
          messages: [{ role: 'user', content: prompts.tools }],
          stream,
          tools: [
            {
              type: 'custom',
              ...weather,
              parse: (input) => input as Weather,
              run({ city }: Weather) {
                cities.push(city)
                return city === 'Paris' ? 'sunny' : 'rainy'
              },
            },
          ],
        })
        const message = await runner.runUntilDone()
        assert.deepEqual(cities.toSorted(), ['Paris', 'Rome'])
        assert.equal(message.stop_reason, 'end_turn')
        assertText(message as unknown as Anthropic.Message, 'answer')
      })
    }

    it('thinking', () =>
      both(ask(prompts.thinking, special[prompts.thinking]), (message) => {
        assertText(message, 'sum')
        const thoughts = message.content.filter((block) => block.type === 'thinking')
        const { thought } = subject.texts
        if (thought === null) assert.deepEqual(thoughts, [])
        else assert.match(thoughts.map((block) => block.thinking).join(''), thought)
        const tokens = message.usage.output_tokens_details?.thinking_tokens ?? null
        if (subject.thinkingTokens !== null) assert.equal(tokens, subject.thinkingTokens)
      }))

    it('a stop sequence', { skip: own.stop ?? false }, () =>
      both(ask(prompts.text, { stop_sequences: ['nowhere', 'France'] }), (message) => {
        assertText(message, 'stopped')
        assert.equal(message.stop_reason, 'stop_sequence')
        assert.equal(message.stop_sequence, 'France')
      }),
    )

    it('counts tokens', async () => {
      const { model } = subject
      const { input_tokens: tokens } = await client.messages.countTokens({
        model,
        messages: [{ role: 'user', content: prompts.text }],
      })
      if (subject.counted === null) assert.ok(tokens > 5 && tokens < 50, `${tokens}`)
      else assert.equal(tokens, subject.counted)
    })

    it('lists its models', async () => {
      const ids: string[] = []
      for await (const { id } of client.models.list()) ids.push(id)
      assert.ok(ids.includes(subject.model), ids.join())
      assert.equal((await client.models.retrieve(subject.model)).id, subject.model)
    })
  })
}

/** Upstreams are asked for their models once headend listens; each question is an event of its own, nothing waits for time. */
export async function untilListed({ server, model }: Pick<UpstreamSubject, 'server' | 'model'>): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const page = await server.client.models.list({ limit: 1000 })
    if (page.data.some(({ id }) => id === model)) return
  }
  throw new Error(`${model} was never listed`)
}

export function post(
  url: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal: AbortSignal | null = null,
): Promise<Response> {
  return fetch(`${url}/v1/messages`, {
    method: 'POST',
    signal,
    headers: { 'content-type': 'application/json', 'anthropic-version': '2023-06-01', ...headers },
    body: JSON.stringify(body),
  })
}

/** A client that sends one back is refused. */
function assertNoEmptyText({ content }: Pick<Anthropic.Message, 'content'>): void {
  assert.ok(content.every((block) => block.type !== 'text' || block.text.trim() !== ''))
}

function textOf(message: Pick<Anthropic.Message, 'content'>): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}

/** What the embedded model says to the prompts above; its counts are compared elsewhere. */
export const embeddedAnswers = {
  texts: {
    text: /^The capital of France is Paris\.$/,
    stopped: /^The capital of $/,
    answer: /\S/,
    sum: /\S/,
    thought: /\S/,
  },
  usage: null,
  thinkingTokens: null,
  counted: null,
} as const
