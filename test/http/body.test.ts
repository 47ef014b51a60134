import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import { BodyCollector, type BodyPlan, ByteBudget } from '../../src/http/body.ts'

function plan(declaredBytes: number | null, budgetBytes = 10_000_000, contentEncoding = ''): BodyPlan {
  return { bytesMax: 5_000_000, budget: new ByteBudget(budgetBytes), declaredBytes, contentEncoding }
}

const isKind = (kind: HeadendError['kind']) => (error: unknown) => error instanceof HeadendError && error.kind === kind

test('pieces of any size make one body, whatever length was declared', async () => {
  const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => index % 251))
  for (const declared of [null, sent.length, 10, 4_000_000]) {
    for (const step of [1000, 65_536, sent.length]) {
      const collector = new BodyCollector(plan(declared))
      for (let at = 0; at < sent.length; at += step) collector.push(sent.subarray(at, at + step), false)
      collector.end()
      assert.ok(sent.equals(await collector.read()), `declared ${declared}, in pieces of ${step}`)
    }
  }
})

test('single bytes cost no more than what is charged for them, times two', async () => {
  const collector = new BodyCollector(plan(null))
  const before = process.memoryUsage()
  const byte = Uint8Array.of(120)
  for (let count = 0; count < 1_000_000; count += 1) collector.push(byte, true)
  collector.end()
  const body = await collector.read()
  assert.equal(body.length, 1_000_000)
  assert.ok(body.buffer.byteLength <= 2_000_000)
  assert.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 10_000_000)
})

test('a body that comes in one piece of ours is not copied', async () => {
  const piece = new Uint8Array(1000)
  const collector = new BodyCollector(plan(1000))
  collector.push(piece, true)
  collector.end()
  assert.equal((await collector.read()).buffer, piece.buffer)
})

test('a piece that is not ours is copied before it is neutered', async () => {
  const piece = Uint8Array.of(1, 2, 3)
  const collector = new BodyCollector(plan(3))
  collector.push(piece, false)
  structuredClone(piece, { transfer: [piece.buffer] })
  collector.end()
  assert.deepEqual([...(await collector.read())], [1, 2, 3])
})

test('a declared length takes no room before it arrives', () => {
  const budget = new ByteBudget(1000)
  const collector = new BodyCollector({ ...plan(4_000_000), budget })
  collector.push(new Uint8Array(1), true)
  assert.equal(budget.reserve(999), true)
})

test('a failure is told to whoever reads later, and gives the room back', async () => {
  const budget = new ByteBudget(1000)
  const collector = new BodyCollector({ ...plan(null), budget })
  collector.push(new Uint8Array(600), true)
  assert.equal(budget.reserve(600), false)
  collector.push(new Uint8Array(600), true)
  assert.equal(collector.failed, true)
  assert.equal(budget.reserve(1000), true)
  collector.push(new Uint8Array(1), true)
  collector.end()
  await assert.rejects(collector.read(), isKind('unavailable'))
})

test('too long and of an unknown encoding are refused before a byte is read', async () => {
  await assert.rejects(new BodyCollector(plan(5_000_001)).read(), isKind('body-too-large'))
  await assert.rejects(new BodyCollector(plan(1, 1000, 'compress')).read(), isKind('invalid-request'))
})
