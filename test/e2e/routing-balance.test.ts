import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  type Answered,
  answerOf,
  bothProtocols,
  type Pair,
  type PairOptions,
  type Scope,
  startPair,
  startRouted,
  targetIn,
  untilIdle,
  untilRouted,
} from '../support/routed-server.ts'
import { startScriptedUpstream, waits } from '../support/scripted-upstream.ts'

/** Asks one after the other, and leaves all of them waiting for their answers. */
async function fill({ server, first, second }: Pair, count: number) {
  for (const upstream of [first, second]) upstream.otherwise = waits
  const answers: Promise<Answered>[] = []
  for (let asked = 1; asked <= count; asked++) {
    answers.push(answerOf(server, { prompt: `conversation ${asked}` }))
    await untilRouted(server, () => first.requests.length + second.requests.length === asked)
  }
  const [toFirst, toSecond] = [first.requests.length, second.requests.length]
  for (const [index, request] of [...first.requests, ...second.requests].entries()) request.answer(`${index}`)
  await Promise.all(answers)
  return [toFirst, toSecond]
}

for (const protocol of bothProtocols) {
  describe(`targets with a weight, ${protocol}`, { concurrency: true }, () => {
    it('share the load: whoever has less to do gets the next', async (t) => {
      const pair = await startPair(t, { protocol, target: { weight: 1 } })
      assert.deepEqual(await fill(pair, 8), [4, 4])
    })

    it('share it by their weights', async (t) => {
      const upstreams = await Promise.all([startScriptedUpstream(t), startScriptedUpstream(t)])
      const [first, second] = upstreams
      const server = await startRouted(t, {
        upstreams: [
          { name: 'first', url: first.url, protocol },
          { name: 'second', url: second.url, protocol },
        ],
        models: [
          {
            id: 'm',
            targets: [
              { upstream: 'first', weight: 3 },
              { upstream: 'second', weight: 1 },
            ],
          },
        ],
      })
      assert.deepEqual(await fill({ server, first, second }, 8), [6, 2])
    })

    it('and without weights the first has it all', async (t) => {
      assert.deepEqual(await fill(await startPair(t, { protocol }), 8), [8, 0])
    })
  })
}

/** So many turns of one conversation, each with what was said before. */
async function talk(server: { readonly url: string }, about: string, turns: number, headers = {}) {
  const texts: string[] = []
  const messages: object[] = []
  for (let turn = 0; turn < turns; turn++) {
    messages.push({ role: 'user', content: `${about}, turn ${turn}` })
    const { text } = await answerOf(server, { body: { messages }, headers })
    messages.push({ role: 'assistant', content: text })
    texts.push(text)
  }
  return texts
}

describe('a conversation', { concurrency: true }, () => {
  for (const [protocol, session] of [
    ['openai', {}],
    ['openai', { 'x-claude-code-session-id': 'one' }],
    ['anthropic', { 'x-claude-code-session-id': 'one' }],
    ['anthropic', {}],
  ] as const) {
    const how = Object.keys(session).length > 0 ? 'in a session that is named' : 'of its own'
    it(`stays with the target that has its cache, ${protocol}, ${how}`, async (t) => {
      const { server } = await startPair(t, { protocol, target: { weight: 1 } })
      for (const about of ['cats', 'dogs', 'rain']) {
        const headers = Object.keys(session).length > 0 ? { 'x-claude-code-session-id': about } : {}
        // By chance, each would be one in 128.
        assert.equal(new Set(await talk(server, about, 8, headers)).size, 1)
      }
    })
  }

  it('moves when its target fails, and stays where it went', async (t) => {
    const { server, first, second } = await startPair(t, { target: { weight: 1 } })
    const [at] = await talk(server, 'cats', 1)
    const [its, other] = at === 'first' ? [first, second] : [second, first]
    its.script((request) => request.refuse(500, 'once'))
    const texts = await talk(server, 'cats', 8)
    assert.equal(new Set([...texts, at === 'first' ? 'second' : 'first']).size, 1)
    assert.equal(other.requests.length, 8)
  })
})

describe('spilling over', { concurrency: true }, () => {
  const models = { spill_after: 1 }

  /** Both targets free, and how long requests take is known: a hundred round trips or so. */
  async function startSpilling(t: Scope, options: PairOptions = {}): Promise<Pair> {
    const pair = await startPair(t, { flags: { upstreamConcurrency: '1' }, model: models, ...options })
    const { server, first } = pair
    const arriving = first.hold()
    const slow = answerOf(server, { prompt: 'slow' })
    const request = await arriving
    for (let look = 0; look < 100; look++) await untilRouted(server, ({ queue }) => queue.running === 1)
    request.answer('first')
    await slow
    return pair
  }

  async function occupy({ server, first }: Pair): Promise<{ end(): Promise<void> }> {
    const arriving = first.hold()
    const held = answerOf(server, { prompt: 'held' })
    const request = await arriving
    return {
      async end() {
        request.answer('held')
        await held
      },
    }
  }

  for (const protocol of bothProtocols) {
    it(`a target where one would wait is left for the next, ${protocol}`, async (t) => {
      const pair = await startSpilling(t, { protocol })
      const { server, first, second } = pair
      assert.deepEqual(await talk(server, 'free', 2), ['first', 'first'])
      const holder = await occupy(pair)
      assert.deepEqual(await talk(server, 'busy', 2), ['second', 'second'])
      await holder.end()
      assert.equal((await answerOf(server, { prompt: 'free again' })).text, 'first')
      assert.deepEqual([first.requests.length, second.requests.length], [5, 2])
      assert.equal(targetIn(await untilIdle(server), 'first/one').failures, 0)
    })
  }

  it('a conversation that has begun elsewhere goes on there, where its cache is', async (t) => {
    const pair = await startSpilling(t)
    const holder = await occupy(pair)
    assert.deepEqual(await talk(pair.server, 'cats', 1), ['second'])
    await holder.end()
    assert.deepEqual(await talk(pair.server, 'cats', 3), ['second', 'second', 'second'])
  })

  it('a conversation whose target was busy for a turn returns to it, where most of its cache is', async (t) => {
    const pair = await startSpilling(t)
    const messages: object[] = [{ role: 'user', content: 'cats' }]
    const turn = async () => {
      const { text } = await answerOf(pair.server, { body: { messages } })
      messages.push({ role: 'assistant', content: text }, { role: 'user', content: 'more' })
      return text
    }
    assert.equal(await turn(), 'first')
    const holder = await occupy(pair)
    assert.equal(await turn(), 'second')
    await holder.end()
    assert.equal(await turn(), 'first')
  })

  it('never without spill_after: who would wait does', async (t) => {
    const pair = await startSpilling(t, { model: { spill_after: 0 } })
    const { server, first, second } = pair
    const holder = await occupy(pair)
    const waiting = answerOf(server, { prompt: 'waiting' })
    await untilRouted(server, ({ queue }) => queue.waiting === 1)
    await holder.end()
    assert.equal((await waiting).text, 'first')
    assert.deepEqual([first.requests.length, second.requests.length], [3, 0])
  })
})
