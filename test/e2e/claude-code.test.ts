import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { MessageStream } from '@anthropic-ai/sdk/lib/MessageStream'
import {
  type Block,
  type Body,
  countRequest,
  firstMessages,
  headers,
  mainRequest,
  nextMessages,
  titleRequest,
  userIds,
} from '../fixtures/claude-code/requests.ts'
import { type RandomModelServer, startRandomModelServer } from '../support/random-model.ts'
import { busySlots, type RunningServer, startServer, untilStatus } from '../support/running-server.ts'
import { assertWholeStream, type SseEvent, sseEventsOf } from '../support/sse-events.ts'

describe('a coding client on the embedded model', () => {
  let server: RunningServer
  before(async () => {
    server = await startServer({ slots: '2' })
  })
  after(() => server.destroy())

  it('finds the server, and a model that it would show', async () => {
    const hello = await fetch(`${server.url}/api/hello`, { method: 'HEAD', redirect: 'error' })
    assert.equal(hello.status, 200)
    assert.equal(await hello.text(), '')
    const response = await fetch(`${server.url}/v1/models?limit=1000`, { headers, redirect: 'error' })
    const { data } = (await response.json()) as { data: readonly { id: string }[] }
    assert.ok(data.some(({ id }) => /claude|anthropic/.test(id)))
  })

  it('gets a thought that is signed and not told, and reads the first turn from the cache in the second', async () => {
    const messages = firstMessages('What is the capital of France?')
    const first = await answerOf(
      server,
      mainRequest({ size: 'short', billingHash: '1a2', messages, userId: userIds.text }),
    )
    const [thought] = first.content
    assert.ok(thought?.type === 'thinking')
    assert.equal(thought.thinking, '')
    assert.notEqual(thought.signature, '')
    assert.ok((first.usage.output_tokens_details?.thinking_tokens ?? 0) > 0)

    // What this model calls here, and with what, is chance, and may fill its context: the history goes on with a call of ours.
    const call = { type: 'tool_use', id: 'toolu_1', name: 'Bash', input: { command: 'cat capitals.txt' } }
    const more = nextMessages(messages, [{ ...thought }, call], 'And of Italy?')
    const second = await answerOf(server, mainRequest({ size: 'short', billingHash: 'b3c', messages: more }))
    assertMostlyCached(second, first)
  })
})

describe('a coding client with 54 KB on a model of random weights and 32k of context', () => {
  let server: RandomModelServer
  const messages = firstMessages('Why does the build fail?')
  const opening = mainRequest({ size: 'full', billingHash: '1a2', messages })
  before(async () => {
    server = await startRandomModelServer({ context: 32_768 }, { slots: '2', context: '32768' })
  })
  after(() => server.destroy())

  it('counts tokens in a burst while an answer streams, and interrupts the answer', async () => {
    assert.ok(Math.abs(JSON.stringify(opening).length - 54_000) < 2000)
    // Of the 32,000 tokens that the client would take only some are read: noise has no end before the context has.
    const stream = sseEventsOf(await post(server, opening))
    const { message } = await readUntil(stream, 'message_start')
    await readUntil(stream, 'content_block_delta')
    const counts = await Promise.all(Array.from({ length: 12 }, () => count(server, opening)))
    assert.deepEqual(new Set(counts), new Set([promptTokens(message.usage)]))
    assert.equal(busySlots(await untilStatus(server, () => true)), 1)
    await readUntil(stream, 'content_block_delta') // it goes on
    await stream.return(undefined)
    await untilStatus(server, (status) => busySlots(status) === 0 && status.queue.running === 0)
  })

  it('reads most of each turn from the cache, with a title for the conversation asked for in between and beside', async () => {
    const first = await answerOf(server, brief(opening))
    const title = await answerOf(server, titleRequest('9f9'))
    assert.equal(title.content[0]?.type, 'text')
    const moreMessages = nextMessages(messages, blocksOf(first), 'And why do the tests?')
    const [second] = await Promise.all([
      answerOf(server, brief(mainRequest({ size: 'full', billingHash: 'b3c', messages: moreMessages }))),
      answerOf(server, titleRequest('0e0')),
    ])
    assertMostlyCached(second, first)

    const lastMessages = nextMessages(moreMessages, blocksOf(second), 'Thanks!')
    const third = await answerOf(
      server,
      brief(mainRequest({ size: 'full', billingHash: 'd4e', messages: lastMessages, userId: userIds.text })),
    )
    assertMostlyCached(third, second)
  })
})

/** With an end that noise would not find by itself. */
function brief(body: Body): Body {
  return { ...body, max_tokens: 40 }
}

async function post(server: RunningServer, body: object, path = '/v1/messages?beta=true'): Promise<Response> {
  return await fetch(server.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
}

async function count(server: RunningServer, body: Body): Promise<number> {
  const response = await post(server, countRequest(body), '/v1/messages/count_tokens?beta=true')
  assert.equal(response.status, 200)
  return ((await response.json()) as { input_tokens: number }).input_tokens
}

/** A whole answer, put together by the official SDK. */
async function answerOf(server: RunningServer, body: Body): Promise<Anthropic.Message> {
  const response = await post(server, body)
  assert.equal(response.status, 200)
  const events: SseEvent[] = []
  for await (const event of sseEventsOf(response)) events.push(event)
  assertWholeStream(events)
  const lines = events.map((event) => `${JSON.stringify(event)}\n`)
  return await MessageStream.fromReadableStream(new Blob(lines).stream()).finalMessage()
}

function blocksOf({ content }: Anthropic.Message): readonly Block[] {
  return content as unknown as readonly Block[]
}

async function readUntil<Type extends SseEvent['type']>(
  stream: AsyncGenerator<SseEvent>,
  type: Type,
): Promise<Extract<SseEvent, { type: Type }>> {
  for (;;) {
    const { value, done } = await stream.next()
    if (done) throw new Error(`the stream ended before a ${type}`)
    if (value.type === type) return value as Extract<SseEvent, { type: Type }>
  }
}

function promptTokens({ input_tokens, cache_creation_input_tokens, cache_read_input_tokens }: Anthropic.Usage): number {
  return input_tokens + (cache_creation_input_tokens ?? 0) + (cache_read_input_tokens ?? 0)
}

/** All of the earlier prompt but its last tokens: some templates open an answer otherwise than they render it later. */
function assertMostlyCached({ usage }: Anthropic.Message, earlier: Anthropic.Message): void {
  const read = usage.cache_read_input_tokens ?? 0
  const before = promptTokens(earlier.usage)
  assert.ok(read >= before - 16, `read ${read} of ${before} from the cache`)
}
