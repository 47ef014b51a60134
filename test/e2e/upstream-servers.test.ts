import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import { type ProxyServer, startProxy } from '../support/proxy-server.ts'
import { transports } from '../support/running-server.ts'
import { readSseEvents, type SseEvent } from '../support/sse-events.ts'
import { describeUpstream, post, untilListed } from '../support/upstream-cases.ts'
import type { Cut } from '../support/upstreams/cut-answer.ts'
import { type Refusal, scenePrompt, type UpstreamKind } from '../support/upstreams/upstream-kind.ts'
import { upstreamKinds } from '../support/upstreams/upstream-kinds.ts'

const cuts: Readonly<Record<string, Cut>> = { 'cut at each byte': 'bytes', 'cut at random': { seed: 7 } }

async function openSubject(kind: UpstreamKind, flags: Readonly<Record<string, unknown>>, cut: Cut = 'whole') {
  const { usage, thought, thinkingTokens, counted } = kind.expected
  return {
    server: await startProxy(kind, { flags, cut }),
    model: kind.model,
    texts: {
      text: /^The capital of France is Paris, la Ville Lumière — 光の都\.$/,
      stopped: /^The capital of $/,
      answer: /^It is sunny in Paris and rainy in Rome\.$/,
      sum: /^It is 51\.$/,
      thought: thought === null ? null : new RegExp(`^${thought}$`),
    },
    usage: { ...usage, output: 12 },
    thinkingTokens,
    counted,
  }
}

const available = await transports()
for (const kind of upstreamKinds) {
  for (const transport of available) {
    describeUpstream(`${kind.name} through headend, over ${transport}`, () => openSubject(kind, { transport }))
    describeFailures(kind, transport)
  }
  for (const [name, cut] of Object.entries(cuts)) {
    describeUpstream(`${kind.name} through headend, ${name}`, () => openSubject(kind, {}, cut))
  }
}

function describeFailures(kind: UpstreamKind, transport: string): void {
  describe(`failures of ${kind.name} through headend, over ${transport}`, () => {
    let server: ProxyServer
    const ask = (scene: string) => ({
      model: kind.model,
      max_tokens: 500,
      messages: [{ role: 'user' as const, content: scenePrompt(scene) }],
    })
    before(async () => {
      server = await startProxy(kind, { flags: { transport } })
      await untilListed({ server, model: kind.model })
    })
    after(() => server.destroy())

    for (const [scene, expected] of Object.entries(kind.expected.refusals)) {
      if (scene === 'unauthorized') continue
      it(`a refusal: ${scene}`, async () => {
        await assert.rejects(server.client.messages.create(ask(scene)), isRefusal(expected))
        await assert.rejects(server.client.messages.stream(ask(scene)).finalMessage(), isRefusal(expected))
      })
    }

    it('a model that it does not have', async () => {
      const count = server.upstream.requests.length
      await assert.rejects(
        server.client.messages.create({ ...ask('text'), model: 'nobody' }),
        isRefusal({ status: 404, type: 'not_found_error', message: 'model: nobody' }),
      )
      assert.equal(server.upstream.requests.length, count, 'it was not asked')
    })

    it('an error amid a stream', async () => {
      const { type, message } = kind.expected.broken
      const stream = server.client.messages.stream(ask('broken'))
      const pieces: string[] = []
      stream.on('text', (piece) => pieces.push(piece))
      await assert.rejects(stream.finalMessage(), (error: unknown) => {
        assert.ok(error instanceof Anthropic.APIError)
        assert.equal(error.status, undefined) // the status had been sent
        assert.equal(error.type, type)
        assert.match(error.apiMessage ?? '', message)
        return true
      })
      assert.equal(pieces.join(''), 'The capital of')

      const response = await post(server.url, { ...ask('broken'), stream: true })
      const events = readSseEvents(await response.text())
      assertBrokenStream(events)
    })

    if (kind.key !== null) {
      it('a wrong key of ours', async (test) => {
        const wrong = await startProxy(kind, { key: 'sk-wrong', flags: { transport } })
        test.after(() => wrong.destroy())
        const expected = { status: 500, type: 'api_error', message: 'upstream authentication failed' }
        await assert.rejects(wrong.client.messages.create(ask('text')), isRefusal(expected))
      })
    }
  })
}

function isRefusal({ status, type, message }: Refusal): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof Anthropic.APIError)
    assert.deepEqual([error.status, error.type, error.apiMessage], [status, type, message])
    assert.equal(error.constructor, classOf(status))
    return true
  }
}

function classOf(status: number): unknown {
  const classes: Readonly<Record<number, unknown>> = {
    400: Anthropic.BadRequestError,
    404: Anthropic.NotFoundError,
    429: Anthropic.RateLimitError,
    500: Anthropic.InternalServerError,
    502: Anthropic.InternalServerError,
    529: Anthropic.OverloadedError,
  }
  return classes[status]
}

/** A stream that failed: legal up to its error event, which is the last. Blocks may be left open. */
function assertBrokenStream(events: readonly SseEvent[]): void {
  const told = events.filter(({ type }) => type !== 'ping')
  const order = told.map(({ type }) => type).join(' ')
  const block = 'content_block_start (content_block_delta )*content_block_stop '
  assert.match(order, new RegExp(`^message_start (${block})*(content_block_start (content_block_delta )*)?error$`))
}
