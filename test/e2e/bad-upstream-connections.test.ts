import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { closedPort, head, reset, respond, startBadUpstream } from '../support/bad-upstream.ts'
import { startHasty, startLineTo } from '../support/bad-upstreams/bare-servers.ts'
import { assertAnswer, assertError } from '../support/bad-upstreams/check-seen.ts'
import {
  anthropic,
  openai,
  startMisbehaving,
  streamedAnswer,
  type Wording,
} from '../support/bad-upstreams/misbehaving-upstream.ts'
import { failed } from '../support/bad-upstreams/misbehaviour.ts'
import {
  answerWell,
  type Form,
  postQuestion,
  type Seen,
  see,
  untilIdle,
} from '../support/bad-upstreams/proving-ground.ts'
import { createCertificate, hasOpenssl } from '../support/certificate.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'

const timeout = 30_000
const forms: readonly Form[] = ['streamed', 'whole']
const needsOpenssl = hasOpenssl ? false : 'openssl is not on the PATH'
const certificate = hasOpenssl ? createCertificate('/CN=localhost', 'IP:127.0.0.1') : null
const json = ['content-type: application/json']

interface Fault {
  readonly name: string
  readonly message: RegExp
  readonly skip?: string | false
  readonly timeouts?: object
  url(t: TestContext): Promise<string>
}

const faults: readonly Fault[] = [
  {
    name: 'that refuses connections',
    message: /^Upstream bad cannot be reached: the connection was refused/,
    url: async () => `http://127.0.0.1:${await closedPort()}`,
  },
  {
    name: 'whose name nobody knows',
    message: /^Upstream bad cannot be reached: the host name/,
    url: async () => `http://${'a'.repeat(64)}.invalid`, // too long for a name, so no name service is asked
  },
  {
    name: 'without TLS where its URL says so',
    message: /^Upstream bad cannot be reached: .*http and https mixed up/,
    url: async (t) => secure(await startHasty(t, () => {})),
  },
  {
    name: 'with a certificate that nobody trusts',
    message: /^Upstream bad cannot be reached: its certificate is not trusted/,
    skip: needsOpenssl,
    url: async (t) => (await startBadUpstream(t, respond('{}'), certificate)).url,
  },
  {
    name: 'with TLS where its URL does not say so',
    message: /^Upstream bad closed the connection without an answer/,
    skip: needsOpenssl,
    url: async (t) => (await startBadUpstream(t, respond('{}'), certificate)).url.replace('https:', 'http:'),
  },
  {
    name: 'that never finishes its handshake',
    message: /^Upstream bad cannot be reached: no connection within 100 ms/,
    timeouts: { connect: 100 },
    url: async (t) => secure((await startBadUpstream(t)).url),
  },
]

for (const say of [openai, anthropic]) {
  describe(`an upstream of ${say.protocol}`, () => {
    for (const { name, message, skip = false, timeouts = {}, url } of faults) {
      it(name, { timeout, skip }, async (t) => {
        const server = await startBoth(t, say, await url(t), timeouts)
        for (const form of forms) {
          assertError(await ask(server, 'alone', form), failed(502, 'api_error', message))
          assertBetter(await ask(server, 'first', form))
        }
        await untilIdle(server, 0)
      })
    }

    it('that has gone', { timeout }, async (t) => {
      const upstream = await startMisbehaving(t, () => answerWell(say))
      const line = await startLineTo(t, upstream)
      const server = await startBoth(t, say, line.url)
      await line.cut()
      for (const form of forms) {
        assertError(await ask(server, 'alone', form), failed(502, 'api_error', /the connection was refused/))
        const seen = await ask(server, 'first', form)
        assertBetter(seen)
        assert.equal(seen.headers.get('x-headend-attempts'), '2')
      }
      await untilIdle(server, 0)
    })

    it('that refuses a request before it has read it', { timeout }, async (t) => {
      const refusal = say.error('request_too_large', 'Too large for me')
      const headers = [`content-length: ${refusal.length}`, 'connection: close', ...json]
      const url = await startHasty(t, (socket) => socket.write(head(413, headers) + refusal))
      const server = await startBoth(t, say, url)
      const isRelayed = say === anthropic
      for (const form of forms) {
        const refused = failed(413, 'request_too_large', /^Too large for me$/, { isRelayed })
        // It would be too large for others, too.
        for (const model of ['alone', 'first']) assertError(await askMuch(server, model, form), refused)
      }
      await untilIdle(server, 0)
    })

    it('that answers a request before it has read it', { timeout }, async (t) => {
      const url = await startHasty(t, (socket) => {
        const body = streamedAnswer(say)
        socket.write(head(200, [`content-length: ${body.length}`, 'content-type: text/event-stream']) + body)
      })
      const server = await startBoth(t, say, url)
      const seen = await askMuch(server, 'alone', 'streamed')
      assertAnswer(seen, { text: 'Hello there' })
      await untilIdle(server, 0)
    })

    it('that never reads a request', { timeout }, async (t) => {
      const server = await startBoth(t, say, await startHasty(t, () => {}), { first_byte: 100 })
      for (const form of forms) {
        const seen = await askMuch(server, 'alone', form)
        assertError(seen, failed(504, 'timeout_error', /has not begun to answer within 100 ms/))
        assertBetter(await askMuch(server, 'first', form))
      }
      await untilIdle(server, 0)
    })
  })
}

describe('targets of several kinds', () => {
  const chains = [
    ['bad-openai', 'anthropic'],
    ['bad-anthropic', 'openai'],
    ['bad-anthropic', 'bad-openai', 'echo'],
  ]
  for (const form of forms) {
    it(`take over from each other, ${form}`, { timeout }, async (t) => {
      const bad = await startMisbehaving(t, () => reset)
      const upstreams: object[] = []
      for (const say of [openai, anthropic]) {
        const { protocol } = say
        const good = await startMisbehaving(t, () => answerWell(say))
        upstreams.push({ name: `bad-${protocol}`, url: bad.url, protocol }, { name: protocol, url: good.url, protocol })
      }
      const targetOf = (name: string) => (name === 'echo' ? { local: name } : { upstream: name })
      const models = chains.map((names) => ({ id: names.join(), targets: names.map(targetOf) }))
      const flags = { backend: 'echo', upstreamRetries: '0' }
      const server = await startServer(flags, {}, JSON.stringify({ upstreams, models }))
      t.after(() => server.destroy())
      for (const names of chains) {
        const seen = await see(await postQuestion(server.url, names.join(), form))
        const last = names.at(-1) as string
        assertAnswer(seen, { text: last === 'echo' ? `Hi, ${form}` : 'Better there' })
        assert.equal(seen.headers.get('x-headend-target'), last === 'echo' ? last : `${last}/${names.join()}`)
        assert.equal(seen.headers.get('x-headend-attempts'), String(names.length))
      }
      assert.equal(bad.requests.filter(({ line }) => line.startsWith('POST ')).length, 4)
    })
  }
})

/** The bad upstream is the only target of one model, and the first of another's two. */
async function startBoth(t: TestContext, say: Wording, url: string, timeouts: object = {}): Promise<RunningServer> {
  const { protocol } = say
  const good = await startMisbehaving(t, () => answerWell(say))
  const config = {
    upstreams: [
      { name: 'bad', url, protocol, timeouts },
      { name: 'good', url: good.url, protocol },
    ],
    models: [
      { id: 'alone', targets: [{ upstream: 'bad' }] },
      { id: 'first', targets: [{ upstream: 'bad' }, { upstream: 'good' }] },
    ],
  }
  const server = await startServer({ upstreamRetries: '0', upstreamConcurrency: '1' }, {}, JSON.stringify(config))
  t.after(() => server.destroy())
  return server
}

function secure(url: string): string {
  return url.replace('http:', 'https:')
}

async function ask(server: RunningServer, model: string, form: Form): Promise<Seen> {
  return see(await postQuestion(server.url, model, form))
}

/** More than sockets hold that nobody reads. */
async function askMuch(server: RunningServer, model: string, form: Form): Promise<Seen> {
  return see(await postQuestion(server.url, model, form, form + 'a'.repeat(12 * 1024 * 1024)))
}

/** An upstream that was down from the start may not even be tried. */
function assertBetter(seen: Seen): void {
  assertAnswer(seen, { text: 'Better there' })
  assert.equal(seen.headers.get('x-headend-target'), 'good/first')
}
