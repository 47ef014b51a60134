import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type Candidate, chooseTarget } from '../../src/routing/choose-target.ts'

function candidate(facts: Partial<Candidate> = {}): Candidate {
  return { weight: null, outstanding: 0, reluctance: 0, remembered: false, ...facts }
}

function choose(candidates: readonly Candidate[], ...randoms: readonly number[]): number | null {
  const rest = [...randoms]
  return chooseTarget(candidates, () => rest.shift() ?? 0)
}

describe('the target is', () => {
  const busy = candidate({ reluctance: 1 })
  const shut = candidate({ reluctance: null })
  const rows: readonly (readonly [name: string, candidates: readonly Candidate[], chosen: number | null])[] = [
    ['none of none', [], null],
    ['none when nobody may be asked', [shut, shut], null],
    ['the first', [candidate(), candidate()], 0],
    ['the first, however much it has to do', [candidate({ outstanding: 99 }), candidate()], 0],
    ['the next when the first may not be asked', [shut, candidate(), candidate()], 1],
    ['one that there is no reason to leave', [busy, candidate({ reluctance: 2 }), candidate()], 2],
    ['the least bad one', [candidate({ reluctance: 3 }), candidate({ reluctance: 2 }), busy], 2],
    ['the first when all are equally bad', [busy, busy], 0],
    ['the last of this conversation', [candidate(), candidate({ remembered: true })], 1],
    [
      'not the last of this conversation when it is busy',
      [candidate(), candidate({ remembered: true, reluctance: 1 })],
      0,
    ],
    [
      'not the last of this conversation when it may not be asked',
      [candidate(), candidate({ remembered: true, reluctance: null })],
      0,
    ],
    ['the last of this conversation when all are busy', [busy, candidate({ remembered: true, reluctance: 1 })], 1],
    ['one without a weight before those that have one', [candidate(), candidate({ weight: 9 })], 0],
  ]
  for (const [name, candidates, chosen] of rows) {
    test(name, () => assert.equal(choose(candidates), chosen))
  }
})

describe('neighbours with a weight', () => {
  /** Share of each of 1000 choices that are spread evenly over what chance can bring. */
  function shares(candidates: readonly Candidate[]): readonly number[] {
    const counts = candidates.map(() => 0)
    for (let one = 0; one < 1000; one++) {
      const chosen = choose(candidates, (one + 0.5) / 1000, ((one * 7) % 1000) / 1000)
      assert.ok(chosen !== null)
      counts[chosen] = (counts[chosen] ?? 0) + 1
    }
    return counts
  }

  test('share the load by it when nobody is busy', () => {
    assert.deepEqual(shares([candidate({ weight: 3 }), candidate({ weight: 1 })]), [750, 250])
    assert.deepEqual(
      shares([candidate({ weight: 1 }), candidate({ weight: 1 }), candidate({ weight: 2 })]),
      [250, 250, 500],
    )
  })

  test('are left by it for those that have less to do', () => {
    const two = [candidate({ weight: 1, outstanding: 3 }), candidate({ weight: 1, outstanding: 2 })]
    assert.deepEqual(shares(two), [0, 1000])
    const heavy = [candidate({ weight: 2, outstanding: 3 }), candidate({ weight: 1, outstanding: 2 })]
    assert.deepEqual(shares(heavy), [1000, 0], 'three for two are less than two for one')
  })

  test('are two choices of many, so the busiest of three gets nothing and the others share', () => {
    const [idle = 0, middle = 0, busiest = 0] = shares([
      candidate({ weight: 1 }),
      candidate({ weight: 1, outstanding: 1 }),
      candidate({ weight: 1, outstanding: 2 }),
    ])
    assert.equal(busiest, 0)
    assert.ok(idle > middle && middle > 200, `${idle} ${middle}`)
  })

  test('end where one has none, and leave out whom there is reason to leave', () => {
    const after = candidate({ weight: 1000 })
    assert.deepEqual(shares([candidate({ weight: 1 }), candidate(), after]), [1000, 0, 0])
    const group = [
      candidate({ weight: 1, reluctance: 1 }),
      candidate({ weight: 1 }),
      candidate({ weight: 1, reluctance: null }),
    ]
    assert.deepEqual(shares(group), [0, 1000, 0])
  })
})
