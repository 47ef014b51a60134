import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { closedPort } from '../support/bad-upstream.ts'
import { answerOf, ask, refusalOf, startRouted, suiteScope, untilRouted } from '../support/routed-server.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'
import { type ScriptedUpstream, startScriptedUpstream } from '../support/scripted-upstream.ts'

describe('a name leads to a model', () => {
  let near: ScriptedUpstream
  let far: ScriptedUpstream
  let server: RunningServer
  const suite = suiteScope()
  before(async () => {
    near = await startScriptedUpstream(suite, { models: ['qwen3', 'org/llama', 'sonnet-dated'] })
    far = await startScriptedUpstream(suite, { models: ['qwen3', 'hidden'] })
    server = await startRouted(suite, {
      upstreams: [
        { name: 'near', url: near.url, expose: true, models: ['gpt-*'] },
        { name: 'far', url: far.url },
      ],
      models: [
        { id: 'sonnet', aliases: ['sonnet-*', 'the-best'], targets: [{ upstream: 'far', model: 'Qwen/Qwen3-32B' }] },
        { id: 'org/named', targets: [{ upstream: 'far' }] },
        { id: 'gpt-own', targets: [{ upstream: 'far' }] },
      ],
      flags: { modelAlias: ['listed-alias=org/llama', 'claude-*=sonnet'] },
    })
  })

  const rows: readonly (readonly [why: string, name: string, upstream: 'near' | 'far', model: string])[] = [
    ['an id', 'sonnet', 'far', 'Qwen/Qwen3-32B'],
    ['an id with a slash, without a name at its upstream', 'org/named', 'far', 'org/named'],
    ['an alias', 'the-best', 'far', 'Qwen/Qwen3-32B'],
    ['an alias with a star', 'sonnet-20260101', 'far', 'Qwen/Qwen3-32B'],
    ['an alias with a star of --model-alias', 'claude-haiku-4-5', 'far', 'Qwen/Qwen3-32B'],
    ['what an upstream lists', 'qwen3', 'near', 'qwen3'],
    ['what an upstream lists, with a slash', 'org/llama', 'near', 'org/llama'],
    ['what an upstream lists, before a pattern', 'sonnet-dated', 'near', 'sonnet-dated'],
    ['an alias of what an upstream lists', 'listed-alias', 'near', 'org/llama'],
    ['a pattern of an upstream, which does not list it', 'gpt-5', 'near', 'gpt-5'],
    ['an id, before a pattern of an upstream', 'gpt-own', 'far', 'gpt-own'],
  ]
  for (const [why, name, upstream, model] of rows) {
    for (const stream of [false, true]) {
      it(`${why}: ${name}, ${stream ? 'streamed' : 'not streamed'}`, async () => {
        const asked = upstream === 'near' ? near : far
        const answer = await answerOf(server, { model: name, stream })
        assert.equal(answer.model, name, 'the name that was asked for comes back')
        assert.equal(answer.headers.get('x-headend-target'), `${upstream}/${model}`)
        assert.equal((await asked.nextRequest()).body.model, model)
      })
    }
  }

  for (const name of ['nobody', 'hidden', 'Sonnet', 'sonnet ', 'org%2Fllama', 'x'.repeat(5000)]) {
    it(`404 for ${name.slice(0, 20)}`, async () => {
      const { status, type, message } = await refusalOf(ask(server, { model: name }))
      assert.deepEqual([status, type, message], [404, 'not_found_error', `model: ${name}`])
    })
  }

  it('tells one model by its name, percent-encoded or not', async () => {
    for (const path of ['org/llama', 'org%2Fllama', 'the-best', 'gpt-9']) {
      const response = await fetch(`${server.url}/v1/models/${path}`)
      assert.equal(response.status, 200)
      assert.equal(((await response.json()) as { id: string }).id, decodeURIComponent(path))
    }
    assert.equal((await fetch(`${server.url}/v1/models/nobody`)).status, 404)
  })
})

describe('names that nothing else answers', () => {
  it('go to the default model, under their own name', async (t) => {
    const upstream = await startScriptedUpstream(t, { models: ['qwen3', 'llama'] })
    const upstreams = [{ name: 'near', url: upstream.url, expose: true }]
    const server = await startRouted(t, { upstreams, flags: { defaultModel: 'llama' } })
    assert.equal((await answerOf(server, { model: 'nobody' })).model, 'nobody')
    assert.equal((await upstream.nextRequest()).body.model, 'llama')
    await answerOf(server, { model: 'qwen3' })
    assert.equal((await upstream.nextRequest()).body.model, 'qwen3')
  })

  it('go to the default of the file, an entry with targets', async (t) => {
    const upstream = await startScriptedUpstream(t)
    const file = JSON.stringify({
      upstreams: [{ name: 'near', url: upstream.url }],
      models: [{ id: 'sonnet', model: 'qwen3' }],
      default: 'sonnet',
    })
    const server = await startServer({}, {}, file)
    t.after(() => server.destroy())
    assert.equal((await answerOf(server, { model: 'nobody', stream: true })).model, 'nobody')
    assert.equal((await upstream.nextRequest()).body.model, 'qwen3')
  })

  it("pass unchanged to the upstream of --upstream with --upstream-models '*'", async (t) => {
    const upstream = await startScriptedUpstream(t, { models: ['qwen3'] })
    const flags = { upstream: upstream.url, upstreamModels: ['*'] }
    const server = await startRouted(t, { flags })
    for (const name of ['qwen3', 'nobody', 'org/some:thing@x']) {
      assert.equal((await answerOf(server, { model: name })).model, name)
      assert.equal((await upstream.nextRequest()).body.model, name)
    }
  })

  it('are refused by the upstream, where it knows better', async (t) => {
    const upstream = await startScriptedUpstream(t)
    const server = await startRouted(t, { flags: { upstream: upstream.url, upstreamModels: ['*'] } })
    upstream.script((request) => request.refuse(404, 'The model `nobody` does not exist'))
    const { status, type, message } = await refusalOf(ask(server, { model: 'nobody' }))
    assert.deepEqual([status, type, message], [404, 'not_found_error', 'The model `nobody` does not exist'])
  })
})

describe('an upstream that comes up after the start', () => {
  for (const protocol of ['openai', 'anthropic'] as const) {
    it(`is asked for names that nobody can know yet, ${protocol}`, async (t) => {
      const port = await closedPort()
      const upstream = { name: 'late', url: `http://127.0.0.1:${port}`, protocol, expose: true }
      const server = await startRouted(t, { upstreams: [upstream] })
      const early = await refusalOf(ask(server, { model: 'qwen3' }))
      assert.deepEqual([early.status, early.type], [502, 'api_error'])
      assert.match(early.message, /late cannot be reached/)

      const late = await startScriptedUpstream(t, { models: ['qwen3'], port })
      assert.equal((await answerOf(server, { model: 'qwen3' })).text, 'hello')
      assert.equal((await late.nextRequest()).body.model, 'qwen3')
    })

    it(`is listed as soon as it says what it has, ${protocol}`, async (t) => {
      const port = await closedPort()
      const upstream = { name: 'late', url: `http://127.0.0.1:${port}`, protocol, expose: true, health_interval: 20 }
      const server = await startRouted(t, { upstreams: [upstream] })
      assert.deepEqual((await server.client.models.list()).data, [])

      await startScriptedUpstream(t, { models: ['qwen3'], port })
      await untilRouted(server, ({ upstreams }) => upstreams[0]?.up === true)
      assert.deepEqual(
        (await server.client.models.list()).data.map(({ id }) => id),
        ['qwen3'],
      )
      assert.equal((await answerOf(server, { model: 'qwen3', stream: true })).text, 'hello')
      const { status } = await refusalOf(ask(server, { model: 'nobody' }))
      assert.equal(status, 404, 'and now it is known what it has not')
    })
  }
})
