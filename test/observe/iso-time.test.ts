import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isoTime } from '../../src/observe/iso-time.ts'

test('is what toISOString says, within a second and over its end', (t) => {
  t.mock.timers.enable({ apis: ['Date'] })
  for (const now of [0, 7, 42, 999, 1000, 1_767_225_599_999, 1_767_225_600_000, 5]) {
    t.mock.timers.setTime(now)
    assert.equal(isoTime(), `,"time":"${new Date(now).toISOString()}"`)
  }
})
