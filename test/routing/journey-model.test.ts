import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ErrorKind, errorKinds, HeadendError } from '../../src/contract/errors.ts'
import type { Target } from '../../src/router.ts'
import type { Journey } from '../../src/routing/journey.ts'
import { callOf } from '../support/generate-requests.ts'
import { DispatchClock } from './dispatch-clock.ts'
import { routeOf, targetOf } from './targets.ts'

const retries = 2

/** Often the ones that are retried and that open breakers. */
const kinds = fc.oneof(
  fc.constantFrom<ErrorKind>('upstream-failed', 'upstream-unreachable', 'upstream-limited', 'worker-lost'),
  fc.constantFrom(...(Object.keys(errorKinds) as ErrorKind[])),
)

const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('set out' as const), conversation: fc.nat(3) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('fail' as const),
        who: fc.nat(50),
        error: kinds,
        retryAfterSeconds: fc.option(fc.integer({ min: 1, max: 15 })),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('begin' as const), who: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('succeed' as const), who: fc.nat(50) }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('hedge' as const), who: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const), who: fc.nat(50) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(5000) }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('check' as const), target: fc.nat(3), up: fc.boolean() }),
    },
  ),
  { minLength: 20, maxLength: 150 },
)

const weights = fc.array(fc.option(fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 4 })

interface Traveller {
  readonly journey: Journey
  /** Who is asked now: one, or two when hedged. */
  open: readonly Target[]
  hasBegun: boolean
}

/** Requests on one route, in any order of events, checked after each. */
class World {
  readonly clock = new DispatchClock({ upstreamRetries: retries })
  readonly targets: readonly Target[]
  readonly travellers: Traveller[] = []

  constructor(shares: readonly (number | null)[], random: number) {
    this.targets = shares.map((weight, index) => targetOf(`t${index}`, weight === null ? {} : { weight }))
    this.clock.random = random
  }

  async setOut(conversation: number): Promise<void> {
    const journey = this.clock.dispatcher.plan(routeOf(this.targets), callOf(), () => String(conversation))
    const traveller: Traveller = { journey, open: [], hasBegun: false }
    const shutUntil = this.shutUntil()
    try {
      const target = await journey.next(null)
      assert.ok(target !== null)
      this.arrive(traveller, target, shutUntil)
      this.travellers.push(traveller)
    } catch (error) {
      assert(error instanceof HeadendError && errorKinds[error.kind].source !== 'client', String(error))
      assert.ok((error.retryAfterSeconds ?? 0) >= 1 && (error.retryAfterSeconds ?? 0) <= 60)
      for (const { id } of this.targets) assert.ok((shutUntil.get(id) ?? 0) > this.clock.nowMs, `${id} was open to us`)
      journey.end()
    }
  }

  async fail(traveller: Traveller, failure: HeadendError): Promise<void> {
    const { journey, hasBegun } = traveller
    const [first, second] = traveller.open
    assert.ok(first !== undefined)
    if (second !== undefined) {
      // One of two is out, and the other one goes on.
      journey.lost(second, failure)
      traveller.open = [first]
      return
    }
    traveller.open = []
    const pausesBefore = this.clock.pauses.length
    const target = await journey.next(failure)
    if (target === null) return this.leave(traveller)
    assert.ok(!hasBegun && errorKinds[failure.kind].retry)
    if (target.id === first.id) assert.ok(this.clock.pauses.length > pausesBefore, 'the same one without a pause')
    this.arrive(traveller, target, new Map())
  }

  hedge(traveller: Traveller): void {
    if (traveller.open.length !== 1) return
    const shutUntil = this.shutUntil()
    const target = traveller.journey.beside()
    if (target === null) return
    assert.ok(!traveller.hasBegun && target !== traveller.open[0])
    this.arrive(traveller, target, shutUntil)
  }

  begin(traveller: Traveller): void {
    const winner = traveller.open.at(-1)
    assert.ok(winner !== undefined)
    traveller.journey.started(winner)
    for (const target of traveller.open) if (target !== winner) traveller.journey.lost(target, null)
    traveller.open = [winner]
    traveller.hasBegun = true
  }

  succeed(traveller: Traveller): void {
    this.begin(traveller)
    traveller.journey.succeeded()
    this.leave(traveller)
  }

  leave(traveller: Traveller): void {
    traveller.journey.end()
    traveller.open = []
    this.travellers.splice(this.travellers.indexOf(traveller), 1)
  }

  arrive(traveller: Traveller, target: Target, shutUntil: ReadonlyMap<string, number>): void {
    assert.ok((shutUntil.get(target.id) ?? 0) <= this.clock.nowMs, `${target.id} is shut`)
    traveller.open = [...traveller.open, target]
    assert.ok(traveller.journey.attempts <= this.targets.length * (1 + retries))
  }

  shutUntil(): ReadonlyMap<string, number> {
    const statuses = this.clock.dispatcher.status()
    return new Map(statuses.map(({ id, closedForMs }) => [id, this.clock.nowMs + closedForMs]))
  }

  /** What the dispatcher believes to be on its way is on its way. */
  check(): void {
    for (const { id, outstanding } of this.clock.dispatcher.status()) {
      const open = this.travellers.flatMap((traveller) => traveller.open).filter((target) => target.id === id)
      assert.equal(outstanding, open.length, id)
    }
  }
}

test('whatever happens, requests go where they may, and nothing is left behind', async () => {
  await fc.assert(
    fc.asyncProperty(steps, weights, fc.double({ min: 0, max: 0.999, noNaN: true }), async (list, shares, random) => {
      const world = new World(shares, random)
      for (const step of list) {
        const traveller = 'who' in step ? world.travellers[step.who % Math.max(world.travellers.length, 1)] : undefined
        if (step.kind === 'set out') await world.setOut(step.conversation)
        else if (step.kind === 'wait') world.clock.nowMs += step.ms
        else if (step.kind === 'check') {
          const lane = world.targets[step.target]?.backend.lane
          if (lane !== undefined) world.clock.dispatcher.noteHealth(lane, step.up)
        } else if (traveller !== undefined) {
          if (step.kind === 'fail') {
            const { error, retryAfterSeconds } = step
            const details = retryAfterSeconds === null ? {} : { retryAfterSeconds }
            await world.fail(traveller, new HeadendError(error, error, details))
          } else if (step.kind === 'begin') world.begin(traveller)
          else if (step.kind === 'succeed') world.succeed(traveller)
          else if (step.kind === 'hedge') world.hedge(traveller)
          else world.leave(traveller)
        }
        world.check()
      }
      for (const traveller of [...world.travellers]) world.leave(traveller)
      world.check()
    }),
    { numRuns: 300 },
  )
})
