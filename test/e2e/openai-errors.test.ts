import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import type { Completion } from '../../src/wire/openai-reply.ts'
import { assembleChunks, readChunks } from '../support/chat-chunks.ts'
import { bothProtocols, startRouted } from '../support/routed-server.ts'
import { type RunningServer, startServer, transports } from '../support/running-server.ts'
import { refuses, type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts'

const valid = { model: 'echo', messages: [{ role: 'user', content: 'hi' }] }

interface Refused {
  readonly status: number
  readonly headers: Headers
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  readonly message: string
}

/** A refusal in the shape of the OpenAI API, and nothing else. */
async function refusalOf(asked: Promise<Response>): Promise<Refused> {
  const response = await asked
  assert.match(response.headers.get('content-type') ?? '', /^application\/json/)
  assert.equal(response.headers.get('x-request-id'), response.headers.get('request-id'))
  const body = (await response.json()) as { readonly error: Refused }
  assert.deepEqual(Object.keys(body), ['error'])
  assert.deepEqual(Object.keys(body.error), ['message', 'type', 'param', 'code'])
  assert.equal(typeof body.error.message, 'string')
  return { ...body.error, status: response.status, headers: response.headers }
}

for (const transport of await transports()) {
  describe(`refusals of chat completions, over ${transport}`, () => {
    let server: RunningServer
    before(async () => {
      server = await startServer(
        { backend: 'echo', transport, bodyBytesMax: '2000', pathPrefix: '/openai' },
        { HEADEND_API_KEY: 'the-key-of-this-test' },
      )
    })
    after(() => server.destroy())

    const key = { authorization: 'Bearer the-key-of-this-test' }
    const post = (body: unknown, headers: Readonly<Record<string, string>> = key, path = '/v1/chat/completions') =>
      fetch(`${server.url}${path}`, {
        method: 'POST',
        headers,
        body: typeof body === 'string' ? body : JSON.stringify(body),
      })

    const cases: Readonly<
      Record<string, readonly [body: unknown, status: number, type: string, param: string | null, code: string | null]>
    > = {
      'a body that is no JSON': ['{', 400, 'invalid_request_error', null, null],
      'a field of the wrong kind': [{ ...valid, n: 'x' }, 400, 'invalid_request_error', 'n', null],
      'an unknown model': [{ ...valid, model: 'nobody', n: 2 }, 404, 'not_found_error', 'model', 'model_not_found'],
      'two choices': [{ ...valid, n: 2 }, 400, 'invalid_request_error', 'n', null],
      'too large a body': ['x'.repeat(3000), 413, 'invalid_request_error', null, null],
    }
    for (const [name, [body, status, type, param, code]] of Object.entries(cases)) {
      it(name, async () => {
        const refused = await refusalOf(post(body))
        assert.deepEqual(
          [refused.status, refused.type, refused.param, refused.code],
          [status, type, param, code],
          refused.message,
        )
      })
    }

    it('no key, and a wrong one, before anything else', async () => {
      for (const headers of [{}, { authorization: 'Bearer wrong' }]) {
        const refused = await refusalOf(post('{', headers))
        assert.deepEqual([refused.status, refused.type, refused.code], [401, 'authentication_error', 'invalid_api_key'])
      }
    })

    it('a foreign page', async (t) => {
      const open = await startServer({ backend: 'echo', transport })
      t.after(() => open.destroy())
      const headers = { origin: 'https://evil.example' }
      const asked = fetch(`${open.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify(valid) })
      const { status, type } = await refusalOf(asked)
      assert.deepEqual([status, type], [403, 'invalid_request_error'])
    })

    it('a wrong method, also under a prefix', async () => {
      for (const path of ['/v1/chat/completions', '/openai/v1/chat/completions']) {
        const { status, type, headers } = await refusalOf(fetch(`${server.url}${path}`))
        assert.deepEqual([status, type, headers.get('allow')], [405, 'invalid_request_error', 'POST'])
      }
    })

    it('routes that are still to come', async () => {
      for (const path of ['/v1/embeddings', '/v1/responses']) {
        const refused = await refusalOf(post(valid, key, path))
        assert.deepEqual([refused.status, refused.type], [404, 'not_found_error'])
        assert.match(refused.message, /use POST \/v1\/chat\/completions$/)
      }
    })

    it('other routes keep the shape of the Messages API', async () => {
      for (const path of ['/v1/nothing', '/v1/messages']) {
        const body = (await (await fetch(`${server.url}${path}`)).json()) as { readonly type: string }
        assert.equal(body.type, 'error')
      }
    })
  })
}

for (const protocol of bothProtocols) {
  describe(`an upstream of the ${protocol} protocol, to clients of chat completions`, () => {
    async function start(
      t: TestContext,
    ): Promise<{ upstream: ScriptedUpstream; ask: (more?: object) => Promise<Response> }> {
      const upstream = await startScriptedUpstream(t)
      const server = await startRouted(t, {
        upstreams: [{ name: 'up', url: upstream.url, protocol }],
        models: [{ id: 'm', targets: [{ upstream: 'up', model: 'one' }] }],
      })
      const ask = (more: object = {}): Promise<Response> =>
        fetch(`${server.url}/v1/chat/completions`, {
          method: 'POST',
          body: JSON.stringify({ ...valid, model: 'm', ...more }),
        })
      return { upstream, ask }
    }

    it('answers, whole and streamed, under the name that was asked for', async (t) => {
      const { upstream, ask } = await start(t)
      const whole = (await (await ask()).json()) as Completion
      assert.deepEqual([whole.model, whole.choices[0].message.content], ['m', 'hello'])
      const read = readChunks(await (await ask({ stream: true })).text())
      assert.equal(assembleChunks(read).text, 'hello')
      assert.deepEqual(
        upstream.requests.map(({ body }) => body.model),
        ['one', 'one'],
      )
    })

    it('fails before its answer: a status, 503 for 529, and what to wait', async (t) => {
      const { upstream, ask } = await start(t)
      for (const stream of [false, true]) {
        upstream.script(refuses(529, 'busy', { 'retry-after': '9' }))
        const refused = await refusalOf(ask({ stream }))
        assert.deepEqual([refused.status, refused.type, refused.message], [503, 'server_error', 'busy'])
        assert.equal(refused.headers.get('retry-after'), '9')
        assert.equal(refused.headers.get('x-headend-target'), 'up/one')
      }
    })

    it('fails amid its answer: an error is the last frame, and the stream is not done', async (t) => {
      const { upstream, ask } = await start(t)
      upstream.script((request) => request.begin().say('hel').cut())
      const { deltas, isDone, error } = readChunks(await (await ask({ stream: true })).text())
      assert.equal(deltas.map(({ content = '' }) => content).join(''), 'hel')
      assert.deepEqual([isDone, error?.type, error?.param, error?.code], [false, 'server_error', null, null])
    })
  })
}
