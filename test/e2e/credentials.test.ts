import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { answerOf, ask, bothProtocols, refusalOf, type Scope, startRouted } from '../support/routed-server.ts'
import { cuts, refuses, type ScriptedRequest, says, startScriptedUpstream } from '../support/scripted-upstream.ts'

const ours = 'sk-ours-0123456789abcdef'
const theirs = 'sk-of-the-client-0123456789'

/** What a client may show: either header, or both. */
const shown = [
  { 'x-api-key': theirs },
  { authorization: `Bearer ${theirs}` },
  { 'x-api-key': theirs, authorization: `Bearer ${theirs}` },
]

/** Where the key of this protocol stands. */
function keyOf({ headers }: ScriptedRequest, protocol: string): unknown {
  return protocol === 'openai' ? headers.authorization : headers['x-api-key']
}

function inHeader(key: string, protocol: string): string {
  return protocol === 'openai' ? `Bearer ${key}` : key
}

/** Everything that went up. */
function sent({ path, headers, body }: ScriptedRequest): string {
  return JSON.stringify([path, headers, body])
}

function keyFile(t: Scope, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'headend-key-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'upstream.key')
  writeFileSync(file, text, { mode: 0o600 })
  return file
}

for (const protocol of bothProtocols) {
  describe(`the key of an upstream, ${protocol}`, { concurrency: 4 }, () => {
    const ways: readonly (readonly [way: string, start: (t: Scope, url: string) => ReturnType<typeof startRouted>])[] =
      [
        [
          'HEADEND_UPSTREAM_KEY',
          (t, upstream) =>
            startRouted(t, {
              flags: { upstream, upstreamProtocol: protocol, upstreamModels: ['*'] },
              env: { HEADEND_UPSTREAM_KEY: ours },
            }),
        ],
        [
          '--upstream-key-file',
          (t, upstream) => {
            const upstreamKeyFile = keyFile(t, `${ours}\n`)
            return startRouted(t, {
              flags: { upstream, upstreamProtocol: protocol, upstreamModels: ['*'], upstreamKeyFile },
            })
          },
        ],
        [
          'key_env',
          (t, url) =>
            startRouted(t, {
              upstreams: [{ name: 'up', url, protocol, models: ['*'], key_env: 'SOME_KEY' }],
              env: { SOME_KEY: ours },
            }),
        ],
        [
          'key_file',
          (t, url) =>
            startRouted(t, {
              upstreams: [{ name: 'up', url, protocol, models: ['*'], key_file: keyFile(t, `${ours}\n`) }],
            }),
        ],
      ]
    for (const [way, start] of ways) {
      it(`of ${way} goes up, and nothing of what the client showed`, async (t) => {
        const upstream = await startScriptedUpstream(t)
        const server = await start(t, upstream.url)
        for (const headers of [{}, ...shown]) {
          for (const stream of [false, true]) {
            await answerOf(server, { stream, headers: { ...headers, cookie: theirs, 'proxy-authorization': theirs } })
            const request = await upstream.nextRequest()
            assert.equal(keyOf(request, protocol), inHeader(ours, protocol))
            assert.ok(!sent(request).includes(theirs))
          }
        }
      })
    }

    it('there is none where none is set, whatever the client showed', async (t) => {
      const upstream = await startScriptedUpstream(t)
      const server = await startRouted(t, {
        flags: { upstream: upstream.url, upstreamProtocol: protocol, upstreamModels: ['*'] },
      })
      for (const headers of shown) {
        await answerOf(server, { headers })
        const request = await upstream.nextRequest()
        assert.deepEqual([request.headers.authorization, request.headers['x-api-key']], [undefined, undefined])
      }
    })

    it('is shown to its own upstream only, also when another one stands in', async (t) => {
      const [first, second, third] = await Promise.all([1, 2, 3].map(() => startScriptedUpstream(t)))
      assert.ok(first && second && third)
      first.otherwise = refuses(503)
      second.otherwise = cuts
      const server = await startRouted(t, {
        env: { FIRST: 'first-key', SECOND: 'second-key' },
        upstreams: [
          { name: 'first', url: first.url, protocol, key_env: 'FIRST', headers: { 'x-team': 'first-team' } },
          { name: 'second', url: second.url, protocol, key_env: 'SECOND' },
          { name: 'third', url: third.url, protocol },
        ],
        models: [{ id: 'm', targets: [{ upstream: 'first' }, { upstream: 'second' }, { upstream: 'third' }] }],
      })
      await answerOf(server, { headers: { authorization: `Bearer ${theirs}` } })
      const requests = await Promise.all([first, second, third].map((upstream) => upstream.nextRequest()))
      const [one, two, three] = requests.map(sent)
      assert.match(one ?? '', /first-key.*first-team|first-team.*first-key/)
      assert.doesNotMatch(two ?? '', /first-key|first-team/)
      assert.match(two ?? '', /second-key/)
      assert.doesNotMatch(three ?? '', /-key"|first-team|Bearer/)
    })

    for (const status of [301, 302, 307, 308]) {
      it(`follows no redirect (${status}), to nobody`, async (t) => {
        const elsewhere = await startScriptedUpstream(t)
        const upstream = await startScriptedUpstream(t, {
          otherwise: ({ response, path }) =>
            void response.writeHead(status, { location: `${elsewhere.url}${path}?key=${ours}` }).end(),
        })
        const server = await startRouted(t, {
          flags: { upstream: upstream.url, upstreamProtocol: protocol, upstreamModels: ['*'] },
          env: { HEADEND_UPSTREAM_KEY: ours },
        })
        const refusal = await refusalOf(ask(server))
        assert.deepEqual([refusal.status, refusal.type], [502, 'api_error'])
        assert.match(refusal.message, /redirect \(\d+\), and headend follows none/)
        assert.ok(!refusal.message.includes(elsewhere.url) && !refusal.message.includes(ours))
        assert.equal(refusal.headers.get('location'), null)
        assert.deepEqual([elsewhere.requests.length, elsewhere.listings], [0, 0])
      })
    }

    it('that is wrong is no business of the client', async (t) => {
      const upstream = await startScriptedUpstream(t, { otherwise: refuses(401, `Incorrect API key: ${ours}`) })
      const server = await startRouted(t, {
        flags: { upstream: upstream.url, upstreamProtocol: protocol, upstreamModels: ['*'] },
        env: { HEADEND_UPSTREAM_KEY: ours },
      })
      const { status, type, message } = await refusalOf(ask(server))
      assert.deepEqual([status, type, message], [500, 'api_error', 'upstream authentication failed'])
    })
  })

  describe(`credentials that pass through, ${protocol}`, { concurrency: 4 }, () => {
    const start = async (t: Scope) => {
      const upstream = await startScriptedUpstream(t)
      const flags = { upstream: upstream.url, upstreamProtocol: protocol, upstreamModels: ['*'] }
      return { upstream, server: await startRouted(t, { flags: { ...flags, upstreamPassThrough: 'true' } }) }
    }

    it('are the one that the client showed, as this upstream wants it, and no other', async (t) => {
      const { upstream, server } = await start(t)
      for (const headers of shown) {
        for (const stream of [false, true]) {
          await answerOf(server, { stream, headers: { ...headers, cookie: 'a=b' } })
          const request = await upstream.nextRequest()
          const { authorization, 'x-api-key': key, cookie } = request.headers
          const isBearer = protocol === 'openai' || headers['x-api-key'] === undefined
          const expected = isBearer ? [`Bearer ${theirs}`, undefined] : [undefined, theirs]
          assert.deepEqual([authorization, key, cookie], [...expected, undefined])
        }
      }
    })

    it('of one client are not shown for another', async (t) => {
      const { upstream, server } = await start(t)
      for (const key of ['one', 'two', 'three']) {
        await answerOf(server, { headers: { authorization: `Bearer ${key}` } })
        assert.equal((await upstream.nextRequest()).headers.authorization, `Bearer ${key}`)
      }
      await answerOf(server)
      const { headers } = await upstream.nextRequest()
      assert.deepEqual([headers.authorization, headers['x-api-key']], [undefined, undefined])
    })

    for (const [status, type] of [
      [401, 'authentication_error'],
      [403, 'permission_error'],
    ] as const) {
      it(`that are refused (${status}) are the business of the client: it hears what the upstream says`, async (t) => {
        const { upstream, server } = await start(t)
        const body = { type: 'error', error: { type, message: 'no such key' }, of_theirs: 1 }
        upstream.otherwise =
          protocol === 'openai'
            ? refuses(status, 'no such key')
            : ({ response }) =>
                void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
        const response = await ask(server, { headers: { 'x-api-key': theirs } })
        assert.equal(response.status, status)
        const told = (await response.json()) as typeof body
        if (protocol === 'anthropic') assert.deepEqual(told, body, 'as it came')
        else assert.deepEqual([told.error.type, told.error.message], [type, 'no such key'])
        assert.equal(upstream.requests.length, 1)
      })
    }

    it('reach no target that they are not for', async (t) => {
      const [passing, keyed] = await Promise.all([startScriptedUpstream(t), startScriptedUpstream(t)])
      passing.otherwise = refuses(503)
      keyed.otherwise = says('keyed')
      const server = await startRouted(t, {
        env: { KEY: ours },
        upstreams: [
          { name: 'passing', url: passing.url, protocol, pass_through: true },
          { name: 'keyed', url: keyed.url, protocol, key_env: 'KEY' },
        ],
        models: [{ id: 'm', targets: [{ upstream: 'passing' }, { upstream: 'keyed' }] }],
      })
      assert.equal((await answerOf(server, { headers: { authorization: `Bearer ${theirs}` } })).text, 'keyed')
      const [up, other] = await Promise.all([passing.nextRequest(), keyed.nextRequest()])
      assert.ok(sent(up).includes(theirs) && !sent(up).includes(ours))
      assert.ok(sent(other).includes(ours) && !sent(other).includes(theirs))
    })
  })
}
