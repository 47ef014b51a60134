import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadendError } from '../../src/contract/errors.ts'
import type { Exchange } from '../../src/contract/exchange.ts'
import { createSignal, get, post, start, type TransportName } from './harness.ts'

const isGone = (error: unknown): boolean => error instanceof HeadendError && error.kind === 'client-gone'

export function endCases(name: TransportName): void {
  test('a client that leaves before its body is complete rejects body()', async (t) => {
    const started = createSignal<void>()
    const outcome = createSignal<unknown>()
    const { connect, finished } = await start(t, name, (exchange) => {
      started.fire()
      exchange.body().catch((error) => {
        outcome.fire(error)
        exchange.respond(400, {}, 'nobody reads this')
        assert.equal(exchange.committed, false)
      })
    })
    const client = await connect()
    client.write(`${post('/', { 'content-length': '100' })}half`)
    await started.promise
    client.socket.destroy()
    assert.ok(isGone(await outcome.promise))
    const report = await finished()
    assert.deepEqual([report.status, report.aborted], [499, true])
    assert.ok(isGone(report.exchange.signal.reason), 'a signal first read after the abort is aborted')
    await assert.rejects(report.exchange.body(), isGone)
  })

  test('a client that leaves before the response aborts the signal', async (t) => {
    const { promise, fire } = createSignal<Exchange>()
    const { connect, finished } = await start(t, name, (exchange) => fire(exchange))
    const client = await connect()
    client.write(get('/'))
    const exchange = await promise
    const aborted = new Promise<void>((resolve) => exchange.signal.addEventListener('abort', resolve))
    client.socket.destroy()
    await aborted
    assert.ok(isGone(exchange.signal.reason))
    await assert.rejects(exchange.body(), isGone)
    const writer = exchange.openStream(200, {}, { pingFrame: 'ping' })
    assert.equal(writer.writable, false)
    assert.equal(writer.write('x'), false)
    await assert.rejects(writer.drained(), isGone)
    writer.end()
    assert.equal((await finished()).aborted, true)
  })

  test('a client that leaves in the middle of a stream rejects the waiting producer', async (t) => {
    const { promise, fire } = createSignal<Exchange>()
    const { connect, reports, finished } = await start(t, name, (exchange) => fire(exchange))
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const exchange = await promise
    const writer = exchange.openStream(200, {}, { pingFrame: '' })
    writer.write('x'.repeat(20_000_000))
    await new Promise((resolve) => setImmediate(resolve))
    const waiting = [assert.rejects(writer.drained(), isGone), assert.rejects(writer.drained(), isGone)]
    client.socket.destroy()
    await Promise.all(waiting)
    assert.equal(writer.write('x'), false)
    writer.end()
    const report = await finished()
    assert.deepEqual([report.status, report.aborted], [200, true])
    assert.equal(reports.length, 1)
  })

  test('a client that leaves does not disturb the streams of others', async (t) => {
    const exchanges: Exchange[] = []
    const both = createSignal<void>()
    const { connect, finished } = await start(t, name, (exchange) => {
      if (exchanges.push(exchange) === 2) both.fire()
    })
    const [leaver, stayer] = [await connect(), await connect()]
    leaver.write(get('/leaver'))
    stayer.write(get('/stayer'))
    await both.promise
    const writers = exchanges.map((exchange) => exchange.openStream(200, {}, { pingFrame: '' }))
    for (const writer of writers) writer.write('one ')
    await leaver.until('one ')
    leaver.socket.destroy()
    await finished(({ exchange }) => exchange.path === '/leaver')
    for (const writer of writers) {
      writer.write('two')
      writer.end()
    }
    assert.equal((await stayer.response()).body, 'one two')
  })

  test('drain: no new connections, open streams end, the next response closes its connection', async (t) => {
    const { promise, fire } = createSignal<Exchange>()
    const { connect, transport, reports } = await start(t, name, (exchange) => {
      if (exchange.path === '/stream') fire(exchange)
      else exchange.respond(200, {}, 'ok')
    })
    const [streaming, idle] = [await connect(), await connect()]
    streaming.write(get('/stream'))
    const writer = (await promise).openStream(200, {}, { pingFrame: '' })
    writer.write('before ')
    await streaming.until('before ')
    idle.write(get('/'))
    assert.notEqual((await idle.response()).headers.get('connection'), 'close')

    transport.stopListening()
    transport.stopListening()
    await assert.rejects(connect(), { code: 'ECONNREFUSED' })
    idle.write(get('/'))
    const last = await idle.response()
    assert.equal(last.body, 'ok')
    assert.equal(last.headers.get('connection'), 'close')
    await idle.closed

    let isClosed = false
    const closing = transport.close().then(() => {
      isClosed = true
    })
    writer.write('after')
    await streaming.until('after')
    assert.equal(isClosed, false)
    writer.end()
    await closing
    assert.equal((await streaming.response()).body, 'before after')
    await streaming.closed
    assert.equal(reports.length, 3)
    transport.destroy()
  })

  test('close() with nothing open resolves and cuts idle connections', async (t) => {
    const { connect, transport } = await start(t, name, (exchange) => exchange.respond(200, {}, 'ok'))
    const client = await connect()
    client.write(get('/'))
    await client.response()
    await transport.close()
    await client.closed
    await transport.close()
  })

  test('destroy() cuts open streams and unread bodies', async (t) => {
    const seen: Exchange[] = []
    const both = createSignal<void>()
    const { connect, transport, reports } = await start(t, name, async (exchange) => {
      if (seen.push(exchange) === 2) both.fire()
      if (exchange.path === '/stream') exchange.openStream(200, {}, { pingFrame: '' }).write('x')
      else await exchange.body().catch(() => {})
    })
    const [streaming, sending] = [await connect(), await connect()]
    streaming.write(get('/stream'))
    sending.write(post('/body', { 'content-length': '10' }))
    await both.promise
    transport.destroy()
    assert.deepEqual(
      seen.map(({ signal }) => (signal.reason as HeadendError).kind),
      ['unavailable', 'unavailable'],
    )
    await Promise.all([streaming.closed, sending.closed])
    assert.equal(reports.length, 2)
    await transport.close()
  })
}
