import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { answerOf, ask, refusalOf, startRouted } from '../support/routed-server.ts'
import type { RunningServer } from '../support/running-server.ts'
import { type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts'
import { readSseEvents } from '../support/sse-events.ts'

const map = [
  { anthropic_id: 'claude-a', model: 'Qwen/a', max_tokens: 50, supports_streaming: false, display_name: 'A, here' },
  { anthropic_id: 'claude-b', sf_model: 'Qwen/b', max_tokens: 4096, supports_streaming: true },
]

type Protocol = 'openai' | 'anthropic'

/** One upstream, and a model map for it. */
async function startMapped(
  t: TestContext,
  modelMap: string,
  protocol: Protocol = 'openai',
): Promise<{ upstream: ScriptedUpstream; server: RunningServer }> {
  const upstream = await startScriptedUpstream(t)
  const flags = { upstream: upstream.url, upstreamProtocol: protocol, modelMap }
  return { upstream, server: await startRouted(t, { flags }) }
}

describe('a model map', () => {
  const forms: readonly (readonly [name: string, write: (t: TestContext) => string])[] = [
    ['as a file', (t) => writeMap(t, JSON.stringify(map))],
    ['as a file with white space in front', (t) => writeMap(t, `\n  ${JSON.stringify(map, null, 2)}\n`)],
    ['as the list itself', () => JSON.stringify(map)],
  ]
  for (const [name, write] of forms) {
    it(`${name}: both words for the name at the upstream, and the name that was asked for comes back`, async (t) => {
      const { upstream, server } = await startMapped(t, write(t))
      for (const [id, model] of [
        ['claude-a', 'Qwen/a'],
        ['claude-b', 'Qwen/b'],
      ] as const) {
        for (const stream of [false, true]) {
          assert.equal((await answerOf(server, { model: id, stream })).model, id)
          assert.equal((await upstream.nextRequest()).body.model, model)
        }
      }
      const { data } = await server.client.models.list()
      const shown = data.map(({ id, display_name, max_tokens }) => [id, display_name, max_tokens])
      assert.deepEqual(shown, [
        ['claude-a', 'A, here', 50],
        ['claude-b', 'claude-b', 4096],
      ])
    })
  }

  for (const protocol of ['openai', 'anthropic'] as const) {
    it(`max_tokens: what is larger is lowered, ${protocol}`, async (t) => {
      const { upstream, server } = await startMapped(t, JSON.stringify(map), protocol)
      for (const [asked, sent] of [
        [1000, 50],
        [20, 20],
      ]) {
        await answerOf(server, { model: 'claude-a', body: { max_tokens: asked } })
        assert.equal((await upstream.nextRequest()).body.max_tokens, sent)
      }
    })

    it(`supports_streaming: false still streams to the client, ${protocol}`, async (t) => {
      const { upstream, server } = await startMapped(t, JSON.stringify(map), protocol)
      assert.equal((await answerOf(server, { model: 'claude-a', stream: true })).text, 'hello')
      assert.notEqual((await upstream.nextRequest()).body.stream, true)
      await answerOf(server, { model: 'claude-b', stream: true })
      assert.equal((await upstream.nextRequest()).body.stream, true)
    })

    it(`an upstream that answers whole all the same still streams to the client, ${protocol}`, async (t) => {
      const { upstream, server } = await startMapped(t, JSON.stringify(map), protocol)
      upstream.script((request) => {
        const whole = { ...request.body, stream: false }
        Object.assign(request, { body: whole })
        request.answer('whole')
      })
      const response = await ask(server, { model: 'claude-b', stream: true })
      assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
      assert.equal(readSseEvents(await response.text()).at(-1)?.type, 'message_stop')
    })
  }
})

describe('what an entry of the file says besides', () => {
  const system = 'You are terse.'

  for (const protocol of ['openai', 'anthropic'] as const) {
    it(`system goes in front of the client's own, ${protocol}`, async (t) => {
      const upstream = await startScriptedUpstream(t)
      const server = await startRouted(t, {
        upstreams: [{ name: 'up', url: upstream.url, protocol }],
        models: [{ id: 'm', system, targets: [{ upstream: 'up' }] }],
      })
      for (const stream of [false, true]) {
        const answer = await answerOf(server, { stream, body: { system: 'Be kind.' } })
        assert.deepEqual([answer.text, answer.model], ['hello', 'm'])
        assert.deepEqual(systemOf((await upstream.nextRequest()).body, protocol), [system, 'Be kind.'])
      }
      await answerOf(server)
      assert.deepEqual(systemOf((await upstream.nextRequest()).body, protocol), [system])
    })
  }

  it('without a preset an upstream of the same protocol gets the bytes of the client', async (t) => {
    const upstream = await startScriptedUpstream(t)
    const server = await startRouted(t, {
      upstreams: [{ name: 'up', url: upstream.url, protocol: 'anthropic' }],
      models: [{ id: 'm', targets: [{ upstream: 'up', model: 'theirs' }] }],
    })
    await answerOf(server, { body: { unheard_of: { 1: [null] }, system: [{ type: 'text', text: 'x', odd: 1 }] } })
    const { body } = await upstream.nextRequest()
    assert.deepEqual([body.model, body.unheard_of], ['theirs', { 1: [null] }])
    assert.deepEqual(body.system, [{ type: 'text', text: 'x', odd: 1 }])
  })

  it('quirks of a target reach the request, over those of the model and of the upstream', async (t) => {
    const upstream = await startScriptedUpstream(t)
    const server = await startRouted(t, {
      upstreams: [
        { name: 'up', url: upstream.url, quirks: { system_role: 'developer', extra_body: { from: 'upstream' } } },
      ],
      models: [
        {
          id: 'm',
          quirks: { max_tokens_field: 'max_completion_tokens', extra_body: { from: 'model' } },
          targets: [{ upstream: 'up', quirks: { extra_body: { from: 'target' }, output_tokens_max: 9 } }],
        },
        { id: 'n', targets: [{ upstream: 'up', quirks: { images: false } }] },
      ],
    })
    await answerOf(server, { body: { system: 'x' } })
    const { body } = await upstream.nextRequest()
    assert.deepEqual([body.from, body.max_completion_tokens, body.max_tokens], ['target', 9, undefined])
    assert.deepEqual((body.messages as object[])[0], { role: 'developer', content: 'x' })

    await answerOf(server, { model: 'n', body: { system: 'x' } })
    const other = (await upstream.nextRequest()).body
    assert.deepEqual([other.from, other.max_tokens], ['upstream', 100])
    const source = { type: 'base64', media_type: 'image/png', data: 'AAAA' }
    const messages = [{ role: 'user', content: [{ type: 'image', source }] }]
    const { status, message } = await refusalOf(ask(server, { model: 'n', body: { messages } }))
    assert.equal(status, 400)
    assert.match(message, /^messages\.0\.content\.0: .*images/)
    assert.equal(upstream.requests.length, 2)
  })
})

function systemOf(body: Readonly<Record<string, unknown>>, protocol: Protocol): readonly string[] {
  if (protocol === 'anthropic') {
    const told = body.system as string | { text: string }[]
    return typeof told === 'string' ? told.split('\n\n') : told.map(({ text }) => text)
  }
  const [first] = body.messages as { role: string; content: string }[]
  assert.equal(first?.role, 'system')
  return first.content.split('\n\n')
}

function writeMap(t: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'headend-map-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'models.json')
  writeFileSync(file, text)
  return file
}
