import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { createRetryBudget, earn, type RetryBudget, spend } from '../../src/routing/retry-budget.ts'
import { retryPauseMs } from '../../src/routing/retry-pause.ts'

describe('the pause before a retry', () => {
  const rows: readonly (readonly [
    previousMs: number,
    retryAfterSeconds: number | null,
    random: number,
    pauseMs: number | null,
  ])[] = [
    [0, null, 0, 250],
    [0, null, 1, 750],
    [750, null, 0, 250],
    [750, null, 1, 2250],
    [6000, null, 1, 8000],
    [0, 1, 0, 1000],
    [0, 1, 1, 1250],
    [0, 10, 0, 10_000],
    [0, 11, 0, null],
    [6000, 1, 1, 8000],
  ]
  for (const [previousMs, retryAfterSeconds, random, pauseMs] of rows) {
    test(`after ${previousMs} ms, demanded ${retryAfterSeconds} s, random ${random}: ${pauseMs} ms`, () => {
      assert.equal(retryPauseMs(previousMs, retryAfterSeconds, random), pauseMs)
    })
  }
})

describe('the budget of retries', () => {
  /** How many can be spent now. */
  function savings(budget: RetryBudget, nowMs: number): number {
    let left: RetryBudget | null = budget
    let count = -1
    for (; left !== null; count++) left = spend(left, nowMs)
    return count
  }

  test('has ten to begin with', () => assert.equal(savings(createRetryBudget(0), 0), 10))

  test('five requests earn one, and so do ten seconds, but never more than ten', () => {
    let budget: RetryBudget = createRetryBudget(0)
    for (let count = 0; count < 10; count++) budget = spend(budget, 0) ?? assert.fail()
    assert.equal(spend(budget, 0), null)
    assert.equal(savings(budget, 9_900), 0)
    assert.equal(savings(budget, 10_001), 1)
    for (let count = 0; count < 11; count++) budget = earn(budget, 0)
    assert.equal(savings(budget, 0), 2)
    for (let count = 0; count < 1000; count++) budget = earn(budget, 0)
    assert.equal(savings(budget, 0), 10)
    assert.equal(savings(budget, 1e9), 10)
  })

  test('in an outage retries are a fifth of the requests, and ten', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 5 }), (requests, wanted) => {
        let budget = createRetryBudget(0)
        let retries = 0
        for (let request = 0; request < requests; request++) {
          budget = earn(budget, 0)
          for (let count = 0; count < wanted; count++) {
            const left = spend(budget, 0)
            if (left !== null) retries++
            budget = left ?? budget
          }
        }
        assert.ok(retries <= 10 + requests / 5 + 1e-6, `${retries} of ${requests}`)
      }),
      { numRuns: 50 },
    )
  })
})
