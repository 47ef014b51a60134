import { setImmediate } from 'node:timers/promises'
import { createUpstreamClient } from '../../src/backends/upstream/client.ts'
import { upstreamSettings } from './upstream-settings.ts'

// A process of its own, as some of what a client does is settled when Node starts: asks a URL so many times, and prints the answers.
const [url = '', times = '1'] = process.argv.slice(2)
const client = createUpstreamClient(upstreamSettings(url))
const { signal } = new AbortController()

for (let asked = 0; asked < Number(times); asked++) {
  const request = { method: 'GET', path: '/v1/models', headers: [], body: null, signal, streams: false } as const
  const response = await client.send(request)
  process.stdout.write(`${Buffer.from(await response.whole(1000)).toString()}\n`)
  await setImmediate() // undici looks at the socket once more before it is used again
}
await client.close()
