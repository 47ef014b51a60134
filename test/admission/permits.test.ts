import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import fc from 'fast-check'
import { type Admission, type AdmissionOptions, createAdmission, type Permit } from '../../src/admission/permits.ts'
import type { Backend } from '../../src/contract/backend.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import { FakeBackend } from '../support/fake-backend.ts'
import { callOf } from '../support/generate-requests.ts'

function admissionOf(options: Partial<AdmissionOptions> = {}): Admission {
  return createAdmission({
    sessionConcurrency: 4,
    sessionQueue: 64,
    queue: 1024,
    queueTimeoutMs: 60_000,
    ...options,
  })
}

/** Everybody leaves after each test: who waits holds a timer. */
const guestBook: Visitor[] = []
afterEach(() => {
  for (const { gone } of guestBook.splice(0)) gone.abort(new Error('the test is over'))
})

interface Visitor {
  readonly gone: AbortController
  state: 'waiting' | 'running' | 'refused'
  permit: Permit | null
  cause: unknown
}

/** Asks for a permit and notes what becomes of it. A session has a name; without one it is a crowd. */
function ask(admission: Admission, backend: Backend, session: string | null = null): Visitor {
  const gone = new AbortController()
  const visitor: Visitor = { gone, state: 'waiting', permit: null, cause: null }
  guestBook.push(visitor)
  admission.admit(callOf(gone.signal, session ?? 'crowd', session !== null), backend.lane).then(
    (permit) => {
      visitor.permit = permit
      visitor.state = 'running'
    },
    (cause) => {
      visitor.cause = cause
      visitor.state = 'refused'
    },
  )
  return visitor
}

/** All promises that can settle have settled. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** One letter each: running, waiting, or x for refused. */
async function states(visitors: readonly Visitor[]): Promise<string> {
  await settled()
  return visitors.map(({ state }) => ({ running: 'r', waiting: 'w', refused: 'x' })[state]).join('')
}

test('as many run as the backend has capacity for; the rest come in order of arrival', async () => {
  const admission = admissionOf()
  const backend = new FakeBackend(2)
  const visitors = [1, 2, 3, 4, 5].map(() => ask(admission, backend))
  assert.equal(await states(visitors), 'rrwww')
  assert.deepEqual(admission.status(), { running: 2, waiting: 3 })
  visitors[1]?.permit?.release()
  assert.equal(await states(visitors), 'rrrww')
  visitors[0]?.permit?.release()
  assert.equal(await states(visitors), 'rrrrw')
  for (const { permit } of visitors) permit?.release()
  assert.equal(await states(visitors), 'rrrrr')
  visitors[4]?.permit?.release()
  assert.deepEqual(admission.status(), { running: 0, waiting: 0 })
})

test('backends have lines of their own', async () => {
  const admission = admissionOf()
  const [full, idle] = [new FakeBackend(1), new FakeBackend(1)]
  assert.equal(await states([ask(admission, full), ask(admission, full), ask(admission, idle)]), 'rwr')
})

test('a session at its limit waits, and those behind it pass', async () => {
  const admission = admissionOf({ sessionConcurrency: 2 })
  const backend = new FakeBackend(4)
  const greedy = [1, 2, 3].map(() => ask(admission, backend, 'greedy'))
  const others = [ask(admission, backend, 'modest'), ask(admission, backend), ask(admission, backend)]
  assert.equal(await states([...greedy, ...others]), 'rrwrrw')
  others[0]?.permit?.release()
  assert.equal(await states([...greedy, ...others]), 'rrwrrr', 'the place goes to the crowd')
  greedy[0]?.permit?.release()
  assert.equal(await states([...greedy, ...others]), 'rrrrrr')
})

test('a session that waits for one backend goes on when another frees its share', async () => {
  const admission = admissionOf({ sessionConcurrency: 1 })
  const [one, other] = [new FakeBackend(1), new FakeBackend(1)]
  const first = ask(admission, one, 'same')
  const second = ask(admission, other, 'same')
  assert.equal(await states([first, second]), 'rw')
  first.permit?.release()
  assert.equal(await states([second]), 'r')
})

test('a crowd has no limit of its own, and 0 switches the limit of sessions off', async () => {
  const crowd = admissionOf({ sessionConcurrency: 1 })
  const backend = new FakeBackend(3)
  assert.equal(await states([1, 2, 3].map(() => ask(crowd, backend))), 'rrr')
  const off = admissionOf({ sessionConcurrency: 0, sessionQueue: 0 })
  const small = new FakeBackend(1)
  assert.equal(await states([1, 2].map(() => ask(off, small, 'same'))), 'rw')
})

test('a session with enough waiting is refused with 429, others still wait', async () => {
  const admission = admissionOf({ sessionQueue: 1 })
  const backend = new FakeBackend(1)
  const visitors = ['same', 'same', 'same', 'other', null].map((session) => ask(admission, backend, session))
  await settled()
  assert.deepEqual(
    visitors.map(({ state }) => state),
    ['running', 'waiting', 'refused', 'waiting', 'waiting'],
  )
  refusedAs(visitors[2], 'session-busy', /1 requests waiting/)
})

test('a full queue refuses everybody with 529, whoever asks', async () => {
  const admission = admissionOf({ queue: 2 })
  const backend = new FakeBackend(1)
  const visitors = [null, null, 'named', null, 'other'].map((session) => ask(admission, backend, session))
  await settled()
  for (const visitor of visitors.slice(3)) refusedAs(visitor, 'queue-full', /queue is full/)
  assert.deepEqual(admission.status(), { running: 1, waiting: 2 })
  visitors[1]?.gone.abort(new Error('gone'))
  assert.equal(await states([ask(admission, backend)]), 'w', 'who leaves makes room')
})

function refusedAs(visitor: Visitor | undefined, kind: string, message: RegExp): void {
  const cause = visitor?.cause
  assert.ok(cause instanceof HeadendError)
  assert.equal(cause.kind, kind)
  assert.match(cause.message, message)
  assert.ok(Number.isInteger(cause.retryAfterSeconds) && (cause.retryAfterSeconds ?? 0) >= 1)
}

test('who waits too long is refused with 529 and leaves the queue', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const admission = admissionOf({ queueTimeoutMs: 5000 })
  const backend = new FakeBackend(1)
  const running = ask(admission, backend)
  const early = ask(admission, backend)
  t.mock.timers.tick(3000)
  const late = ask(admission, backend)
  t.mock.timers.tick(2000)
  assert.equal(await states([running, late]), 'rw')
  refusedAs(early, 'queue-timeout', /waited too long/)
  assert.deepEqual(admission.status(), { running: 1, waiting: 1 })
  running.permit?.release()
  assert.equal(await states([late]), 'r')
  t.mock.timers.tick(60_000)
  assert.equal(await states([late]), 'r', 'who runs is not timed out')
})

test('a client that goes while it waits leaves at once, with its own reason', async () => {
  const admission = admissionOf()
  const backend = new FakeBackend(1)
  const [running, leaving, next] = [ask(admission, backend), ask(admission, backend), ask(admission, backend)]
  const reason = new HeadendError('client-gone', 'The client has gone')
  leaving.gone.abort(reason)
  assert.deepEqual(admission.status(), { running: 1, waiting: 1 })
  await settled()
  assert.equal(leaving.cause, reason)
  running.permit?.release()
  assert.equal(await states([next]), 'r')
})

test('a client that has gone already is not admitted', async () => {
  const admission = admissionOf()
  const reason = new HeadendError('client-gone', 'The client has gone')
  await assert.rejects(
    admission.admit(callOf(AbortSignal.abort(reason)), new FakeBackend(1)),
    (error) => error === reason,
  )
  assert.deepEqual(admission.status(), { running: 0, waiting: 0 })
})

test('a client that goes while it runs keeps its place until it is released', async () => {
  const admission = admissionOf()
  const backend = new FakeBackend(1)
  const running = ask(admission, backend)
  await settled()
  running.gone.abort(new Error('gone'))
  const next = ask(admission, backend)
  assert.equal(await states([next]), 'w')
  running.permit?.release()
  assert.equal(await states([next]), 'r')
})

test('more capacity wakes the queue, less lets what runs end', async () => {
  const admission = admissionOf()
  const backend = new FakeBackend(0)
  const visitors = [1, 2, 3].map(() => ask(admission, backend))
  assert.equal(await states(visitors), 'www')
  backend.changeCapacity(2)
  assert.equal(await states(visitors), 'rrw')
  backend.changeCapacity(1)
  visitors[0]?.permit?.release()
  assert.equal(await states(visitors), 'rrw', 'one still runs, and one is the limit now')
  visitors[1]?.permit?.release()
  assert.equal(await states(visitors), 'rrr')
})

test('a second release changes nothing', async () => {
  const admission = admissionOf()
  const backend = new FakeBackend(1)
  const visitors = [1, 2, 3].map(() => ask(admission, backend))
  await settled()
  visitors[0]?.permit?.release()
  visitors[0]?.permit?.release()
  assert.equal(await states(visitors), 'rrw')
  assert.deepEqual(admission.status(), { running: 1, waiting: 1 })
})

type Step =
  | { readonly do: 'arrive'; readonly session: string | null; readonly backend: number }
  | { readonly do: 'release' | 'abort'; readonly visitor: number }
  | { readonly do: 'resize'; readonly backend: number; readonly capacity: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('arrive' as const),
    session: fc.constantFrom('a', 'b', null),
    backend: fc.nat({ max: 1 }),
  }),
  fc.record({ do: fc.constantFrom('release' as const, 'abort' as const), visitor: fc.nat({ max: 30 }) }),
  fc.record({ do: fc.constant('resize' as const), backend: fc.nat({ max: 1 }), capacity: fc.nat({ max: 3 }) }),
)

interface Guest extends Visitor {
  readonly session: string | null
  readonly backend: FakeBackend
  released: boolean
}

const sessionConcurrency = 2

test('whatever comes and goes: no limit is passed, nobody is forgotten, no permit is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const admission = admissionOf({ sessionConcurrency, sessionQueue: 3, queue: 5 })
      const backends = [new FakeBackend(1), new FakeBackend(2)]
      const guests: Guest[] = []
      for (const action of steps) {
        const before = new Set(guests.filter(isRunning))
        act(admission, backends, guests, action)
        await settled()
        for (const { backend } of guests.filter((guest) => isRunning(guest) && !before.has(guest))) {
          assert.ok(runningOn(guests, backend) <= backend.capacity, 'nobody starts beyond the capacity')
        }
        checkNobodyWaitsInVain(admission, guests)
      }
      for (const guest of guests) guest.gone.abort(new Error('over'))
      await settled()
      for (const guest of guests) guest.permit?.release()
      await settled()
      assert.deepEqual(admission.status(), { running: 0, waiting: 0 })
    }),
    { numRuns: 200 },
  )
})

function act(admission: Admission, backends: readonly FakeBackend[], guests: Guest[], action: Step): void {
  switch (action.do) {
    case 'arrive': {
      const backend = backends[action.backend] as FakeBackend
      const visitor = ask(admission, backend, action.session)
      guests.push(Object.assign(visitor, { session: action.session, backend, released: false }))
      return
    }
    case 'release': {
      const guest = guests[action.visitor]
      if (guest?.permit == null) return
      guest.permit.release()
      guest.released = true
      return
    }
    case 'abort':
      guests[action.visitor]?.gone.abort(new Error('gone'))
      return
    case 'resize':
      backends[action.backend]?.changeCapacity(action.capacity)
      return
    default:
      action satisfies never
  }
}

function isRunning({ state, released }: Guest): boolean {
  return state === 'running' && !released
}

function runningOn(guests: readonly Guest[], backend: FakeBackend): number {
  return guests.filter((guest) => isRunning(guest) && guest.backend === backend).length
}

function runningOf(guests: readonly Guest[], session: string): number {
  return guests.filter((guest) => isRunning(guest) && guest.session === session).length
}

function checkNobodyWaitsInVain(admission: Admission, guests: readonly Guest[]): void {
  const running = guests.filter(isRunning)
  const waiting = guests.filter(({ state }) => state === 'waiting')
  assert.deepEqual(admission.status(), { running: running.length, waiting: waiting.length })
  for (const session of ['a', 'b']) assert.ok(runningOf(guests, session) <= sessionConcurrency)
  for (const { backend, session } of waiting) {
    const isFull = runningOn(guests, backend) >= backend.capacity
    const hasItsShare = session !== null && runningOf(guests, session) >= sessionConcurrency
    assert.ok(isFull || hasItsShare, 'who waits has a reason to')
  }
}
