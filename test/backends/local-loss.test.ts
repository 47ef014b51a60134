import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, beforeEach, test } from 'node:test'
import type { Worker } from 'node:worker_threads'
import { creditEvents } from '../../src/backends/local/channel.ts'
import type { Backend } from '../../src/contract/backend.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import { CollectingSink, StallingSink } from '../support/collecting-sink.ts'
import { callOf, requestOf } from '../support/generate-requests.ts'
import { ask, busySlots, embeddedModelPath, openTestBackend } from '../support/local-backend.ts'

/** Every thread that this process starts. Newer Node runs the loader of TypeScript in one, too: nobody listens to that one. */
const threads: Worker[] = []
process.on('worker', (worker) => {
  if (worker.listenerCount('message') > 0) threads.push(worker)
})

function livingThreads(): number {
  return threads.filter(({ threadId }) => threadId !== -1).length
}

interface Status {
  readonly workers: readonly { readonly id: number; readonly ready: boolean }[]
}

function decodeWorkerIds(backend: Backend): readonly number[] {
  return (backend.status() as unknown as Status).workers.map(({ id }) => id)
}

/** As when the thread ends by itself: nobody in the pool is told. */
async function kill(id: number | undefined): Promise<void> {
  const worker = threads.find(({ threadId }) => threadId === id)
  assert.ok(worker, `there is a thread ${id}`)
  await worker.terminate()
}

async function untilReady(backend: Backend): Promise<void> {
  while (!backend.ready) await capacityChange()
}

const story = requestOf('Tell me a story.', { maxTokens: 400 })
const troubles: string[] = []

let backend: Backend
let capacityChange: () => Promise<void>
before(async () => {
  backend = await openTestBackend({
    reports: { loading: () => {}, trouble: (message) => troubles.push(message) },
  })
  let wake = (): void => {}
  backend.lane.watchCapacity(() => wake())
  capacityChange = () =>
    new Promise((resolve) => {
      wake = resolve
    })
})
beforeEach(() => {
  troubles.length = 0
})

/**
 * A stream that has spent its credit: its slot is in the middle of an answer, and its engine rests. A thread that is killed while
 * the engine computes takes the whole process with it.
 */
async function pausedStory(): Promise<{ sink: StallingSink; answered: Promise<void> }> {
  const sink = new StallingSink()
  sink.stall()
  const call = callOf()
  const answered = backend.generate(await backend.prepare(story, call), sink, call)
  answered.catch(() => {}) // looked at later
  await sink.reached(creditEvents)
  return { sink, answered }
}

test('a decode worker that dies fails its own requests and is replaced', async () => {
  const [id] = decodeWorkerIds(backend)
  const streams = await Promise.all([pausedStory(), pausedStory()])
  await kill(id)
  for (const { answered } of streams) {
    await assert.rejects(answered, (error) => {
      assert.ok(error instanceof HeadendError)
      assert.equal(error.kind, 'worker-lost')
      assert.ok((error.retryAfterSeconds ?? 0) >= 1)
      return true
    })
  }
  assert.equal(backend.ready, false)
  assert.equal(backend.lane.capacity, 0)
  assert.deepEqual(decodeWorkerIds(backend), [])
  await assert.rejects(backend.prepare(story, callOf()), { kind: 'unavailable', retryAfterSeconds: 2 })
  assert.ok(troubles.some((message) => /lost and is being replaced/.test(message)))

  await untilReady(backend)
  assert.equal(backend.lane.capacity, 4)
  assert.equal(busySlots(backend), 0)
  assert.equal((await ask(backend, requestOf('Hello!'))).text, 'Hello! How can I help you today?')
})

test('a tokenizer that dies is replaced while streams go on', async () => {
  const { sink, answered } = await pausedStory()
  const decoding = decodeWorkerIds(backend)
  const tokenizer = threads.find(({ threadId }) => threadId !== -1 && !decoding.includes(threadId))
  await kill(tokenizer?.threadId)
  await assert.rejects(backend.countTokens(story, callOf()), { kind: 'unavailable' })
  sink.resume()
  await answered
  assert.equal(sink.finish.reason, 'end-turn')
  assert.deepEqual(decodeWorkerIds(backend), decoding)
  assert.equal(await untilCounted(), 19)
})

/** The tokenizer has no event of its own: it is asked once a turn of the event loop. */
async function untilCounted(): Promise<number> {
  for (;;) {
    try {
      return await backend.countTokens(story, callOf())
    } catch (error) {
      assert.equal((error as HeadendError).kind, 'unavailable')
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
}

test('destroying ends running answers at their next token, and leaves no thread behind', async () => {
  const paused = await Promise.all([pausedStory(), pausedStory(), pausedStory()])
  const call = callOf()
  const prepared = await backend.prepare(story, call)
  const sink = new CollectingSink()
  const answered = backend.generate(prepared, sink, call)
  answered.catch(() => {}) // looked at later
  await sink.seen('block-delta', 1)
  await backend.destroy()
  for (const ended of [...paused.map((stream) => stream.answered), answered]) {
    await assert.rejects(ended, { kind: 'unavailable', message: 'The server is shutting down' })
  }
  assert.equal(livingThreads(), 0)
})

test('a model that cannot be loaded is an error, and leaves no thread behind', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'headend-'))
  t.after(() => rm(directory, { recursive: true }))
  const missing = join(directory, 'missing.gguf')
  const truncated = join(directory, 'truncated.gguf')
  await writeFile(truncated, (await readFile(embeddedModelPath)).subarray(0, 1_000_000))
  await Promise.all([
    assert.rejects(openTestBackend({ load: { modelPath: missing } }), /ENOENT/),
    assert.rejects(openTestBackend({ load: { modelPath: truncated } }), /model/i),
  ])
  assert.equal(livingThreads(), 0)
})
