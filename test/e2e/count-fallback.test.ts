import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closedPort } from '../support/bad-upstream.ts'
import { startServer } from '../support/running-server.ts'

test('tokens are counted by the next target when the first is down', async (t) => {
  const url = `http://127.0.0.1:${await closedPort()}`
  const down = { upstream: 'down', model: 'x' }
  const file = {
    upstreams: [{ name: 'down', url, protocol: 'anthropic' }],
    models: [
      { id: 'helped', targets: [down, { local: 'echo' }] },
      { id: 'alone', targets: [down] },
    ],
  }
  const server = await startServer({ backend: 'echo' }, {}, JSON.stringify(file))
  t.after(() => server.destroy())
  const messages = [{ role: 'user' as const, content: 'How many tokens are these?' }]
  const { messages: api } = server.client
  const counted = await api.countTokens({ model: 'helped', messages })
  const byEcho = await api.countTokens({ model: 'echo', messages })
  assert.equal(counted.input_tokens, byEcho.input_tokens)
  await assert.rejects(api.countTokens({ model: 'alone', messages }), { status: 502 })
})
