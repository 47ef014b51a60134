import assert from 'node:assert/strict'
import { before, describe, it } from 'node:test'
import { startRouted, suiteScope, untilRouted } from '../support/routed-server.ts'
import type { RunningServer } from '../support/running-server.ts'
import { startScriptedUpstream } from '../support/scripted-upstream.ts'

/** What is looked at of an entry. */
interface Entry {
  readonly id: string
  readonly object: string
  readonly type: string
  readonly display_name: string
  readonly created: number
  readonly max_input_tokens: number | null
  readonly max_tokens: number | null
}

describe('the list of local, configured and listed models', () => {
  let server: RunningServer
  const suite = suiteScope()
  before(async () => {
    const near = await startScriptedUpstream(suite, {
      models: [
        { id: 'org/vllm-like', created: 1_700_000_300, max_model_len: 32_768 },
        {
          id: 'openrouter-like',
          created: 1_700_000_200,
          context_length: 9000,
          top_provider: { max_completion_tokens: 800 },
        },
        { id: 'bare' },
        { id: 'echo', created: 1_700_000_400, max_model_len: 1 },
      ],
    })
    const far = await startScriptedUpstream(suite, {
      models: [
        { id: 'big', created_at: '2026-01-02T03:04:05Z', display_name: 'Big', max_input_tokens: 5000, max_tokens: 600 },
        { id: 'not-exposed', created: 1_700_000_500 },
      ],
    })
    server = await startRouted(suite, {
      flags: { backend: 'echo', modelAlias: ['near-alias=org/vllm-like'] },
      upstreams: [
        { name: 'near', url: near.url, expose: true },
        { name: 'far', url: far.url, protocol: 'anthropic' },
        { name: 'blank', url: (await startScriptedUpstream(suite)).url },
      ],
      models: [
        { id: 'told', targets: [{ upstream: 'far', model: 'big' }], display_name: 'Told', max_tokens: 100 },
        { id: 'untold', aliases: ['untold-too', 'untold-*'], targets: [{ upstream: 'far', model: 'big' }] },
        { id: 'wide', targets: [{ upstream: 'blank' }], context_tokens: 77, max_tokens: 7 },
        { id: 'missing', targets: [{ upstream: 'far', model: 'unlisted' }] },
        { id: 'mine', targets: [{ local: 'echo' }, { upstream: 'far', model: 'big' }] },
      ],
    })
  })

  const list = async (query = '', headers: Readonly<Record<string, string>> = {}) => {
    const response = await fetch(`${server.url}/v1/models${query}`, { headers })
    assert.equal(response.status, 200)
    return (await response.json()) as { object: string; data: Entry[]; has_more: boolean }
  }

  it('has every name once, but patterns and what nobody may ask for', async () => {
    const { data } = await list()
    assert.deepEqual(data.map(({ id }) => id).toSorted(), [
      'bare',
      'echo',
      'mine',
      'missing',
      'near-alias',
      'openrouter-like',
      'org/vllm-like',
      'told',
      'untold',
      'untold-too',
      'wide',
    ])
  })

  const facts: readonly (readonly [id: string, name: string, input: number | null, output: number | null])[] = [
    ['told', 'Told', 5000, 100],
    ['untold', 'untold', 5000, null],
    ['untold-too', 'untold', 5000, null],
    ['wide', 'wide', 77, 7],
    ['mine', 'Echo', 200_000, 200_000],
    ['echo', 'Echo', 200_000, 200_000],
    ['org/vllm-like', 'org/vllm-like', 32_768, null],
    ['near-alias', 'org/vllm-like', 32_768, null],
    ['openrouter-like', 'openrouter-like', 9000, 800],
    ['bare', 'bare', null, null],
  ]
  for (const [id, name, input, output] of facts) {
    it(`says of ${id} what its settings, else its upstream, say`, async () => {
      const listed = (await list()).data.find((entry) => entry.id === id)
      const alone = (await (await fetch(`${server.url}/v1/models/${encodeURIComponent(id)}`)).json()) as Entry
      assert.deepEqual(listed, alone)
      const { display_name, max_input_tokens, max_tokens, object, type } = alone
      assert.deepEqual([display_name, max_input_tokens, max_tokens], [name, input, output])
      assert.deepEqual([object, type], ['model', 'model'])
    })
  }

  it('is newest first', async () => {
    const created = (await list()).data.map((entry) => entry.created)
    assert.deepEqual(
      created,
      created.toSorted((one, other) => other - one),
    )
  })

  it('comes in pages to clients that page, both ways, and whole to those that do not', async () => {
    const whole = (await list('?limit=2')).data.map(({ id }) => id)
    assert.equal(whole.length, 11, 'OpenAI clients do not page')
    const paged: string[] = []
    for await (const { id } of server.client.models.list({ limit: 3 })) paged.push(id)
    assert.deepEqual(paged, whole)
    const first = await list('?limit=3', { 'anthropic-version': '2023-06-01' })
    assert.deepEqual([first.data.length, first.has_more], [3, true])
    const before = await list(`?limit=3&before_id=${encodeURIComponent(whole[6] as string)}`, {
      'anthropic-version': '2023-06-01',
    })
    assert.deepEqual(
      before.data.map(({ id }) => id),
      whole.slice(3, 6),
    )
  })

  it('takes over what an upstream learns later', async (t) => {
    const upstream = await startScriptedUpstream(t, { models: ['m'] })
    const upstreams = [{ name: 'near', url: upstream.url, expose: true, health_interval: 20 }]
    const grown = await startRouted(t, { upstreams })
    upstream.models = ['n', { id: 'm', max_model_len: 4096 }]
    const { listings } = upstream
    await untilRouted(grown, () => upstream.listings > listings + 1)
    const { data } = await grown.client.models.list()
    assert.deepEqual(
      data.map(({ id, max_input_tokens }) => [id, max_input_tokens]),
      [
        ['n', null],
        ['m', 4096],
      ],
    )
  })
})
