import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DeadlineClock } from '../../../src/backends/upstream/deadlines.ts'
import { until } from '../../support/upstream-client.ts'

it('the clock ticks for what is watched, and for nothing else', async () => {
  const clock = new DeadlineClock([0, 80])
  const seen: string[] = []
  const [kept, forgotten] = [{ tick: () => void seen.push('kept') }, { tick: () => void seen.push('forgotten') }]
  clock.watch(kept)
  clock.watch(forgotten)
  clock.forget(forgotten)
  await until(() => seen.length >= 3, 'three ticks')
  clock.forget(kept)
  const turns = new Promise((resolve) => setTimeout(resolve, 40)) // long enough for several ticks
  const before = seen.length
  await turns
  assert.equal(seen.length, before)
  assert.ok(!seen.includes('forgotten'))
  clock.watch(kept)
  await until(() => seen.length > before, 'it goes on')
  clock.forget(kept)
})
