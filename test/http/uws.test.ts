import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createSignal, get, post, start } from './harness.ts'
import { transportSuite } from './transport-suite.ts'

// What uWebSockets.js 20.30 does by itself, and headend's documentation tells. A newer release may do better: then both change.
transportSuite('uws', () => {
  const unanswered: readonly [string, string][] = [
    ['a malformed request line', 'GARBAGE\r\n\r\n'],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: a\r\n\r\n'],
    ['a missing host', 'GET / HTTP/1.1\r\n\r\n'],
    ['HTTP/1.0', 'GET / HTTP/1.0\r\nhost: a\r\n\r\n'],
    ['an absolute target', get('http://localhost/')],
    ['the target *', get('*', {}, 'OPTIONS')],
    ['a length beside chunks', `${post('/', { 'content-length': '3', 'transfer-encoding': 'chunked' })}abc`],
    ['a length that is no number', post('/', { 'content-length': 'three' })],
    ['headers that come too slowly', 'GET / HTTP/1.1\r\nhost: a\r\nx-slow: '],
    ['an idle connection', ''],
  ]
  for (const [what, sent] of unanswered) {
    test(`${what}: closed without an answer, and nobody else notices`, async (t) => {
      const { connect, reports } = await start(t, 'uws', (exchange) => exchange.respond(200, {}, 'ok'))
      const client = await connect()
      client.write(sent)
      await client.closed
      assert.equal(client.received, '')
      assert.equal(reports.length, 0)
      const next = await connect()
      next.write(get('/'))
      assert.equal((await next.response()).body, 'ok')
    })
  }

  test('two lengths are refused: a proxy in front may believe the other one', async (t) => {
    const { connect, reports } = await start(t, 'uws', (exchange) => exchange.respond(200, {}, 'ok'))
    const client = await connect()
    client.write(`${post('/', { 'content-length': '3', 'Content-Length': '5' })}abcde`)
    const { status, headers, body } = await client.response()
    assert.equal(status, 400)
    assert.equal(headers.get('connection')?.toLowerCase(), 'close')
    assert.equal(JSON.parse(body).requestId, headers.get('request-id'))
    await client.closed
    assert.equal(reports.length, 0)
  })

  test('a used connection that is idle is closed', async (t) => {
    const { connect } = await start(t, 'uws', (exchange) => exchange.respond(200, {}, 'ok'))
    const client = await connect()
    client.write(get('/'))
    await client.response()
    await client.closed
  })

  test('a large header block passes in one piece; over 4 KB in two pieces it does not', async (t) => {
    const { connect } = await start(t, 'uws', (exchange) => exchange.respond(200, {}, exchange.header('x-large') ?? ''))
    const large = 'x'.repeat(6000)
    const whole = await connect()
    whole.write(get('/', { 'x-large': large }))
    assert.equal((await whole.response()).body, large)
    const split = await connect()
    split.write(`GET / HTTP/1.1\r\nhost: a\r\nx-large: ${large.slice(0, 4500)}`)
    whole.write(get('/')) // once this later request is answered the first piece has been read, alone
    await whole.response()
    split.write(`${large.slice(4500)}\r\n\r\n`)
    await split.closed
    assert.equal(split.received, '')
  })

  test('a request behind one that is still being answered ends the connection', async (t) => {
    const { connect, finished } = await start(t, 'uws', async (exchange) => {
      await new Promise((resolve) => setImmediate(resolve))
      exchange.respond(200, {}, 'late')
    })
    const client = await connect()
    client.write(get('/1') + get('/2'))
    await client.closed
    assert.equal((await finished(({ exchange }) => exchange.path === '/1')).aborted, true)
  })

  test('a client that shuts down its half of the connection has gone', async (t) => {
    const arrived = createSignal<void>()
    const { connect, finished } = await start(t, 'uws', () => arrived.fire())
    const client = await connect()
    client.write(get('/'))
    await arrived.promise
    client.socket.end()
    assert.equal((await finished()).aborted, true)
  })

  test('a silent stream outlives the idle time', async (t) => {
    const { promise, fire } = createSignal<{ write(frame: string): boolean; end(): void }>()
    const { connect } = await start(t, 'uws', (exchange) => fire(exchange.openStream(200, {}, { pingFrame: '' })))
    const [client, idle] = [await connect(), await connect()]
    client.write(get('/'))
    const writer = await promise
    await idle.closed // it had nothing to do for as long as the stream has been silent
    writer.write('still here')
    writer.end()
    assert.equal((await client.response()).body, 'still here')
  })
})
