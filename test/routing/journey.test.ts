import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Call } from '../../src/contract/backend.ts'
import { type ErrorKind, errorKinds, HeadendError } from '../../src/contract/errors.ts'
import type { Route, Target } from '../../src/router.ts'
import { failureRules } from '../../src/routing/failure-rules.ts'
import type { Journey } from '../../src/routing/journey.ts'
import type { TargetStatus } from '../../src/routing/target-health.ts'
import { callOf } from '../support/generate-requests.ts'
import { DispatchClock } from './dispatch-clock.ts'
import { IdleBackend, routeOf, targetOf } from './targets.ts'

function failure(kind: ErrorKind, retryAfterSeconds?: number): HeadendError {
  return new HeadendError(kind, kind, retryAfterSeconds === undefined ? {} : { retryAfterSeconds })
}

function plan(clock: DispatchClock, route: Route, conversation: string | null = null, call: Call = callOf()): Journey {
  return clock.dispatcher.plan(route, call, () => conversation)
}

function statusOf(clock: DispatchClock, id: string): TargetStatus {
  return clock.dispatcher.status().find((status) => status.id === id) ?? assert.fail(`${id} is not known`)
}

/** Whom a request is sent to when it always ends with this failure. */
async function asked(clock: DispatchClock, route: Route, kind: ErrorKind, retryAfterSeconds?: number): Promise<string> {
  const journey = plan(clock, route)
  const ids: string[] = []
  let target = await journey.next(null)
  while (target !== null) {
    ids.push(target.id)
    target = await journey.next(failure(kind, retryAfterSeconds))
  }
  journey.end()
  assert.equal(journey.attempts, ids.length)
  return ids.join(' ')
}

/** One request that is answered. */
async function answered(clock: DispatchClock, route: Route, conversation: string | null = null): Promise<string> {
  const journey = plan(clock, route, conversation)
  const target = (await journey.next(null)) as Target
  journey.succeeded()
  journey.end()
  return target.id
}

/** Opens the breaker of the first target. */
async function breakFirst(clock: DispatchClock, route: Route): Promise<void> {
  const [first] = route.targets
  assert.ok(first !== undefined)
  for (let count = 0; count < 10; count++) {
    const journey = plan(clock, routeOf([first]))
    await journey.next(null)
    await journey.next(failure('upstream-malformed'))
    journey.end()
  }
  assert.equal(statusOf(clock, first.id).breaker, 'open')
}

describe('a failure of kind', () => {
  const expected: Readonly<Record<ErrorKind, string>> = {
    'invalid-request': 'a',
    'context-overflow': 'a b',
    unauthenticated: 'a',
    forbidden: 'a',
    'not-found': 'a',
    'upstream-not-found': 'a b',
    'method-not-allowed': 'a',
    'body-timeout': 'a',
    'body-too-large': 'a',
    'session-busy': 'a',
    'upstream-limited': 'a b a b a b',
    'client-gone': 'a',
    'reader-stalled': 'a',
    internal: 'a b',
    'worker-lost': 'a b a b',
    'upstream-unauthorized': 'a b',
    'upstream-unreachable': 'a b a b a b',
    'upstream-failed': 'a b a b a b',
    'upstream-malformed': 'a b',
    unavailable: 'a b',
    'deadline-passed': 'a b',
    'upstream-timeout': 'a b a b a b',
    'upstream-overloaded': 'a b a b a b',
    'queue-full': 'a b',
    'queue-timeout': 'a b',
  }
  for (const kind of Object.keys(expected) as ErrorKind[]) {
    test(`${kind} leads to ${expected[kind]}`, async () => {
      assert.equal(await asked(new DispatchClock(), routeOf([targetOf('a'), targetOf('b')]), kind), expected[kind])
    })
    test(`${kind} ${failureRules[kind].health === 'failed' ? 'opens' : 'does not open'} the breaker`, async () => {
      const clock = new DispatchClock({ upstreamRetries: 0 })
      const target = targetOf('a')
      for (let count = 0; count < 10; count++) {
        const journey = plan(clock, routeOf([target]))
        await journey.next(null)
        await journey.next(failure(kind))
        journey.end()
      }
      assert.equal(statusOf(clock, 'a').breaker, failureRules[kind].health === 'failed' ? 'open' : 'closed')
      assert.equal(statusOf(clock, 'a').failures, errorKinds[kind].source === 'client' ? 0 : 10)
    })
  }
})

describe('a retry of the same target', () => {
  test('comes after growing pauses, and only so often', async () => {
    const clock = new DispatchClock({ upstreamRetries: 3 })
    clock.random = 1
    assert.equal(await asked(clock, routeOf([targetOf('a')]), 'upstream-failed'), 'a a a a')
    assert.deepEqual(clock.pauses, [750, 2250, 6750])
  })

  test('never comes with retries switched off', async () => {
    const clock = new DispatchClock({ upstreamRetries: 0 })
    assert.equal(await asked(clock, routeOf([targetOf('a'), targetOf('b')]), 'upstream-failed'), 'a b')
  })

  test('never comes when the upstream says that it is of no use', async () => {
    const clock = new DispatchClock()
    const journey = clock.dispatcher.plan(routeOf([targetOf('a')]), callOf(), () => 'key')
    await journey.next(null)
    const headers = { 'x-should-retry': 'false' }
    assert.equal(await journey.next(new HeadendError('upstream-limited', 'the account is empty', { headers })), null)
    assert.deepEqual([journey.attempts, clock.pauses], [1, []])
    journey.end()
  })

  test('waits as long as the upstream demands, and not at all when that is too long', async () => {
    const clock = new DispatchClock()
    assert.equal(await asked(clock, routeOf([targetOf('a')]), 'upstream-limited', 3), 'a a a')
    assert.deepEqual(clock.pauses, [3000, 3000])
    assert.equal(await asked(clock, routeOf([targetOf('a')]), 'upstream-limited', 11), 'a')
  })

  test('is not waited for when another request was told to stay away for long', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    const journey = plan(clock, route)
    await journey.next(null)
    assert.equal(await asked(clock, route, 'upstream-limited', 30), 'a')
    assert.equal(await journey.next(failure('upstream-failed')), null)
    journey.end()
    const patient = plan(clock, route)
    await patient.next(null)
    clock.nowMs += 25_000
    assert.equal((await patient.next(failure('upstream-failed')))?.id, 'a')
    assert.deepEqual(clock.pauses, [5000])
    patient.end()
  })

  test('is of the one that may be asked again first', async () => {
    const clock = new DispatchClock()
    const journey = plan(clock, routeOf([targetOf('a'), targetOf('b')]))
    await journey.next(null)
    await journey.next(failure('upstream-limited', 5))
    assert.equal((await journey.next(failure('upstream-failed')))?.id, 'b')
    assert.equal((await journey.next(failure('upstream-failed')))?.id, 'b')
    assert.equal((await journey.next(failure('upstream-failed')))?.id, 'a', 'the other one has no more retries')
    journey.end()
    assert.deepEqual(clock.pauses, [250, 250, 4500])
  })

  test('ends with the budget of the target', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    const rounds: string[] = []
    for (let count = 0; count < 9; count++) rounds.push(await asked(clock, route, 'upstream-limited'))
    assert.deepEqual(new Set(rounds.slice(0, 5)), new Set(['a a a']))
    assert.equal(rounds.at(-1), 'a')
  })

  test('does not begin when the client has waited for a minute', async () => {
    const clock = new DispatchClock()
    const journey = plan(clock, routeOf([targetOf('a'), targetOf('b')]))
    await journey.next(null)
    clock.nowMs = 59_900
    assert.equal((await journey.next(failure('upstream-timeout')))?.id, 'b', 'another target still may')
    assert.equal(await journey.next(failure('upstream-timeout')), null)
    journey.end()
  })

  test('gives way to a target that has come back meanwhile', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b')])
    await breakFirst(clock, route)
    const journey = plan(clock, route)
    assert.equal((await journey.next(null))?.id, 'b')
    clock.whilePausing = () => clock.dispatcher.noteHealth((route.targets[0] as Target).backend.lane, true)
    assert.equal((await journey.next(failure('upstream-failed')))?.id, 'a')
    journey.end()
  })

  test('does not happen when the breaker has opened during the pause', async () => {
    const clock = new DispatchClock()
    const target = targetOf('a')
    const journey = plan(clock, routeOf([target]))
    await journey.next(null)
    clock.whilePausing = () => clock.dispatcher.noteHealth(target.backend.lane, false)
    assert.equal(await journey.next(failure('upstream-failed')), null)
    journey.end()
  })

  test('is not waited for by a client that has gone', async () => {
    const clock = new DispatchClock()
    const gone = new AbortController()
    const journey = plan(clock, routeOf([targetOf('a')]), null, callOf(gone.signal))
    await journey.next(null)
    const reason = failure('client-gone')
    clock.whilePausing = () => gone.abort(reason)
    await assert.rejects(journey.next(failure('upstream-failed')), reason)
    journey.end()
    assert.equal(statusOf(clock, 'a').outstanding, 0)
  })
})

describe('once it has begun', () => {
  test('a failure is noted, and nobody else is asked', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b')])
    for (let count = 0; count < 10; count++) {
      const journey = plan(clock, route)
      const target = (await journey.next(null)) as Target
      clock.nowMs += 100
      journey.started(target)
      assert.equal(await journey.next(failure('upstream-failed')), null)
      journey.end()
    }
    const { breaker, failures, firstEventMs, lastFailure } = statusOf(clock, 'a')
    assert.deepEqual([breaker, failures, firstEventMs, lastFailure], ['open', 10, 100, 'upstream-failed'])
  })

  test('a probe has shown enough: others are let in while it goes on', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    await breakFirst(clock, route)
    clock.nowMs += 1000
    const probe = plan(clock, route)
    const target = (await probe.next(null)) as Target
    await assert.rejects(plan(clock, route).next(null), { kind: 'upstream-malformed' })
    probe.started(target)
    assert.equal(await answered(clock, route), 'a')
    assert.equal(statusOf(clock, 'a').breaker, 'closed')
    assert.equal(await probe.next(failure('upstream-failed')), null)
    assert.equal(statusOf(clock, 'a').failures, 11)
    probe.end()
    for (let count = 1; count < 10; count++) {
      assert.equal(statusOf(clock, 'a').breaker, 'closed')
      assert.equal(await asked(clock, route, 'upstream-malformed'), 'a')
    }
    assert.equal(statusOf(clock, 'a').breaker, 'open', 'what became of the probe counted')
  })
})

describe('a target whose breaker is open', () => {
  test('is passed over, and asked again by one request when its time has come', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b')])
    await breakFirst(clock, route)
    assert.equal(await answered(clock, route), 'b')
    clock.nowMs += 1000
    const probe = plan(clock, route)
    assert.equal((await probe.next(null))?.id, 'a')
    assert.equal(await answered(clock, route), 'b')
    probe.succeeded()
    assert.equal(await answered(clock, route), 'a')
  })

  test('is told to the client at once when there is no other one', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    await breakFirst(clock, route)
    clock.dispatcher.noteHealth((route.targets[0] as Target).backend.lane, true)
    const probe = plan(clock, route)
    await probe.next(null)
    await probe.next(failure('upstream-malformed')) // open for two seconds now
    probe.end()
    clock.nowMs += 100
    await assert.rejects(plan(clock, route).next(null), (error) => {
      assert(error instanceof HeadendError && error.kind === 'upstream-malformed')
      assert.equal(error.retryAfterSeconds, 2)
      assert.match(error.message, /try again in 2 s/)
      return true
    })
    assert.equal(statusOf(clock, 'a').outstanding, 0)
  })

  test('is looked at by the next one when the probing client leaves', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    await breakFirst(clock, route)
    clock.nowMs += 1000
    const probe = plan(clock, route)
    await probe.next(null)
    await assert.rejects(plan(clock, route).next(null), { kind: 'upstream-malformed', retryAfterSeconds: 30 })
    probe.end()
    assert.equal(await answered(clock, route), 'a')
  })

  test('has not failed when it was our own abort that ended its answer', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a')])
    const gone = new AbortController()
    const journey = plan(clock, route, null, callOf(gone.signal))
    await journey.next(null)
    gone.abort(failure('client-gone'))
    await assert.rejects(journey.next(failure('upstream-failed')), { kind: 'client-gone' })
    assert.equal(statusOf(clock, 'a').failures, 0, 'it was us')
    assert.equal(statusOf(clock, 'a').outstanding, 0)
  })

  test('is known by its lane to health checks, also when it was never asked', async () => {
    const clock = new DispatchClock()
    const backend = new IdleBackend()
    const route = routeOf([targetOf('a', { backend }), targetOf('b')])
    clock.dispatcher.noteHealth(backend.lane, false)
    assert.equal(await answered(clock, route), 'b')
    clock.dispatcher.noteHealth(backend.lane, true)
    assert.equal(await answered(clock, route), 'a')
    assert.equal(statusOf(clock, 'b').breaker, 'closed')
  })
})

describe('the order', () => {
  const conversation = 'c'

  test('is that of the route, but a conversation returns to the target of its last turn', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b')])
    const journey = plan(clock, route, conversation)
    await journey.next(null)
    await journey.next(failure('queue-full'))
    journey.succeeded()
    assert.equal(await answered(clock, route, conversation), 'b')
    assert.equal(await answered(clock, route, 'another'), 'a')
    assert.equal(await answered(clock, route), 'a', 'one that nothing tells')
  })

  test('remembers a target that has begun, too: its client may have had enough', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b')])
    const journey = plan(clock, route, conversation)
    await journey.next(null)
    const second = (await journey.next(failure('queue-full'))) as Target
    journey.started(second)
    journey.end()
    assert.equal(await answered(clock, route, conversation), 'b')
  })

  test('is not asked for a key when there is no choice', async () => {
    const clock = new DispatchClock()
    clock.dispatcher.plan(routeOf([targetOf('a')]), callOf(), () => assert.fail('asked'))
  })

  test('leaves a target where requests would wait too long, also one that has the conversation', async () => {
    const clock = new DispatchClock({ spillAfterMs: 1000 })
    const route = routeOf([targetOf('a'), targetOf('b')])
    const [first, second] = route.targets as [Target, Target]
    assert.equal(await answered(clock, route, conversation), 'a')
    clock.waits.set(first.backend.lane, 1000)
    assert.equal(await answered(clock, route, conversation), 'a')
    clock.waits.set(first.backend.lane, 1001)
    assert.equal(await answered(clock, routeOf(route.targets, { spillAfterMs: 0 })), 'a', 'the model says otherwise')
    clock.waits.set(second.backend.lane, 2000)
    assert.equal(await answered(clock, route), 'a', 'nobody is better')
    clock.waits.set(second.backend.lane, 0)
    assert.equal(await answered(clock, route, conversation), 'b')
  })

  test('leaves a target that has asked for a rest, and one without a worker, while there is another', async () => {
    const clock = new DispatchClock()
    const sleeping = new IdleBackend()
    const route = routeOf([targetOf('a'), targetOf('b'), targetOf('c', { backend: sleeping })])
    const journey = plan(clock, route)
    await journey.next(null)
    await journey.next(failure('upstream-limited', 20))
    journey.succeeded()
    assert.equal(await answered(clock, route), 'b')
    sleeping.isReady = false
    const [first, , last] = route.targets as [Target, Target, Target]
    assert.equal(await answered(clock, routeOf([last, first])), 'a')
    assert.equal(await answered(clock, routeOf([last])), 'c', 'it says best itself what is wrong')
    clock.nowMs += 20_000
    assert.equal(await answered(clock, route), 'a')
  })

  test('counts what runs on each of a group', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a', { weight: 1 }), targetOf('b', { weight: 1 })])
    const journeys: Journey[] = []
    const ids: string[] = []
    for (let count = 0; count < 6; count++) {
      const journey = plan(clock, route)
      ids.push((await journey.next(null))?.id ?? '')
      journeys.push(journey)
    }
    assert.deepEqual(ids, ['a', 'b', 'a', 'b', 'a', 'b'])
    for (const journey of journeys) journey.end()
    assert.deepEqual([statusOf(clock, 'a').outstanding, statusOf(clock, 'b').outstanding], [0, 0])
  })
})

describe('a prompt that is too long', () => {
  /** @param contexts of the targets; `null`: not known */
  async function askedOf(...contexts: readonly (number | null)[]): Promise<string> {
    const targets = contexts.map((context, index) =>
      targetOf(String(index), context === null ? {} : { contextTokens: context }),
    )
    return asked(new DispatchClock(), routeOf(targets), 'context-overflow')
  }

  test('goes to targets with more context, or nobody knows how much', async () => {
    assert.equal(await askedOf(1000, 500, 1000, 2000, 1500, null), '0 3 5')
    assert.equal(await askedOf(null, 500), '0 1')
    assert.equal(await askedOf(1000, 1000), '0')
  })

  test('does not come back to a small target after another failure', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a', { contextTokens: 10 }), targetOf('b')])
    const journey = plan(clock, route)
    await journey.next(null)
    await journey.next(failure('context-overflow'))
    assert.equal((await journey.next(failure('upstream-failed')))?.id, 'b')
    journey.end()
  })
})

describe('hedging', () => {
  test('asks a second target, and settles each by itself', async () => {
    const clock = new DispatchClock({ hedgeAfterMs: 50 })
    const route = routeOf([targetOf('a'), targetOf('b')])
    const journey = plan(clock, route, 'c')
    assert.equal(journey.hedgeAfterMs, 50)
    const first = (await journey.next(null)) as Target
    const second = journey.beside() ?? assert.fail()
    assert.equal(second.id, 'b')
    assert.equal(journey.beside(), null, 'there is no third')
    journey.started(second)
    journey.started(first) // late, and without effect
    journey.lost(first, null)
    assert.equal(statusOf(clock, 'a').outstanding, 0)
    journey.succeeded()
    journey.end()
    const { failures, firstEventMs } = statusOf(clock, 'a')
    assert.deepEqual([failures, firstEventMs, statusOf(clock, 'b').outstanding], [0, null, 0])
    assert.equal(await answered(clock, route, 'c'), 'b')
  })

  test('goes on to a third target when both have failed', async () => {
    const clock = new DispatchClock()
    const route = routeOf([targetOf('a'), targetOf('b'), targetOf('c')])
    const journey = plan(clock, route)
    const first = (await journey.next(null)) as Target
    const second = journey.beside() ?? assert.fail()
    journey.lost(second, failure('upstream-failed'))
    journey.lost(first, failure('upstream-timeout'))
    assert.equal((await journey.next(failure('upstream-timeout')))?.id, 'c')
    assert.deepEqual([statusOf(clock, 'a').failures, statusOf(clock, 'b').failures], [1, 1])
    journey.end()
  })

  test('asks nobody whom there is reason to leave, and no more often than the budget allows', async () => {
    const clock = new DispatchClock({ spillAfterMs: 10 })
    const route = routeOf([targetOf('a'), targetOf('b')])
    const [, second] = route.targets as [Target, Target]
    const hedged = async (): Promise<boolean> => {
      const journey = plan(clock, route)
      await journey.next(null)
      const isHedged = journey.beside() !== null
      journey.end()
      return isHedged
    }
    clock.waits.set(second.backend.lane, 11)
    assert.ok(!(await hedged()))
    clock.waits.clear()
    let count = 0
    while (count < 100 && (await hedged())) count++
    assert.ok(count >= 10 && count <= 13, String(count))
  })

  test('is never for models with one target, nor when switched off', () => {
    const two = [targetOf('a'), targetOf('b')]
    assert.equal(plan(new DispatchClock({ hedgeAfterMs: 50 }), routeOf([targetOf('a')])).hedgeAfterMs, null)
    assert.equal(plan(new DispatchClock(), routeOf(two)).hedgeAfterMs, null)
    assert.equal(plan(new DispatchClock({ hedgeAfterMs: 50 }), routeOf(two, { hedgeAfterMs: 0 })).hedgeAfterMs, null)
    assert.equal(plan(new DispatchClock(), routeOf(two, { hedgeAfterMs: 9 })).hedgeAfterMs, 9)
  })
})
