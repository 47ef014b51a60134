import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { type RandomModelServer, startRandomModelServer } from '../support/random-model.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'

/** Families joined by U+200D, a flag, a skin tone, combining marks, a script without spaces, two and four bytes. */
const hard = '👩‍👩‍👧 🇯🇵 👍🏽 he\u0301llo 日本語 Grüße 𝔘'
const broken = '\ufffd'

describe('characters that a model writes in pieces', () => {
  let server: RandomModelServer
  before(async () => {
    server = await startRandomModelServer({}, { slots: '4', context: '2048' })
  })
  after(() => server.destroy())

  it('arrive whole in text, and only whole', async () => {
    for (let time = 0; time < 10; time++) {
      const { deltas, final } = await streamed(server, noise(constant({ text: hard })))
      assert.deepEqual(JSON.parse(deltas.join('')), { text: hard })
      assertWholeCharacters(deltas)
      assert.ok(final.usage.output_tokens > deltas.length + 5, 'the model splits characters here')
    }
  })

  it('arrive whole in the input of a call', async () => {
    const input_schema = { type: 'object' as const, properties: { [hard]: { enum: [hard] } }, required: [hard] }
    const request = noise({
      tools: [{ name: 'say', input_schema }],
      tool_choice: { type: 'any', disable_parallel_tool_use: true },
    })
    const { deltas, final } = await streamed(server, request)
    const [call] = final.content
    assert.deepEqual(call?.type === 'tool_use' && call.input, { [hard]: hard })
    assertWholeCharacters(deltas)
  })

  it('become U+FFFD at the end of a cut answer and nowhere else', async () => {
    let brokenTails = 0
    for (let max_tokens = 1; max_tokens <= 40; max_tokens++) {
      const { deltas } = await streamed(server, noise({ ...constant(hard), max_tokens }))
      assertWholeCharacters(deltas)
      const [, before = '', tail = ''] = /^(.*?)(\ufffd*)$/s.exec(deltas.join('')) ?? []
      assert.ok(JSON.stringify(hard).startsWith(before), before)
      if (tail !== '') brokenTails++
    }
    assert.ok(brokenTails > 0, 'no limit fell into a character')
  })

  it('are cut by a stop sequence between them, never inside one', async () => {
    const { deltas, final } = await streamed(server, noise({ ...constant(hard), stop_sequences: ['本語'] }))
    assert.equal(final.stop_sequence, '本語')
    assert.equal(deltas.join(''), JSON.stringify(hard).split('本語')[0])
    assertWholeCharacters(deltas)
    const lastHalf = '👧'.slice(1)
    await assert.rejects(streamed(server, noise({ stop_sequences: [lastHalf] })), /stop_sequences\.0: /)
  })
})

describe('characters on the embedded model', () => {
  let server: RunningServer
  before(async () => {
    server = await startServer({ slots: '1' })
  })
  after(() => server.destroy())

  it('come back as they were sent', async () => {
    for (const text of ['héllo', 'Grüße', '日本']) {
      assert.equal(textOf(await whole(server, say(`Reply with exactly: ${text}`))), text)
    }
  })

  it('are the same streamed and not, when the model makes noise of them, too', async () => {
    let brokenTexts = 0
    for (const words of [hard, '👩‍👩‍👧', '👍🏽', '🇯🇵', 'he\u0301llo', '日本語']) {
      const request = say(`Reply with the single word: ${words}`)
      // Both then read the prompt from the cache: read in other pieces, it would be rounded otherwise.
      await whole(server, { ...request, max_tokens: 0 })
      const text = textOf(await whole(server, request))
      const { deltas } = await streamed(server, request)
      assert.equal(deltas.join(''), text)
      assertWholeCharacters(deltas)
      if (text.includes(broken)) brokenTexts++
    }
    assert.ok(brokenTexts > 0, 'this noise has no broken characters')
  })
})

type Request = Anthropic.MessageCreateParamsNonStreaming

/** Of a model of random weights, which writes whatever its grammar allows, in pieces of its own choice. */
function noise(overrides: Partial<Request>): Request {
  return { model: 'random', max_tokens: 400, messages: [{ role: 'user', content: 'Hello!' }], ...overrides }
}

function constant(value: unknown): Partial<Request> {
  return { output_config: { format: { type: 'json_schema', schema: { const: value } } } }
}

function say(content: string): Request & { readonly temperature: number } {
  return { model: 'headend-tiny', max_tokens: 60, temperature: 0, messages: [{ role: 'user', content }] }
}

async function whole({ client }: RunningServer, request: Request): Promise<Anthropic.Message> {
  return await client.messages.create(request)
}

interface Streamed {
  /** Of texts and of inputs. */
  readonly deltas: readonly string[]
  readonly final: Anthropic.Message
}

async function streamed({ client }: RunningServer, request: Request): Promise<Streamed> {
  const stream = client.messages.stream(request)
  const deltas: string[] = []
  stream.on('text', (delta) => deltas.push(delta))
  stream.on('inputJson', (delta) => deltas.push(delta))
  return { final: await stream.finalMessage(), deltas }
}

function assertWholeCharacters(deltas: readonly string[]): void {
  for (const delta of deltas) assert.doesNotMatch(delta, /\p{Surrogate}/u, JSON.stringify(deltas))
}

function textOf(message: Anthropic.Message): string {
  return message.content.map((block) => (block.type === 'text' ? block.text : '')).join('')
}
