import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import { ticksPerPing } from '../../src/http/ping.ts'
import { type FrameSink, SseWriter } from '../../src/http/sse-writer.ts'

class FakeSink implements FrameSink {
  isFull = false
  readonly log: string[] = []

  send(text: string): boolean {
    this.log.push(`send ${text}`)
    return !this.isFull
  }

  sendBytes(bytes: Uint8Array): boolean {
    this.log.push(`bytes ${Buffer.from(bytes)}`)
    return !this.isFull
  }

  finish(text: string): void {
    this.log.push(`finish ${text}`)
  }

  stalled(isStalled: boolean): void {
    this.log.push(isStalled ? 'stalled' : 'moving')
  }

  take(): string[] {
    return this.log.splice(0)
  }
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
const gone = new HeadendError('client-gone', 'gone')

async function open(pingFrame = ''): Promise<{ sink: FakeSink; writer: SseWriter }> {
  const sink = new FakeSink()
  const writer = new SseWriter(sink, pingFrame)
  await tick()
  assert.deepEqual(sink.take(), ['send '], 'status and headers leave without a frame')
  return { sink, writer }
}

test('frames of one tick leave in one write, with the end if it came in the same tick', async () => {
  const { sink, writer } = await open()
  writer.write('a')
  writer.write('b')
  assert.deepEqual(sink.take(), [])
  await tick()
  assert.deepEqual(sink.take(), ['send ab'])
  writer.write('c')
  writer.end()
  await tick()
  assert.deepEqual(sink.take(), ['finish c'])
  writer.write('d')
  writer.end()
  writer.wake()
  writer.abort(gone)
  await tick()
  assert.deepEqual(sink.take(), [])
})

test('a stream that ends in its first tick is one write', async () => {
  const sink = new FakeSink()
  const writer = new SseWriter(sink, '')
  writer.write('all')
  writer.end()
  await tick()
  assert.deepEqual(sink.take(), ['finish all'])
})

test('every waiter wakes, also when the reader stalls twice', async () => {
  const { sink, writer } = await open()
  for (const round of ['one', 'two']) {
    sink.isFull = true
    assert.equal(writer.write(round), true, 'nobody knows yet')
    await tick()
    assert.equal(writer.writable, false)
    assert.equal(writer.write('!'), false)
    const waiting = Promise.all([writer.drained(), writer.drained()])
    await tick()
    sink.isFull = false
    writer.wake()
    await waiting
    await writer.drained()
    assert.equal(writer.writable, true)
    assert.deepEqual(sink.take(), [`send ${round}`, 'stalled', 'send !', 'moving'])
  }
})

test('a write that succeeds while the reader seemed stalled wakes at once', async () => {
  const { sink, writer } = await open()
  sink.isFull = true
  writer.write('a')
  await tick()
  const waiting = writer.drained()
  sink.isFull = false
  writer.write('b')
  await waiting
  assert.deepEqual(sink.take(), ['send a', 'stalled', 'send b', 'moving'])
})

test('an end waits for a full socket', async () => {
  const { sink, writer } = await open()
  sink.isFull = true
  writer.write('a')
  await tick()
  writer.write('b')
  writer.end()
  await tick()
  assert.deepEqual(sink.take(), ['send a', 'stalled'])
  writer.wake()
  assert.deepEqual(sink.take(), ['moving', 'finish b'])
})

test('an end with much to send waits until it is taken', async () => {
  const { sink, writer } = await open()
  sink.isFull = true
  writer.write('x'.repeat(100_000))
  writer.end()
  await tick()
  assert.deepEqual(sink.take(), [`send ${'x'.repeat(100_000)}`, 'stalled'])
  writer.wake()
  assert.deepEqual(sink.take(), ['moving', 'finish '])
})

test('after an abort waiters know the reason and writes are ignored', async () => {
  const { sink, writer } = await open()
  sink.isFull = true
  writer.write('a')
  await tick()
  writer.write('b')
  sink.take()
  const waiting = [assert.rejects(writer.drained(), gone), assert.rejects(writer.drained(), gone)]
  writer.abort(gone)
  await Promise.all(waiting)
  await assert.rejects(writer.drained(), gone)
  assert.equal(writer.write('c'), false)
  assert.equal(writer.writable, false)
  writer.end()
  writer.wake()
  await tick()
  assert.deepEqual(sink.take(), [])
})

test('a cancel releases waiters and lets the rest leave', async () => {
  const { sink, writer } = await open()
  sink.isFull = true
  writer.write('a')
  await tick()
  const waiting = assert.rejects(writer.drained(), gone)
  writer.cancel(gone)
  await waiting
  sink.isFull = false
  writer.wake()
  writer.write('error')
  writer.end()
  await tick()
  assert.deepEqual(sink.take(), ['send a', 'stalled', 'moving', 'finish error'])
})

test('silence is counted from the last frame, and no ping goes to a full socket', async () => {
  const { sink, writer } = await open('ping')
  const pass = (ticks: number): void => {
    for (let count = 0; count < ticks; count += 1) writer.tick()
  }
  pass(ticksPerPing)
  writer.write('a')
  pass(ticksPerPing)
  await tick()
  assert.deepEqual(sink.take(), ['send a'])
  pass(1)
  await tick()
  assert.deepEqual(sink.take(), ['send ping'])
  sink.isFull = true
  writer.write('b')
  await tick()
  pass(10 * ticksPerPing)
  await tick()
  assert.deepEqual(sink.take(), ['send b', 'stalled'])
  writer.end()
  pass(10 * ticksPerPing)
  writer.wake()
  assert.deepEqual(sink.take(), ['moving', 'finish '])
})

test('a stream without a ping frame is never pinged', async () => {
  const { sink, writer } = await open('')
  for (let count = 0; count < 100; count += 1) writer.tick()
  await tick()
  assert.deepEqual(sink.take(), [])
})

test('much in one tick does not wait for its end: a full socket is known before there is more', async () => {
  const { sink, writer } = await open()
  const frame = 'x'.repeat(20_000)
  assert.equal(writer.write(frame), true)
  assert.deepEqual(sink.take(), [])
  sink.isFull = true
  assert.equal(writer.write(frame), false)
  assert.deepEqual(sink.take(), [`send ${frame}${frame}`, 'stalled'])
  assert.equal(writer.write('rest'), false)
  await tick()
  assert.deepEqual(sink.take(), ['send rest'])
})
