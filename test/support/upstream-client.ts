import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import type { TestContext } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createUpstreamClient, type UpstreamClient } from '../../src/backends/upstream/client.ts'
import type { UpstreamSettings } from '../../src/backends/upstream/settings.ts'
import type { UpstreamRequest } from '../../src/backends/upstream/upstream-request.ts'
import type { BadUpstream } from './bad-upstream.ts'
import { upstreamSettings } from './upstream-settings.ts'

export interface ClientUnderTest extends UpstreamClient {
  readonly abort: AbortController
  /** A request that `abort` ends. */
  ask(changes?: Partial<UpstreamRequest>): ReturnType<UpstreamClient['send']>
}

export function startClient(
  t: TestContext,
  upstream: { readonly url: string },
  changes: Partial<UpstreamSettings> = {},
): ClientUnderTest {
  const client = createUpstreamClient(upstreamSettings(upstream.url, changes))
  const abort = new AbortController()
  t.after(() => client.destroy())
  return {
    abort,
    ask: (request) =>
      client.send({
        method: 'POST',
        path: '/v1/chat/completions',
        headers: [],
        body: '{}',
        signal: abort.signal,
        streams: true,
        ...request,
      }),
    send: (request) => client.send(request),
    get connections() {
      return client.connections
    },
    close: () => client.close(),
    destroy: () => client.destroy(),
  }
}

/** The text of a body, as it comes. */
export async function readText(pump: (onBytes: (bytes: Uint8Array) => null) => Promise<void>): Promise<string> {
  const pieces: Uint8Array[] = []
  await pump((bytes) => {
    pieces.push(bytes)
    return null
  })
  return Buffer.concat(pieces).toString()
}

/** Lets the event loop turn until it is so. */
export async function until(holds: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 10_000
  while (!holds()) {
    assert.ok(performance.now() < deadline, `it never came to this: ${what}`)
    await setImmediate()
  }
}

/** A failed request leaves no socket on either side, and nothing on its signal. */
export async function assertNothingLeft(client: ClientUnderTest, upstream: BadUpstream | null): Promise<void> {
  await upstream?.allClosed()
  await until(() => client.connections === 0, 'the client has no connections')
  assert.equal(getEventListeners(client.abort.signal, 'abort').length, 0)
}
