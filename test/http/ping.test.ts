import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedTimer } from '../../src/http/ping.ts'

test('one timer ticks every member and runs only while there is one', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const timer = new SharedTimer(100)
  const ticks = { a: 0, b: 0 }
  const counting = (name: 'a' | 'b') => ({
    tick() {
      ticks[name] += 1
    },
  })
  const [a, b] = [counting('a'), counting('b')]
  assert.equal(timer.running, false)
  timer.add(a)
  timer.add(a)
  t.mock.timers.tick(100)
  timer.add(b)
  t.mock.timers.tick(200)
  assert.deepEqual(ticks, { a: 3, b: 2 })
  timer.remove(a)
  assert.equal(timer.running, true)
  t.mock.timers.tick(100)
  assert.deepEqual(ticks, { a: 3, b: 3 })
  timer.remove(b)
  timer.remove(b)
  assert.equal(timer.running, false)
  t.mock.timers.tick(1000)
  assert.deepEqual(ticks, { a: 3, b: 3 })
  timer.add(a)
  t.mock.timers.tick(100)
  assert.equal(ticks.a, 4)
  timer.remove(a)
})

test('a member may leave during its tick', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] })
  const timer = new SharedTimer(10)
  const seen: string[] = []
  const leaver = {
    tick() {
      seen.push('leaver')
      timer.remove(leaver)
    },
  }
  const stayer = { tick: () => void seen.push('stayer') }
  timer.add(leaver)
  timer.add(stayer)
  t.mock.timers.tick(20)
  assert.deepEqual(seen, ['leaver', 'stayer', 'stayer'])
  timer.remove(stayer)
})
