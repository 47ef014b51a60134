import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RecentMap } from '../../src/routing/recent-map.ts'

test('what was set last is there, and each key once', () => {
  const map = new RecentMap<number>(4)
  map.set('a', 1)
  map.set('b', 2)
  map.set('c', 3)
  map.set('a', 4)
  assert.equal(map.get('a'), 4)
  assert.deepEqual([...map.values()].sort(), [2, 3, 4])
})

test('never holds more than it may, always the half that was used last, and never anything wrong', () => {
  const entriesMax = 8
  const step = fc.record({ key: fc.nat(30).map(String), isSet: fc.boolean(), value: fc.nat() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const map = new RecentMap<number>(entriesMax)
      const latest = new Map<string, number>()
      for (const { key, isSet, value } of steps) {
        const used = latest.get(key) // deleted and set again: its keys are in order of use
        const isRecent = [...latest.keys()].slice(-entriesMax / 2).includes(key)
        if (isSet) {
          map.set(key, value)
          latest.delete(key)
          latest.set(key, value)
        } else {
          const found = map.get(key)
          if (isRecent) assert.equal(found, used)
          if (found === null) latest.delete(key)
          else {
            assert.equal(found, used)
            latest.delete(key)
            latest.set(key, found)
          }
        }
        assert.ok(map.values().length <= entriesMax)
      }
    }),
  )
})
