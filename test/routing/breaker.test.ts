import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Breaker,
  check,
  closedForMs,
  conclude,
  createBreaker,
  isPassable,
  type Outcome,
  pass,
} from '../../src/routing/breaker.ts'

/** A breaker with a clock, without jitter; `ask` lets one request in and out again. */
class Timeline {
  breaker: Breaker = createBreaker(0)
  nowMs = 0

  ask(outcome: Outcome): void {
    assert.ok(isPassable(this.breaker, this.nowMs), 'asked for while shut')
    this.breaker = pass(this.breaker, this.nowMs)
    this.conclude(this.breaker.generation, outcome)
  }

  conclude(generation: number, outcome: Outcome): void {
    this.breaker = conclude(this.breaker, generation, outcome, this.nowMs, 0)
  }

  /** Fails until it opens; how often it took. */
  fail(): number {
    let count = 0
    for (; this.breaker.kind !== 'open'; count++) this.ask('failed')
    return count
  }
}

describe('a closed breaker opens', () => {
  test('after ten failures in a row', () => assert.equal(new Timeline().fail(), 10))

  test('not when an answer comes between', () => {
    const timeline = new Timeline()
    for (const outcome of ['failed', 'failed', 'failed', 'failed', 'answered'] as const) timeline.ask(outcome)
    assert.equal(timeline.fail(), 10)
  })

  test('not for what says nothing about its target, which does not end a row either', () => {
    const timeline = new Timeline()
    for (let count = 0; count < 100; count++) timeline.ask('none')
    for (let count = 0; count < 9; count++) timeline.ask('failed')
    timeline.ask('none')
    assert.equal(timeline.breaker.kind, 'closed')
    timeline.ask('failed')
    assert.equal(timeline.breaker.kind, 'open')
  })

  /** How many requests until it opens, when answers and failures take turns. */
  function untilOpen(betweenMs: number): number {
    const timeline = new Timeline()
    for (let count = 1; count <= 200; count++) {
      timeline.nowMs += betweenMs
      timeline.ask(count % 2 === 0 ? 'failed' : 'answered')
      if (timeline.breaker.kind === 'open') return count
    }
    return Number.POSITIVE_INFINITY
  }

  test('when half of the last twenty failed', () => assert.equal(untilOpen(1), 20))
  test('and those were within half a minute', () => {
    assert.equal(untilOpen(1000), 20)
    assert.equal(untilOpen(1600), Number.POSITIVE_INFINITY)
  })

  test('and what is older is forgotten, be it bad or good', () => {
    const bad = new Timeline()
    for (let count = 0; count < 18; count++) bad.ask(count % 2 === 0 ? 'failed' : 'answered')
    bad.nowMs += 30_000
    for (let count = 0; count < 24; count++) bad.ask(count % 4 === 3 ? 'failed' : 'answered')
    assert.equal(bad.breaker.kind, 'closed')
    const good = new Timeline()
    for (let count = 0; count < 100; count++) good.ask('answered')
    good.nowMs += 30_000
    for (let count = 0; count < 19; count++) good.ask(count % 2 === 0 ? 'answered' : 'failed')
    assert.equal(good.breaker.kind, 'closed')
    good.ask('failed')
    assert.equal(good.breaker.kind, 'open')
  })
})

describe('an open breaker', () => {
  test('lets nobody in for a second, then one', () => {
    const timeline = new Timeline()
    timeline.fail()
    assert.equal(closedForMs(timeline.breaker, 0), 1000)
    assert.ok(!isPassable(timeline.breaker, 999))
    timeline.nowMs = 1000
    assert.ok(isPassable(timeline.breaker, 1000))
    timeline.breaker = pass(timeline.breaker, 1000)
    assert.equal(timeline.breaker.kind, 'half-open')
    assert.ok(!isPassable(timeline.breaker, 1000))
  })

  test('is closed by a probe that is answered, and opened for longer by one that fails', () => {
    const timeline = new Timeline()
    timeline.fail()
    const openMs: number[] = []
    for (let count = 0; count < 9; count++) {
      const waitMs = closedForMs(timeline.breaker, timeline.nowMs)
      openMs.push(waitMs)
      timeline.nowMs += waitMs
      timeline.ask('failed')
    }
    assert.deepEqual(openMs, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000, 60_000])
    timeline.nowMs += 60_000
    timeline.ask('answered')
    assert.equal(timeline.breaker.kind, 'closed')
  })

  test('remembers how often it opened until it has been closed for a minute', () => {
    const reopened = (closedMs: number): number => {
      const timeline = new Timeline()
      timeline.fail()
      timeline.nowMs = 1000
      timeline.ask('answered')
      timeline.nowMs += closedMs
      timeline.fail()
      return closedForMs(timeline.breaker, timeline.nowMs)
    }
    assert.equal(reopened(59_999), 2000)
    assert.equal(reopened(60_000), 1000)
  })

  test('opens for up to a quarter less, at random', () => {
    let breaker = createBreaker(0)
    for (let count = 0; count < 10; count++) breaker = conclude(breaker, breaker.generation, 'failed', 0, 1)
    assert.equal(closedForMs(breaker, 0), 750)
  })

  test('does not hear of what was asked before it opened, nor does its probe', () => {
    const timeline = new Timeline()
    const early = timeline.breaker.generation
    timeline.fail()
    const open = timeline.breaker
    timeline.conclude(early, 'answered')
    timeline.conclude(early, 'failed')
    assert.equal(timeline.breaker, open)
    timeline.nowMs = 1000
    timeline.breaker = pass(open, 1000)
    const probing = timeline.breaker
    timeline.conclude(early, 'answered')
    timeline.conclude(early, 'failed')
    timeline.conclude(early, 'none')
    assert.equal(timeline.breaker, probing)
  })

  test('lets the next one look when a probe ends without an outcome, or takes half a minute', () => {
    const timeline = new Timeline()
    timeline.fail()
    timeline.nowMs = 1000
    timeline.ask('none')
    assert.ok(isPassable(timeline.breaker, 1000))
    timeline.breaker = pass(timeline.breaker, 1000)
    assert.ok(!isPassable(timeline.breaker, 30_999))
    assert.ok(isPassable(timeline.breaker, 31_000))
    const slow = timeline.breaker.generation
    timeline.breaker = pass(timeline.breaker, 31_000)
    timeline.conclude(slow, 'answered')
    assert.equal(timeline.breaker.kind, 'closed', 'a late answer is an answer')
  })
})

describe('a health check', () => {
  test('that fails opens, and does not put off what is open already', () => {
    const down = check(createBreaker(0), false, 0, 0)
    assert.equal(closedForMs(down, 0), 1000)
    assert.equal(check(down, false, 500, 0), down)
    const again = check(down, false, 1000, 0)
    assert.equal(closedForMs(again, 1000), 2000)
  })

  test('that succeeds lets one request look at once, and closes nothing by itself', () => {
    const open = check(createBreaker(0), false, 0, 0)
    const up = check(open, true, 10, 0)
    assert.equal(up.kind, 'half-open')
    assert.ok(isPassable(up, 10))
    const probing = pass(up, 10)
    assert.ok(!isPassable(probing, 10))
    assert.equal(check(probing, true, 20, 0), probing)
    assert.equal(conclude(probing, probing.generation, 'answered', 30, 0).kind, 'closed')
  })

  test('that succeeds leaves a closed one alone', () => {
    const breaker = createBreaker(0)
    assert.equal(check(breaker, true, 10, 0), breaker)
  })
})

type Step =
  | { readonly kind: 'wait'; readonly ms: number }
  | { readonly kind: 'ask' }
  | { readonly kind: 'conclude'; readonly index: number; readonly outcome: Outcome }
  | { readonly kind: 'check'; readonly up: boolean }

const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(40_000) }),
    fc.record({ kind: fc.constant('ask' as const) }),
    fc.record({
      kind: fc.constant('conclude' as const),
      index: fc.nat(20),
      outcome: fc.constantFrom<Outcome>('answered', 'failed', 'failed', 'none'),
    }),
    fc.record({ kind: fc.constant('check' as const), up: fc.boolean() }),
  ),
  { maxLength: 120 },
)

test('whatever happens: one probe in half a minute, a minute at most, and only its own probe closes it', () => {
  fc.assert(
    fc.property(steps, fc.double({ min: 0, max: 1, noNaN: true }), (list: readonly Step[], random) => {
      let breaker: Breaker = createBreaker(0)
      let nowMs = 0
      let lastProbeMs = Number.NEGATIVE_INFINITY
      const running: { readonly generation: number; readonly isProbe: boolean }[] = []
      for (const step of list) {
        const before = breaker
        if (step.kind === 'wait') nowMs += step.ms
        else if (step.kind === 'check') {
          breaker = check(breaker, step.up, nowMs, random)
          assert.ok(breaker.kind !== 'closed' || before.kind === 'closed')
          lastProbeMs = Number.NEGATIVE_INFINITY
        } else if (step.kind === 'ask' && isPassable(breaker, nowMs)) {
          breaker = pass(breaker, nowMs)
          const isProbe = breaker.kind === 'half-open'
          if (isProbe) {
            assert.ok(nowMs - lastProbeMs >= 30_000)
            lastProbeMs = nowMs
          }
          running.push({ generation: breaker.generation, isProbe })
        } else if (step.kind === 'conclude' && running.length > 0) {
          const [request] = running.splice(step.index % running.length, 1)
          assert.ok(request !== undefined)
          breaker = conclude(breaker, request.generation, step.outcome, nowMs, random)
          if (before.kind !== 'closed' && breaker.kind === 'closed') assert.ok(request.isProbe)
          if (breaker !== before && breaker.kind !== 'closed') lastProbeMs = Number.NEGATIVE_INFINITY
        }
        assert.ok(closedForMs(breaker, nowMs) <= 60_000)
        assert.ok(breaker.generation >= before.generation)
      }
    }),
    { numRuns: 500 },
  )
})
