import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import Anthropic from '@anthropic-ai/sdk'
import type { Hold } from '../support/fake-upstream.ts'
import { startProxy } from '../support/proxy-server.ts'
import { transports, untilStatus } from '../support/running-server.ts'
import { post, untilListed } from '../support/upstream-cases.ts'
import { prompts } from '../support/upstreams/upstream-kind.ts'
import { upstreamKind } from '../support/upstreams/upstream-kinds.ts'

/** Behind how many events an answer of each kind is left: all of `text`, its first ones hold no content yet. */
const streamed: readonly Hold[] = ['before-headers', ...Array.from({ length: 16 }, (_, events) => ({ events }))]
const whole: readonly Hold[] = ['before-headers', { events: 0 }]

for (const transport of await transports()) {
  for (const name of ['vllm', 'openrouter', 'mlx-lm', 'anthropic']) {
    describe(`clients of ${name} that leave, over ${transport}`, () => {
      for (const [stream, holds] of [
        [true, streamed],
        [false, whole],
      ] as const) {
        for (const hold of holds) {
          const place = hold === 'before-headers' ? hold : `behind ${hold.events} events`
          it(`${stream ? 'streamed' : 'not streamed'}, ${place}`, { timeout: 20_000 }, () =>
            leave(name, { transport, stream, hold }),
          )
        }
      }

      it('the SDK, at the first text', { timeout: 20_000 }, async (test) => {
        const kind = upstreamKind(name)
        const server = await startProxy(kind, { flags: { transport }, hold: { events: 9 } })
        test.after(() => server.destroy())
        const next = server.upstream.nextRequest()
        const stream = server.client.messages.stream({
          model: kind.model,
          max_tokens: 100,
          messages: [{ role: 'user', content: prompts.text }],
        })
        await new Promise((resolve) => stream.once('text', resolve))
        stream.abort()
        await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError)
        await (await next).abandoned
      })
    })
  }
}

interface Leaving {
  readonly transport: string
  readonly stream: boolean
  readonly hold: Hold
}

/** The upstream says its part and waits; the client goes; the upstream sees that, and nothing of the request stays here. */
async function leave(name: string, { transport, stream, hold }: Leaving): Promise<void> {
  const kind = upstreamKind(name)
  const server = await startProxy(kind, { flags: { transport }, hold })
  try {
    await untilListed({ server, model: kind.model })
    const next = server.upstream.nextRequest()
    const client = new AbortController()
    const answer = fetchAbortable(server.url, client.signal, {
      model: kind.model,
      max_tokens: 100,
      stream,
      messages: [{ role: 'user', content: prompts.text }],
    })
    const request = await next
    await request.sent
    client.abort()
    await assert.rejects(answer, { name: 'AbortError' })
    await request.abandoned
    await untilStatus(server, ({ queue }) => queue.running === 0 && queue.waiting === 0)
    assert.equal(server.upstream.requests.length, 1, 'nobody is asked again for a client that has gone')
  } finally {
    await server.destroy()
  }
}

async function fetchAbortable(url: string, signal: AbortSignal, body: unknown): Promise<string> {
  const response = await post(url, body, {}, signal)
  return response.text()
}
