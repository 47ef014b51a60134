import assert from 'node:assert/strict'
import { test } from 'node:test'
import { brokenBeginnings, brokenEndings } from '../support/bad-upstreams/broken-streams.ts'
import { assertAnswer, assertSeen } from '../support/bad-upstreams/check-seen.ts'
import { refusals, withoutAnswer, wrongAnswers, wrongLengths } from '../support/bad-upstreams/faulty-answers.ts'
import { anthropic, openai, type Wording } from '../support/bad-upstreams/misbehaving-upstream.ts'
import type { Misbehaviour } from '../support/bad-upstreams/misbehaviour.ts'
import { mendedAnswers, mendedChunks } from '../support/bad-upstreams/odd-answers.ts'
import {
  caseOf,
  modelOf,
  openProvingGround,
  type ProvingGround,
  type Question,
  questionsOf,
} from '../support/bad-upstreams/proving-ground.ts'
import { transports } from '../support/running-server.ts'

const timeout = 20_000

const runnable = await transports()

for (const transport of runnable) {
  for (const say of [openai, anthropic]) {
    test(`an upstream of ${say.protocol} that misbehaves, over ${transport}`, async (t) => {
      const table = tableOf(say, transport)
      const ground = await openProvingGround(t, say, table, { transport })
      // One request at a time is let through to each upstream: a permit that is not given back would hold up the next question.
      for (const question of table.flatMap(questionsOf)) {
        await t.test(modelOf(question), { timeout }, () => prove(ground, question))
      }
      const path = say === openai ? '/v1/chat/completions' : '/v1/messages'
      const asked = ground.bad.requests.map(({ line }) => line).filter((line) => !line.startsWith('GET /v1/models'))
      assert.deepEqual([...new Set(asked)], [`POST ${path} HTTP/1.1`], 'no redirect is followed')
    })
  }
}

/** The client's side differs only in how a stream ends, so each transport is tried with all of one protocol. */
function tableOf(say: Wording, transport: (typeof runnable)[number]): readonly Misbehaviour[] {
  const isShort = runnable.length > 1 && runnable.indexOf(transport) !== [openai, anthropic].indexOf(say)
  if (isShort) return brokenEndings(say)
  return [
    ...withoutAnswer(),
    ...refusals(say),
    ...wrongAnswers(say),
    ...wrongLengths(say),
    ...brokenBeginnings(say),
    ...brokenEndings(say),
    ...mendedAnswers(say),
    ...(say === openai ? mendedChunks(say) : []),
  ]
}

async function prove(ground: ProvingGround, question: Question): Promise<void> {
  const { expected, kept } = caseOf(question)
  const asked = ground.good.requests.length
  const seen = await ground.ask(question)
  const isFallback = question.place === 'first' && expected.kind === 'error'
  if (isFallback) assertAnswer(seen, { text: 'Better there' })
  else assertSeen(seen, expected)
  const target = isFallback ? 'good' : caseOf(question).deadline
  assert.equal(seen.headers.get('x-headend-target'), `${target}/${modelOf(question)}`)
  assert.equal(seen.headers.get('x-headend-attempts'), isFallback ? '2' : '1')
  assert.equal(ground.good.requests.length, asked + (isFallback ? 1 : 0), 'the second target is asked for the first')
  await ground.settle(kept)
}
