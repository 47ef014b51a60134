import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  type BadUpstream,
  type Behaviour,
  hang,
  type ReceivedRequest,
  reset,
  respond,
  startBadUpstream,
} from '../support/bad-upstream.ts'
import { startLineTo } from '../support/bad-upstreams/bare-servers.ts'
import { assertAnswer, assertError } from '../support/bad-upstreams/check-seen.ts'
import { anthropic, openai, startMisbehaving, type Wording } from '../support/bad-upstreams/misbehaving-upstream.ts'
import { failed } from '../support/bad-upstreams/misbehaviour.ts'
import {
  answerWell,
  type Form,
  postQuestion,
  type Seen,
  see,
  type UpstreamStatus,
  untilIdle,
} from '../support/bad-upstreams/proving-ground.ts'
import { type RunningServer, type ServerStatus, startServer, untilStatus } from '../support/running-server.ts'

const timeout = 60_000
const json = ['content-type: application/json']
const better = { text: 'Better there' }

for (const say of [openai, anthropic]) {
  const isRelayed = say === anthropic
  const limited = (more: readonly string[]): Behaviour =>
    respond(say.error('rate_limit_error', 'Slow down'), [...json, ...more], 429)
  const slowDown = failed(429, 'rate_limit_error', /^Slow down$/, { isRelayed })
  const busy = respond(say.error('overloaded_error', 'Too much to do'), json, 503)

  describe(`an upstream of ${say.protocol} that is asked again`, { concurrency: true }, () => {
    it('after 503, twice, answers', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, inOrder(busy, busy, answerWell(say)))
      const seen = await ask(server, 'alone')
      assertAnswer(seen, better)
      assert.equal(seen.headers.get('x-headend-attempts'), '3')
      assert.equal(questions(bad).length, 3)
      await untilIdle(server, 1)
    })

    it('after a reset answers', { timeout }, async (t) => {
      const { server } = await start(t, say, inOrder(reset, answerWell(say)))
      const seen = await ask(server, 'alone', 'whole')
      assertAnswer(seen, better)
      assert.equal(seen.headers.get('x-headend-attempts'), '2')
    })

    it('as its connection could not be made', { timeout }, async (t) => {
      const upstream = await startMisbehaving(t, () => answerWell(say))
      const line = await startLineTo(t, upstream)
      const { server } = await start(t, say, hang, { url: line.url })
      await line.cut()
      const answer = ask(server, 'alone')
      await untilStatus(server, (status) => targetOf(status, 'bad/alone')?.lastFailure === 'upstream-unreachable')
      await line.mend()
      const seen = await answer
      assertAnswer(seen, better)
      assert.ok(Number(seen.headers.get('x-headend-attempts')) >= 2)
    })

    it('as its idle connection was closed', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, inOrder(answerWell(say), reset, answerWell(say)))
      assertAnswer(await ask(server, 'alone'), better)
      const seen = await ask(server, 'alone')
      assertAnswer(seen, better)
      assert.deepEqual(
        questions(bad).map(({ connection }) => connection - (questions(bad)[0]?.connection ?? 0)),
        [0, 0, 1],
      )
    })

    it('waits as long as retry-after says', { timeout }, async (t) => {
      const times: number[] = []
      const timed: Behaviour = (request) => {
        times.push(performance.now())
        inTurn(request)
      }
      const inTurn = inOrder(limited(['retry-after: 1']), answerWell(say))
      const { server } = await start(t, say, timed)
      assertAnswer(await ask(server, 'alone'), better)
      const [first = 0, second = 0] = times
      assert.ok(second - first >= 990, `${second - first} ms`) // timers may be early by a part of a millisecond
    })
  })

  describe(`a storm of 429 from an upstream of ${say.protocol}`, { concurrency: true }, () => {
    it('ends for everybody, and is not made worse', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, limited([]))
      const clients = 30
      const all = await Promise.all(Array.from({ length: clients }, () => ask(server, 'alone')))
      for (const seen of all) assertError(seen, slowDown)
      const asked = questions(bad).length
      assert.ok(asked > clients, 'some were sent again')
      assert.ok(asked <= clients + 20, `${asked} requests for ${clients} clients`)
      for (const socket of bad.sockets) socket.end()
      await untilIdle(server, 0)
    })

    it('that shall last long is told to the client, who is not kept waiting', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, limited(['retry-after: 30']))
      const all = await Promise.all(Array.from({ length: 10 }, () => ask(server, 'alone', 'whole')))
      for (const seen of all) assertError(seen, { ...slowDown, retryAfter: '30' })
      assert.equal(questions(bad).length, 10)
    })

    it('is spared the upstream while another one is there', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, limited(['retry-after: 30']))
      for (let turn = 0; turn < 5; turn++) {
        const seen = await ask(server, 'first')
        assertAnswer(seen, better)
        assert.equal(seen.headers.get('x-headend-attempts'), turn === 0 ? '2' : '1')
      }
      assert.equal(questions(bad).length, 1)
    })
  })

  describe(`an upstream of ${say.protocol} that is down`, { concurrency: true }, () => {
    it('is left alone after some failures in a row', { timeout }, async (t) => {
      const { server, bad } = await start(t, say, reset, { flags: { upstreamRetries: '0' } })
      let asked = 0
      for (let seen = await ask(server, 'alone'); !isLeftAlone(seen); seen = await ask(server, 'alone')) {
        assertError(seen, failed(502, 'api_error', /without an answer/))
        assert.ok(++asked < 20, 'it is asked for ever')
      }
      assert.ok(asked > 2, 'one failure means little')
      assert.ok(isLeftAlone(await ask(server, 'alone')))
      assert.equal(questions(bad).length, asked)
      await untilIdle(server, 0)
    })

    it('now and then leaves no request without an answer or an error, and recovers', { timeout }, (t) => flap(t, say))
  })
}

/** Down and up again, each for as long as it takes until a health check has seen it. */
async function flap(t: TestContext, say: Wording): Promise<void> {
  let isUp = true
  const upstream = await startBadUpstream(t, (request) => {
    const answer = request.line.startsWith('GET ') ? respond('{"data":[]}') : answerWell(say)
    const behave = isUp ? answer : reset
    behave(request)
  })
  const flags = { upstreamRetries: '0', upstreamHealthIntervalMs: '20' }
  const { server } = await start(t, say, hang, { url: upstream.url, flags })
  for (let turn = 0; turn < 10; turn++) {
    isUp = turn % 2 === 1
    // At once, and when a health check has found out.
    for (const isKnown of [false, true]) {
      if (isKnown) await untilStatus(server, (status) => isSeen(status as UpstreamStatus, isUp))
      assertAnswer(await ask(server, 'first'), better)
      const seen = await ask(server, 'alone')
      if (isUp && (isKnown || seen.status === 200)) assertAnswer(seen, better)
      else if (!isLeftAlone(seen)) assertError(seen, failed(502, 'api_error', /^Upstream bad/))
    }
  }
  assert.ok(upstream.sockets.size <= 2, 'one for requests, and one for health checks')
}

function isSeen({ upstreams, targets }: UpstreamStatus, isUp: boolean): boolean {
  const health = upstreams.find(({ name }) => name === 'bad')
  const breaker = targets.find(({ id }) => id === 'bad/alone')?.breaker
  return health?.up === isUp && (breaker === 'open') === !isUp
}

/** The upstream was not asked at all. Clients see the kind of its last failure, and are told when to come back. */
function isLeftAlone(seen: Seen): boolean {
  const { error } = seen.body as { readonly error?: { readonly message: string } }
  if (error === undefined || !error.message.includes('failed too often lately')) return false
  const retryAfter = seen.headers.get('retry-after') ?? ''
  assert.match(retryAfter, /^[1-9]\d*$/)
  const type = seen.status === 529 ? 'overloaded_error' : 'api_error'
  assertError(seen, failed(seen.status, type, /try again in \d+ s$/, { retryAfter }))
  return true
}

interface Pair {
  readonly server: RunningServer
  readonly bad: BadUpstream
}

/** @param more `url`: another upstream in the place of the one that behaves as told */
async function start(
  t: TestContext,
  say: Wording,
  behave: Behaviour,
  more: { readonly url?: string; readonly flags?: Readonly<Record<string, string>> } = {},
): Promise<Pair> {
  const { protocol } = say
  const bad = await startMisbehaving(t, () => behave)
  const good = await startMisbehaving(t, () => answerWell(say))
  const config = {
    upstreams: [
      { name: 'bad', url: more.url ?? bad.url, protocol },
      { name: 'good', url: good.url, protocol },
    ],
    models: [
      { id: 'alone', targets: [{ upstream: 'bad' }] },
      { id: 'first', targets: [{ upstream: 'bad' }, { upstream: 'good' }] },
    ],
  }
  const server = await startServer({ ...more.flags }, {}, JSON.stringify(config))
  t.after(() => server.destroy())
  return { server, bad }
}

let conversations = 0

async function ask(server: RunningServer, model: string, form: Form = 'streamed'): Promise<Seen> {
  return see(await postQuestion(server.url, model, form, `This is conversation ${conversations++}`))
}

/** One after the other, and the last one for ever. */
function inOrder(...behaviours: readonly Behaviour[]): Behaviour {
  let turn = 0
  return (request) => behaviours[Math.min(turn++, behaviours.length - 1)]?.(request)
}

function questions({ requests }: BadUpstream): readonly ReceivedRequest[] {
  return requests.filter(({ line }) => line.startsWith('POST '))
}

function targetOf(status: ServerStatus, id: string) {
  return (status as UpstreamStatus).targets.find((target) => target.id === id)
}
