import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import type { Exchange, FrameWriter } from '../../src/contract/exchange.ts'
import { createSignal, get, post, start, type TransportName } from './harness.ts'

const sse = { 'content-type': 'text/event-stream; charset=utf-8' }
const silent = { pingFrame: '' }

/** Opens a stream per exchange and hands it to the test. */
function handOver(): { handle: (exchange: Exchange) => void; opened: Promise<[FrameWriter, Exchange]> } {
  const { promise, fire } = createSignal<[FrameWriter, Exchange]>()
  return { handle: (exchange) => fire([exchange.openStream(200, sse, silent), exchange]), opened: promise }
}

export function streamCases(name: TransportName): void {
  test('a stream carries status, headers and frames, and ends', async (t) => {
    const { connect, finished } = await start(t, name, async (exchange) => {
      const writer = exchange.openStream(200, sse, silent)
      assert.equal(exchange.committed, true)
      assert.equal(writer.writable, true)
      assert.equal(writer.write('data: é\n\n'), true)
      writer.write('data: 漢🦙\n\n')
      await writer.drained()
      await new Promise((resolve) => setImmediate(resolve))
      writer.write('data: last\n\n')
      writer.end()
      writer.write('data: too late\n\n')
      writer.end()
    })
    const client = await connect()
    client.write(get('/'))
    const { status, headers, body } = await client.response()
    assert.equal(status, 200)
    assert.equal(headers.get('content-type'), sse['content-type'])
    assert.match(headers.get('request-id') ?? '', /^req_/)
    assert.equal(body, 'data: é\n\ndata: 漢🦙\n\ndata: last\n\n')
    const report = await finished()
    assert.deepEqual([report.status, report.aborted], [200, false])
    assert.equal(report.bytesSent, Buffer.byteLength(body))
    client.write(get('/'))
    assert.equal((await client.response()).body, body, 'the connection is kept')
  })

  test('a stream may open long after its body was read', async (t) => {
    const { connect } = await start(t, name, async (exchange) => {
      const body = await exchange.body()
      await new Promise((resolve) => setImmediate(resolve))
      const writer = exchange.openStream(200, sse, silent)
      await new Promise((resolve) => setImmediate(resolve))
      writer.write(Buffer.from(body).toString())
      writer.end()
    })
    const client = await connect()
    client.write(`${post('/', { 'content-length': '5' })}hello`)
    assert.equal((await client.response()).body, 'hello')
  })

  test('the frames of one tick are one chunk', async (t) => {
    const { handle, opened } = handOver()
    const { connect } = await start(t, name, handle)
    const client = await connect()
    client.write(get('/'))
    const [writer] = await opened
    for (const frame of ['a', 'b', 'c']) writer.write(frame)
    await client.until('3\r\nabc')
  })

  test('bytes leave between the frames as they are, in order, also behind a full socket', async (t) => {
    const flood = Buffer.from('0123456789abcdef'.repeat(16_384))
    const { connect, finished } = await start(t, name, async (exchange) => {
      const writer = exchange.openStream(200, sse, silent)
      writer.write('first ')
      writer.writeBytes(new Uint8Array([0xf0, 0x9f])) // half of a character is passed on, too
      writer.writeBytes(new Uint8Array([0xa6, 0x99]))
      writer.write(' then ')
      for (let count = 0; count < 40; count++) if (!writer.writeBytes(flood)) await writer.drained()
      writer.write('last')
      writer.end()
      assert.equal(writer.writeBytes(flood), true, 'behind the end it is dropped')
    })
    const client = await connect()
    client.write(get('/'))
    const { body } = await client.response()
    assert.equal(body, `first 🦙 then ${flood.toString().repeat(40)}last`)
    assert.equal((await finished()).bytesSent, Buffer.byteLength(body))
  })

  test('an empty stream is an empty body', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.openStream(204 + 1, sse, silent).end())
    const client = await connect()
    client.write(get('/'))
    const { status, body } = await client.response()
    assert.deepEqual([status, body], [205, ''])
  })

  test('opening a stream after a response is a mistake that throws', async (t) => {
    const { connect, finished } = await start(t, name, (exchange) => {
      exchange.respond(200, {}, 'done')
      assert.throws(() => exchange.openStream(200, sse, silent), /has its response already/)
    })
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).body, 'done')
    await finished()
  })

  test('a reader that stalls holds the writer back, and gets every byte in order later', async (t) => {
    const { handle, opened } = handOver()
    const { connect, finished } = await start(t, name, handle)
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer] = await opened
    const frameOf = (index: number): string => `${String(index).padStart(9, '0')}${'.'.repeat(990)}\n`
    const frameCount = 5000
    let held = 0
    const produce = async (): Promise<void> => {
      for (let index = 0; index < frameCount; index += 1) {
        await Promise.resolve() // a token at a time: the next one comes when this one has been sent
        if (writer.write(frameOf(index))) continue
        held += 1
        if (held === 1) client.socket.resume()
        await Promise.all([writer.drained(), writer.drained()])
      }
      writer.end()
    }
    await produce()
    assert.ok(held > 0, 'write() never said false')
    const { body } = await client.response()
    assert.equal(body.length, frameCount * 1000)
    for (let index = 0; index < frameCount; index += 1) {
      if (body.slice(index * 1000, index * 1000 + 9) !== String(index).padStart(9, '0')) assert.fail(`frame ${index}`)
    }
    assert.equal((await finished()).bytesSent, body.length)
  })

  test('what was held back arrives although nothing more is written', async (t) => {
    const { handle, opened } = handOver()
    const { connect } = await start(t, name, handle)
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer] = await opened
    const frame = 'x'.repeat(20_000_000)
    writer.write(frame)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(writer.writable, false)
    client.socket.removeAllListeners('data')
    let bytes = 0
    const complete = new Promise<void>((resolve) => {
      client.socket.on('data', (piece) => {
        bytes += piece.length
        if (bytes > frame.length) resolve()
      })
    })
    client.socket.resume()
    await complete
    await writer.drained()
  })

  test('an end behind a full socket comes after everything else', async (t) => {
    const { handle, opened } = handOver()
    const { connect, finished, reports } = await start(t, name, handle)
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer] = await opened
    const frame = 'x'.repeat(8_000_000)
    writer.write(frame)
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(writer.writable, false)
    writer.write('tail')
    writer.end()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(reports.length, 0)
    client.socket.resume()
    const { body } = await client.response()
    assert.equal(body.length, frame.length + 4)
    assert.ok(body.endsWith('xtail'))
    assert.equal((await finished()).aborted, false)
  })

  test('a reader that takes nothing is cut off', async (t) => {
    const { handle, opened } = handOver()
    const { connect, finished } = await start(t, name, handle, { stallTimeoutMs: 200 })
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer, exchange] = await opened
    writer.write('x'.repeat(20_000_000))
    await new Promise((resolve) => setImmediate(resolve))
    const stalled = (error: unknown): boolean => error instanceof HeadendError && error.kind === 'reader-stalled'
    await assert.rejects(writer.drained(), stalled)
    await assert.rejects(writer.drained(), stalled)
    assert.ok(stalled(exchange.signal.reason))
    assert.equal(writer.writable, false)
    assert.equal(writer.write('ignored'), false)
    writer.end()
    const report = await finished()
    assert.deepEqual([report.status, report.aborted], [200, true])
    client.socket.resume()
    await client.closed
  })

  test('a reader may pause for longer than ten seconds', async (t) => {
    // uWebSockets.js by itself closes after ten seconds without progress: the limit that counts is ours.
    const { handle, opened } = handOver()
    const { connect, reports } = await start(t, name, handle, { stallTimeoutMs: 30_000 })
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer] = await opened
    writer.write('x'.repeat(8_000_000))
    writer.end()
    const clock = await connect() // an idle connection of uWebSockets.js lives for about twelve seconds: long enough
    if (name === 'uws') await clock.closed
    assert.equal(reports.length, 0)
    client.socket.resume()
    assert.equal((await client.response()).body.length, 8_000_000)
  })

  test('a silent stream is pinged, a writing one is not', async (t) => {
    const { promise, fire } = createSignal<FrameWriter>()
    const { connect } = await start(
      t,
      name,
      (exchange) => fire(exchange.openStream(200, sse, { pingFrame: 'event: ping\n\n' })),
      { pingIntervalMs: 40 },
    )
    const client = await connect()
    client.write(get('/'))
    const writer = await promise
    await client.until('event: ping')
    await client.until('event: ping\n\n\r\nd\r\nevent: ping')
    writer.write('data: x\n\n')
    writer.end()
    const { body } = await client.response()
    assert.match(body, /^(event: ping\n\n)+data: x\n\n$/)
  })

  test('cancel() aborts the signal and releases waiters, and the error still leaves', async (t) => {
    const { handle, opened } = handOver()
    const { connect, finished } = await start(t, name, handle)
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const [writer, exchange] = await opened
    writer.write('x'.repeat(8_000_000))
    await new Promise((resolve) => setImmediate(resolve))
    const cause = new HeadendError('unavailable', 'shutting down')
    const waiting = assert.rejects(writer.drained(), cause)
    const aborted = new Promise<void>((resolve) => exchange.signal.addEventListener('abort', resolve))
    exchange.cancel(cause)
    exchange.cancel(new HeadendError('internal', 'a second cause'))
    await Promise.all([waiting, aborted])
    assert.equal(exchange.signal.reason, cause)
    writer.write('event: error\n\n')
    writer.end()
    client.socket.resume()
    assert.ok((await client.response()).body.endsWith('event: error\n\n'))
    assert.equal((await finished()).aborted, false)
  })

  test('cancel() before a response leaves the response open', async (t) => {
    const { connect } = await start(t, name, (exchange) => {
      exchange.cancel(new HeadendError('unavailable', 'shutting down'))
      assert.equal(exchange.signal.aborted, true)
      exchange.respond(503, {}, 'later')
    })
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).status, 503)
  })
}
