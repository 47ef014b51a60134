import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { type Behaviour, begin, hang, raw, stream } from '../support/bad-upstream.ts'
import { brokenBeginnings } from '../support/bad-upstreams/broken-streams.ts'
import { assertAnswer, assertError } from '../support/bad-upstreams/check-seen.ts'
import { refusals, withoutAnswer, wrongAnswers, wrongLengths } from '../support/bad-upstreams/faulty-answers.ts'
import {
  anthropic,
  openai,
  startMisbehaving,
  streamedAnswer,
  type Wording,
} from '../support/bad-upstreams/misbehaving-upstream.ts'
import { failed, flood, inTurn } from '../support/bad-upstreams/misbehaviour.ts'
import {
  answerWell,
  caseOf,
  openProvingGround,
  postQuestion,
  questionsOf,
  see,
  untilIdle,
} from '../support/bad-upstreams/proving-ground.ts'
import { type RunningServer, startServer, untilStatus } from '../support/running-server.ts'

const timeout = 60_000
const mebibyte = 1024 * 1024

for (const say of [openai, anthropic]) {
  describe(`an upstream of ${say.protocol} that sends more than anybody wants`, () => {
    const { opening, hello, delta } = say
    const huge = delta('a'.repeat(10 * mebibyte))
    const tooLarge = failed(502, 'api_error', /event of more than 8388608 bytes/)
    const tooMuch = failed(502, 'api_error', /is larger than 67108864 bytes/)

    it('events of 10 MiB', { timeout }, async (t) => {
      const server = await startOne(t, say, stream([opening, huge]))
      await assertBounded(20, 100 * mebibyte, async (turn) => {
        assertError(await see(await postQuestion(server.url, `beginning-${turn}`, 'streamed')), tooLarge)
      })
      await untilIdle(server, 0)
    })

    it('events of 10 MiB behind the first content', { timeout }, async (t) => {
      const server = await startOne(t, say, stream([opening, hello, huge]))
      await assertBounded(20, 100 * mebibyte, async (turn) => {
        const { events } = await see(await postQuestion(server.url, `ending-${turn}`, 'streamed'))
        assert.equal(events.at(-1)?.type, 'error')
      })
      await untilIdle(server, 0)
    })

    it('whole answers without end', { timeout }, async (t) => {
      const begun = raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n"')
      const server = await startOne(t, say, inTurn(begun, flood('a'.repeat(mebibyte))))
      await assertBounded(4, 120 * mebibyte, async (turn) => {
        assertError(await see(await postQuestion(server.url, `whole-${turn}`, 'whole')), tooMuch)
      })
      await untilIdle(server, 0)
    })
  })

  it(`an upstream of ${say.protocol} that never ends its response loses the connection, not the client`, {
    timeout,
  }, async (t) => {
    const bad = await startMisbehaving(t, () => begin([streamedAnswer(say)]))
    const server = await start(t, say, bad.url, { upstreamConcurrency: '1' })
    assertAnswer(await see(await postQuestion(server.url, 'endless', 'streamed')), { text: 'Hello there' })
    assertAnswer(await see(await postQuestion(server.url, 'endless', 'streamed')), { text: 'Hello there' })
    await bad.allClosed()
    await untilIdle(server, 0)
  })

  describe(`many requests at once to upstreams of ${say.protocol}`, () => {
    it('that all misbehave leave nothing behind', { timeout }, async (t) => {
      const warnings: string[] = []
      const note = ({ name }: Error): void => void warnings.push(name)
      process.on('warning', note)
      t.after(() => process.off('warning', note))
      const faults = [
        withoutAnswer(),
        refusals(say),
        wrongAnswers(say),
        wrongLengths(say),
        brokenBeginnings(say),
      ].flat()
      const ground = await openProvingGround(t, say, faults, { upstreamConcurrency: '0' })
      const questions = faults.flatMap(questionsOf)
      const seen = await Promise.all(questions.map((question) => ground.ask(question)))
      for (const [index, question] of questions.entries()) {
        const isAnswered = question.place === 'first' || caseOf(question).expected.kind !== 'error'
        assert.equal(seen[index]?.status === 200, isAnswered, JSON.stringify([question.misbehaviour.name, seen[index]]))
      }
      for (const socket of ground.bad.sockets) socket.end()
      await ground.bad.allClosed()
      await untilIdle(ground.server, 0)
      assert.deepEqual(warnings, [])
    })

    it('come to their turn behind one that hangs', { timeout }, async (t) => {
      const bad = await startMisbehaving(t, (model) => (model === 'hangs' ? hang : answerWell(say)))
      const server = await start(t, say, bad.url, { upstreamConcurrency: '1' })
      const hanging = postQuestion(server.url, 'hangs', 'whole')
      while (bad.sockets.size === 0 || bad.requests.at(-1)?.line.startsWith('GET ') === true) await bad.nextRequest()
      const behind = Promise.all([1, 2, 3].map((turn) => postQuestion(server.url, `answers-${turn}`, 'whole')))
      await untilStatus(server, ({ queue }) => queue.waiting === 3)
      bad.requests.at(-1)?.socket.resetAndDestroy()
      assertError(await see(await hanging), failed(502, 'api_error', /without an answer/))
      for (const response of await behind) assertAnswer(await see(response), { text: 'Better there' })
    })
  })
}

async function startOne(t: TestContext, say: Wording, behave: Behaviour): Promise<RunningServer> {
  const { url } = await startMisbehaving(t, () => behave)
  return start(t, say, url)
}

async function start(
  t: TestContext,
  { protocol }: Wording,
  url: string,
  flags: Readonly<Record<string, string>> = {},
): Promise<RunningServer> {
  const config = { upstreams: [{ name: 'bad', url, protocol, models: ['*'] }] }
  const server = await startServer({ upstreamRetries: '0', ...flags }, {}, JSON.stringify(config))
  t.after(() => server.destroy())
  return server
}

/** What runs now is all that still refers to anything. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  runInNewContext('gc')()
}

/**
 * The first turns fill what is kept for good. If each of the others left even half of what it had read, the memory of the process
 * would grow by more than the bound.
 */
async function assertBounded(turns: number, bytesMax: number, run: (turn: number) => Promise<void>): Promise<void> {
  const warmUp = 2
  for (let turn = 0; turn < warmUp; turn++) await run(turn)
  collectGarbage()
  const before = process.memoryUsage().rss
  for (let turn = warmUp; turn < warmUp + turns; turn++) await run(turn)
  collectGarbage()
  const growth = process.memoryUsage().rss - before
  assert.ok(growth < bytesMax, `${Math.round(growth / mebibyte)} MiB`)
}
