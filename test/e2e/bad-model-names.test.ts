import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { openai, startMisbehaving } from '../support/bad-upstreams/misbehaving-upstream.ts'
import { answerWell } from '../support/bad-upstreams/proving-ground.ts'
import { rawExchange, rawPost } from '../support/raw-request.ts'
import { startServer, transports } from '../support/running-server.ts'

const timeout = 3000

/** Names of models are what clients and upstreams say, and stand in a header of the answer. */
const names = ['a\r\nset-cookie: x=1', 'a\r\n\r\n<html>', 'a\nb: c', 'a\0b', 'modèle', '模型', '\ud800']

for (const transport of await transports()) {
  describe(`names of models that no header can hold, over ${transport}`, () => {
    for (const stream of [true, false]) {
      for (const name of names) {
        it(`${JSON.stringify(name)}, ${stream ? 'streamed' : 'not streamed'}`, { timeout }, async (t) => {
          const upstream = await startMisbehaving(t, () => answerWell(openai))
          const server = await startServer({ upstream: upstream.url, upstreamModels: '*', transport })
          t.after(() => server.destroy())
          const messages = [{ role: 'user', content: 'Hi' }]
          const body = JSON.stringify({ model: name, stream, max_tokens: 5, messages })
          const answer = await rawExchange(server.url, [rawPost('/v1/messages', body), body])
          const [head = '', ...rest] = answer.split('\r\n\r\n')
          const [statusLine = '', ...fields] = head.split('\r\n')
          assert.match(statusLine, /^HTTP\/1\.1 (?:200|400|404) /)
          for (const field of fields) assert.match(field, /^[\w-]+: [\x20-\x7e]*$/)
          const told = fields.map((field) => field.slice(0, field.indexOf(':')).toLowerCase())
          for (const wanted of ['request-id', 'content-type']) assert.ok(told.includes(wanted), head)
          assert.ok(told.includes('content-length') || told.includes('transfer-encoding'), head)
          assert.ok(!told.includes('set-cookie') && !told.includes('b'), head)
          assert.match(rest.join(), /Better|"type":"error"/)
        })
      }
    }
  })
}
