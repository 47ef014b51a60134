import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { test } from 'node:test'
import { pause } from '../../src/contract/pause.ts'

test('ends by itself and leaves no listener', async () => {
  const { signal } = new AbortController()
  await pause(1, signal)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('ends at once with the reason of the signal, before or after it began', async () => {
  const gone = new AbortController()
  const paused = pause(1e9, gone.signal)
  const reason = new Error('gone')
  gone.abort(reason)
  await assert.rejects(paused, reason)
  await assert.rejects(pause(1e9, gone.signal), reason)
  assert.equal(getEventListeners(gone.signal, 'abort').length, 0)
})
