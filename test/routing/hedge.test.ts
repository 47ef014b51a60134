import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { describe, test } from 'node:test'
import type { Call } from '../../src/contract/backend.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import type { FrameWriter } from '../../src/contract/exchange.ts'
import type { Reply, ReplyRelay } from '../../src/contract/reply.ts'
import type { Target } from '../../src/router.ts'
import { hedge } from '../../src/routing/hedge.ts'
import { CollectingSink } from '../support/collecting-sink.ts'
import { callOf } from '../support/generate-requests.ts'
import { targetOf } from './targets.ts'

const start = { type: 'start', usage: null } as const

class FakeReply extends CollectingSink implements Reply {
  readonly frames: string[] = []
  onStarted: () => void = () => {}
  started = false
  readonly relay: ReplyRelay = { kind: 'stream', begin: () => this.#begin() }

  override write(event: Parameters<CollectingSink['write']>[0]): boolean {
    super.write(event)
    this.#start()
    return true
  }

  fail(): void {
    assert.fail('failures are for the journey')
  }

  #begin(): FrameWriter {
    this.#start()
    return {
      writable: true,
      write: (frame) => this.frames.push(frame) > 0,
      writeBytes: () => true,
      drained: () => Promise.resolve(),
      end: () => {},
    }
  }

  #start(): void {
    if (this.started) return
    this.started = true
    this.onStarted()
  }
}

/** One attempt as a target sees it; the test ends it. */
interface Attempt {
  readonly reply: Reply
  readonly call: Call
  readonly resolve: () => void
  readonly reject: (cause: unknown) => void
}

/** A hedge whose targets do what the test says, and whose pause ends when the test says so. */
class Scene {
  readonly first = targetOf('first')
  readonly second = targetOf('second')
  readonly reply = new FakeReply()
  readonly headers: string[] = []
  readonly notes: string[] = []
  readonly gone = new AbortController()
  readonly attempts = new Map<Target, Attempt>()
  readonly call: Call = {
    ...callOf(this.gone.signal),
    client: {
      header: (name) => `${name}!`,
      headerNames: () => [],
      addHeader: (name, value) => this.headers.push(`${name}: ${value}`),
    },
  }
  readonly ended: Promise<void>
  besideIt: Target | null = this.second
  #elapse: () => void = () => {}

  constructor() {
    this.ended = hedge({
      journey: {
        beside: () => this.besideIt,
        started: ({ id }) => this.notes.push(`${id} started`),
        lost: ({ id }, failure) => this.notes.push(`${id} lost: ${failure?.kind ?? 'no fault'}`),
      },
      target: this.first,
      afterMs: 50,
      reply: this.reply,
      call: this.call,
      pause: (_, signal) =>
        new Promise((resolve, reject) => {
          this.#elapse = resolve
          signal.addEventListener('abort', () => reject(signal.reason))
        }),
      run: (target, reply, call) =>
        new Promise((resolve, reject) => {
          this.attempts.set(target, { reply, call, resolve, reject })
          call.signal.addEventListener('abort', () => reject(call.signal.reason))
        }),
    })
    this.ended.catch(() => {}) // each test looks at it in its own time
  }

  at(target: Target): Attempt {
    return this.attempts.get(target) ?? assert.fail(`${target.id} was not asked`)
  }

  async elapse(): Promise<void> {
    this.#elapse()
    await settled()
  }
}

function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function failure(kind: 'upstream-failed' | 'upstream-timeout'): HeadendError {
  return new HeadendError(kind, kind)
}

describe('a second target is not asked', () => {
  test('when the first begins in time', async () => {
    const scene = new Scene()
    scene.at(scene.first).reply.write(start)
    await scene.elapse()
    scene.at(scene.first).resolve()
    await scene.ended
    assert.deepEqual(scene.notes, ['first started'])
    assert.equal(scene.attempts.size, 1)
  })

  test('when the first fails in time: that is for the journey', async () => {
    const scene = new Scene()
    const cause = failure('upstream-failed')
    scene.at(scene.first).reject(cause)
    await assert.rejects(scene.ended, cause)
    await scene.elapse()
    assert.deepEqual(scene.notes, [])
    assert.equal(scene.attempts.size, 1)
  })

  test('when the journey has none', async () => {
    const scene = new Scene()
    scene.besideIt = null
    await scene.elapse()
    const cause = failure('upstream-failed')
    scene.at(scene.first).reject(cause)
    await assert.rejects(scene.ended, cause)
    assert.deepEqual(scene.notes, [])
  })
})

describe('of two that were asked', () => {
  for (const [winnerName, loserName] of [
    ['first', 'second'],
    ['second', 'first'],
  ] as const) {
    test(`the ${winnerName} wins by beginning, and the other one is aborted through no fault of its own`, async () => {
      const scene = new Scene()
      await scene.elapse()
      const [winner, loser] = [scene.at(scene[winnerName]), scene.at(scene[loserName])]
      assert.deepEqual(scene.notes, [])
      assert.ok(winner.reply.write(start))
      assert.ok(loser.call.signal.aborted && !winner.call.signal.aborted)
      assert.deepEqual([winner.reply.started, loser.reply.started], [true, false])
      assert.equal(loser.reply.write(start), false)
      await assert.rejects(loser.reply.drained(), loser.call.signal.reason as Error)
      await settled()
      assert.deepEqual(scene.notes, [`${winnerName} started`, `${loserName} lost: no fault`])
      winner.reply.write({ type: 'block-start', index: 0, block: { kind: 'text' } })
      winner.resolve()
      await scene.ended
      assert.deepEqual(
        scene.reply.events.map(({ type }) => type),
        ['start', 'block-start'],
      )
    })
  }

  test('the headers of the winner stay, those of the loser never come', async () => {
    const scene = new Scene()
    await scene.elapse()
    const [first, second] = [scene.at(scene.first), scene.at(scene.second)]
    first.call.client.addHeader('x-headend-target', 'first')
    second.call.client.addHeader('x-headend-target', 'second')
    assert.deepEqual(scene.headers, [])
    second.reply.write(start)
    first.call.client.addHeader('x-late', 'first')
    second.call.client.addHeader('x-late', 'second')
    assert.deepEqual(scene.headers, ['x-headend-target: second', 'x-late: second'])
    assert.equal(first.call.client.header('a'), 'a!')
    second.resolve()
    await scene.ended
  })

  test('one that fails leaves the other one to go on', async () => {
    const scene = new Scene()
    await scene.elapse()
    scene.at(scene.first).reject(failure('upstream-failed'))
    await settled()
    assert.deepEqual(scene.notes, ['first lost: upstream-failed'])
    assert.ok(!scene.at(scene.second).call.signal.aborted)
    scene.at(scene.second).reply.write(start)
    scene.at(scene.second).resolve()
    await scene.ended
    assert.deepEqual(scene.notes, ['first lost: upstream-failed', 'second started'])
  })

  test('both fail with what the first failed with, each with its own for the journey', async () => {
    const scene = new Scene()
    await scene.elapse()
    const cause = failure('upstream-timeout')
    scene.at(scene.second).reject(failure('upstream-failed'))
    await settled()
    scene.at(scene.first).reject(cause)
    await assert.rejects(scene.ended, cause)
    assert.deepEqual(scene.notes, ['second lost: upstream-failed', 'first lost: upstream-timeout'])
  })

  test('a winner that fails later fails the request, and is still the current one of the journey', async () => {
    const scene = new Scene()
    await scene.elapse()
    const cause = failure('upstream-failed')
    scene.at(scene.second).reply.write(start)
    scene.at(scene.second).reject(cause)
    await assert.rejects(scene.ended, cause)
    assert.deepEqual(scene.notes, ['second started', 'first lost: no fault'])
  })

  test('one may win by relaying bytes, and the other one cannot relay any', async () => {
    const scene = new Scene()
    await scene.elapse()
    const [first, second] = [scene.at(scene.first).reply.relay, scene.at(scene.second).reply.relay]
    assert(first.kind === 'stream' && second.kind === 'stream')
    second.begin({}).write('frame')
    assert.throws(() => first.begin({}), scene.at(scene.first).call.signal.reason as Error)
    scene.at(scene.second).resolve()
    await scene.ended
    assert.deepEqual(scene.reply.frames, ['frame'])
  })

  test('both end when the client leaves, through no fault of their own', async () => {
    const scene = new Scene()
    await scene.elapse()
    const reason = new HeadendError('client-gone', 'gone')
    scene.gone.abort(reason)
    await assert.rejects(scene.ended, reason)
    assert.deepEqual(scene.notes, ['first lost: no fault', 'second lost: no fault'])
    assert.equal(getEventListeners(scene.gone.signal, 'abort').length, 0)
  })
})

test('who watches the reply, and who watches his part of it, both learn that it has begun', async () => {
  const scene = new Scene()
  const seen: string[] = []
  scene.reply.onStarted = () => seen.push('whole')
  await scene.elapse()
  scene.at(scene.first).reply.onStarted = () => seen.push('first')
  scene.at(scene.second).reply.onStarted = () => seen.push('second')
  scene.at(scene.second).reply.write(start)
  scene.at(scene.second).resolve()
  await scene.ended
  assert.deepEqual(seen, ['whole', 'second'])
  assert.equal(getEventListeners(scene.gone.signal, 'abort').length, 0)
})
