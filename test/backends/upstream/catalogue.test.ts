import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Catalogue, createCatalogue } from '../../../src/backends/upstream/catalogue.ts'
import { createUpstreamClient } from '../../../src/backends/upstream/client.ts'
import type { UpstreamSettings } from '../../../src/backends/upstream/settings.ts'
import {
  type BadUpstream,
  type Behaviour,
  closedPort,
  hang,
  reset,
  respond,
  startBadUpstream,
  stream,
} from '../../support/bad-upstream.ts'
import { until } from '../../support/upstream-client.ts'
import { upstreamSettings } from '../../support/upstream-settings.ts'

interface Opened {
  readonly catalogue: Catalogue
  readonly log: readonly string[]
}

function open(t: TestContext, url: string, changes: Partial<UpstreamSettings> = {}): Opened {
  const settings = upstreamSettings(url, changes)
  const client = createUpstreamClient(settings)
  const log: string[] = []
  const catalogue = createCatalogue(client, settings, (message) => log.push(message))
  t.after(() => {
    catalogue.close()
    return client.destroy()
  })
  return { catalogue, log }
}

function list(...ids: readonly string[]): Behaviour {
  return respond(JSON.stringify({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) }))
}

/** Answers each question in its own way, the last one for good. */
function inTurn(...answers: readonly Behaviour[]): Behaviour {
  let asked = 0
  return (request) => answers[Math.min(asked++, answers.length - 1)]?.(request)
}

const idsOf = (catalogue: Catalogue): readonly string[] | undefined => catalogue.models()?.map(({ id }) => id)

describe('the catalogue of an upstream', () => {
  it('asks where the settings say, with the key', async (t) => {
    const upstream = await startBadUpstream(t, list('a', 'b'))
    const { catalogue, log } = open(t, `${upstream.url}/api/v1`, { key: 'secret' })
    assert.equal(await catalogue.refresh(), true)
    assert.deepEqual(idsOf(catalogue), ['a', 'b'])
    assert.equal(upstream.requests[0]?.line, 'GET /api/v1/models HTTP/1.1')
    assert.equal(upstream.requests[0]?.headers.authorization, 'Bearer secret')
    assert.equal(catalogue.health.up, true)
    assert.equal(catalogue.health.error, null)
    assert.ok(catalogue.health.checkedAt instanceof Date)
    assert.deepEqual(log, [])
  })

  it('knows nothing before it has asked, and asks once it is looked at', async (t) => {
    const upstream = await startBadUpstream(t, list('a'))
    const { catalogue } = open(t, upstream.url)
    assert.deepEqual(catalogue.health, { up: null, checkedAt: null, error: null })
    assert.equal(catalogue.models(), null)
    await until(() => catalogue.health.up === true, 'the upstream was asked')
    assert.deepEqual(idsOf(catalogue), ['a'])
  })

  it('believes its list for a while', async (t) => {
    const upstream = await startBadUpstream(t, list('a'))
    const { catalogue } = open(t, upstream.url, { modelsTtlMs: 60_000 })
    await catalogue.refresh()
    for (let look = 0; look < 10; look++) catalogue.models()
    await catalogue.refresh()
    assert.equal(upstream.requests.length, 2)
  })

  it('gives a stale list at once, and asks for a new one behind it', async (t) => {
    const upstream = await startBadUpstream(t, inTurn(list('old'), list('new')))
    const { catalogue } = open(t, upstream.url, { modelsTtlMs: 0 })
    await catalogue.refresh()
    assert.deepEqual(idsOf(catalogue), ['old'])
    await until(() => catalogue.models()?.[0]?.id === 'new', 'the new list')
  })

  it('asks once for all who ask at the same time', async (t) => {
    const upstream = await startBadUpstream(t)
    const { catalogue } = open(t, upstream.url)
    const asked = [catalogue.refresh(), catalogue.refresh(), catalogue.refresh()]
    list('a')(await upstream.nextRequest())
    assert.deepEqual(await Promise.all(asked), [true, true, true])
    assert.equal(upstream.requests.length, 1)
  })

  it('asks again and again for its health, and tells who watches', async (t) => {
    const upstream = await startBadUpstream(t, inTurn(list('a'), respond('', [], 503), list('b')))
    const { catalogue, log } = open(t, upstream.url, { healthIntervalMs: 5 })
    const seen: (boolean | null)[] = []
    catalogue.watch(() => seen.push(catalogue.health.up))
    await until(() => seen.length >= 3, 'three questions')
    assert.deepEqual(seen.slice(0, 3), [true, false, true])
    assert.deepEqual(idsOf(catalogue), ['b'])
    assert.equal(log.length, 2)
    assert.match(log[0] ?? '', /^Upstream vllm /)
    assert.equal(log[1], 'Upstream vllm lists its models again')
  })

  it('says once that the upstream is down, and goes on asking', async (t) => {
    const { catalogue, log } = open(t, `http://127.0.0.1:${await closedPort()}`)
    assert.deepEqual([await catalogue.refresh(), await catalogue.refresh()], [false, false])
    assert.equal(catalogue.models(), null)
    assert.equal(catalogue.health.up, false)
    assert.match(catalogue.health.error ?? '', /refused/)
    assert.equal(log.length, 1)
  })

  it('asks no more when it is closed, also amid a question', { timeout: 5000 }, async (t) => {
    const upstream = await startBadUpstream(t, hang)
    const { catalogue, log } = open(t, upstream.url)
    const asked = catalogue.refresh()
    await upstream.nextRequest()
    let told = 0
    catalogue.watch(() => told++)
    catalogue.close()
    assert.equal(await asked, false)
    await upstream.allClosed()
    catalogue.models()
    assert.equal(await catalogue.refresh(), false)
    assert.equal(upstream.requests.length, 1)
    assert.deepEqual([told, log], [0, []])
  })

  const unreadable: readonly [string, Behaviour, boolean, RegExp][] = [
    ['HTML', respond('<!doctype html><title>Hello</title>'), true, /lists no models, but sends something else/],
    ['no list', respond('{"object":"list"}'), true, /something else/],
    ['a list of something else', respond('{"data":[1,{"object":"file"},null,[]]}'), true, /something else/],
    ['404', respond('{"detail":"Not Found"}', [], 404), true, /no list of models \(404\)/],
    ['401', respond('{}', [], 401), true, /does not accept the key to list its models \(401\)/],
    ['a redirect', respond('', ['location: http://elsewhere.invalid/'], 302), true, /status 302/],
    ['more than fits', stream([Buffer.alloc(17 * 1024 * 1024, ' ')]), true, /larger than 16777216 bytes/],
    ['500', respond('{}', [], 500), false, /status 500/],
    ['501', respond('{}', [], 501), true, /status 501/],
    ['503', respond('{}', [], 503), false, /status 503/],
    ['a reset', reset, false, /without an answer/],
  ]
  for (const [name, behave, isUp, error] of unreadable) {
    it(`keeps what it knows at ${name}`, async (t) => {
      const upstream = await startBadUpstream(t, inTurn(list('a'), behave))
      const { catalogue, log } = open(t, upstream.url)
      await catalogue.refresh()
      assert.equal(await catalogue.refresh(), isUp)
      assert.deepEqual(idsOf(catalogue), ['a'])
      assert.equal(catalogue.health.up, isUp)
      assert.match(catalogue.health.error ?? '', error)
      assert.deepEqual(log, [catalogue.health.error])
    })
  }

  it('is not misled by a connection that was closed as idle', async (t) => {
    const upstream = await startBadUpstream(t, inTurn(list('a'), reset, list('b')))
    const { catalogue, log } = open(t, upstream.url)
    await catalogue.refresh()
    await new Promise(setImmediate) // undici looks at the socket once more before it is used again
    assert.equal(await catalogue.refresh(), true)
    assert.deepEqual(
      upstream.requests.map(({ connection }) => connection),
      [0, 0, 1],
    )
    assert.deepEqual([idsOf(catalogue), log], [['b'], []])
  })

  it('knows nothing of an upstream that has no list', async (t) => {
    const upstream = await startBadUpstream(t, respond('', [], 404))
    const { catalogue } = open(t, upstream.url)
    assert.equal(await catalogue.refresh(), true)
    assert.equal(catalogue.models(), null)
  })
})

describe('pages', () => {
  /** Serves `ids` in pages of `size`, as the Anthropic API does. */
  function paged(ids: readonly string[], size: number): Behaviour {
    return (request) => {
      const after = new URL(request.line.split(' ')[1] ?? '', 'http://host').searchParams.get('after_id')
      const start = after === null ? 0 : ids.indexOf(after) + 1
      const page = ids.slice(start, start + size)
      const data = page.map((id) => ({ type: 'model', id, display_name: id.toUpperCase() }))
      const body = { data, has_more: start + size < ids.length, first_id: page.at(0), last_id: page.at(-1) }
      respond(JSON.stringify(body))(request)
    }
  }

  async function askAnthropic(t: TestContext, behave: Behaviour): Promise<Opened & { readonly upstream: BadUpstream }> {
    const upstream = await startBadUpstream(t, behave)
    const opened = open(t, upstream.url, { protocol: 'anthropic', key: 'sk-ant-api03-k' })
    await opened.catalogue.refresh()
    return { ...opened, upstream }
  }

  it('are read to the last one', async (t) => {
    const ids = ['a/1', 'b&2', 'c', 'd', 'e']
    const { catalogue, upstream } = await askAnthropic(t, paged(ids, 2))
    assert.deepEqual(idsOf(catalogue), ids)
    assert.equal(catalogue.models()?.[0]?.displayName, 'A/1')
    assert.deepEqual(
      upstream.requests.map(({ line }) => line.split(' ')[1]),
      ['/v1/models?limit=1000', '/v1/models?limit=1000&after_id=b%262', '/v1/models?limit=1000&after_id=d'],
    )
    assert.equal(upstream.requests[0]?.headers['x-api-key'], 'sk-ant-api03-k')
    assert.equal(upstream.requests[0]?.headers['anthropic-version'], '2023-06-01')
  })

  it('that come again and again end', async (t) => {
    const page = JSON.stringify({ data: [{ id: 'a' }], has_more: true, last_id: 'a' })
    const { catalogue, upstream } = await askAnthropic(t, respond(page))
    assert.deepEqual(idsOf(catalogue), ['a'])
    assert.equal(upstream.requests.length, 2)
  })

  it('without end have one', async (t) => {
    let pages = 0
    const { catalogue, upstream } = await askAnthropic(t, (request) => {
      const id = `model-${pages++}`
      respond(JSON.stringify({ data: [{ id }], has_more: true, last_id: id }))(request)
    })
    assert.equal(upstream.requests.length, 50)
    assert.equal(catalogue.models()?.length, 50)
  })

  it('of which one fails leave the old list', async (t) => {
    const first = respond(JSON.stringify({ data: [{ id: 'new' }], has_more: true, last_id: 'new' }))
    const { catalogue } = await askAnthropic(t, inTurn(list('old'), first, respond('', [], 500)))
    assert.equal(await catalogue.refresh(), false)
    assert.deepEqual(idsOf(catalogue), ['old'])
  })
})
