import assert from 'node:assert/strict'
import { it } from 'node:test'
import { DeadlineClock } from '../../../src/backends/upstream/deadlines.ts'
import { until } from '../../support/upstream-client.ts'

it('the clock ticks for what is watched, and for nothing else', async () => {
  const clock = new DeadlineClock([0, 80])
  const seen: string[] = []
  const [kept, forgotten] = [{ tick: () => void seen.push('kept') }, { tick: () => void seen.push('forgotten') }]
  const place = clock.watch(kept)
  clock.forget(clock.watch(forgotten))
  await until(() => seen.length >= 3, 'three ticks')
  assert.ok(!seen.includes('forgotten'))
  clock.forget(place)
})
