import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Backend } from '../../src/contract/backend.ts'
import { CollectingSink } from '../support/collecting-sink.ts'
import { callOf, requestOf } from '../support/generate-requests.ts'
import { busySlots, openTestBackend } from '../support/local-backend.ts'

let backend: Backend
before(async () => {
  backend = await openTestBackend()
})
after(() => backend.destroy())

test('files are read while all slots decode', async () => {
  // Decoding and file reads share libuv's threads (design fact 11): the test runner sizes that pool as the bin does.
  assert.ok(Number(process.env.UV_THREADPOOL_SIZE) >= 8, 'run the tests by npm test, or set UV_THREADPOOL_SIZE=32')
  const request = requestOf('Tell me a story.', { maxTokens: 400 })
  const streams = await Promise.all(
    Array.from({ length: 4 }, async () => {
      const call = callOf()
      const sink = new CollectingSink()
      const answered = backend.generate(await backend.prepare(request, call), sink, call)
      await sink.seen('block-delta', 1)
      return { sink, answered }
    }),
  )
  assert.equal(busySlots(backend), 4)
  for (let count = 0; count < 20; count++) await readFile(fileURLToPath(import.meta.url))
  assert.equal(busySlots(backend), 4, 'all four are still decoding')
  await Promise.all(streams.map(({ answered }) => answered))
})
