import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Exchange } from '../../src/contract/exchange.ts'
import { createSignal, get, post, start } from './harness.ts'
import { transportSuite } from './transport-suite.ts'

const ok = (exchange: Exchange): void => exchange.respond(200, {}, `${exchange.path}?${exchange.query}`)

transportSuite('node', () => {
  const refusals: readonly [string, string, number, RegExp][] = [
    ['a malformed request line', 'GARBAGE\r\n\r\n', 400, /not valid HTTP/],
    ['an unknown method', 'BREW /pot HTTP/1.1\r\nhost: a\r\n\r\n', 400, /not valid HTTP/],
    ['a missing host', 'GET / HTTP/1.1\r\n\r\n', 400, /no host header/],
    ['two lengths', post('/', { 'content-length': '3', 'Content-Length': '5' }), 400, /not valid HTTP/],
    [
      'a length beside chunks',
      post('/', { 'content-length': '3', 'transfer-encoding': 'chunked' }),
      400,
      /not valid HTTP/,
    ],
    ['a header block over the limit', get('/', { 'x-large': 'x'.repeat(20_000) }), 431, /larger than 16384 bytes/],
  ]
  for (const [what, sent, expected, message] of refusals) {
    test(`${what} is answered in JSON with a request-id, and the connection closed`, async (t) => {
      const { connect, reports } = await start(t, 'node', ok)
      const client = await connect()
      client.write(sent)
      const { status, headers, body } = await client.response()
      assert.equal(status, expected)
      assert.equal(headers.get('connection'), 'close')
      const parsed = JSON.parse(body)
      assert.match(parsed.message, message)
      assert.equal(parsed.status, expected)
      assert.equal(headers.get('request-id'), parsed.requestId)
      assert.match(parsed.requestId, /^req_[0-9A-Za-z]{24}$/)
      await client.closed
      assert.equal(reports.length, 0)
    })
  }

  test('headers that come too slowly are answered with 408, on a new and on a used connection', async (t) => {
    const { connect } = await start(t, 'node', ok, { headerTimeoutMs: 3000 })
    const fresh = await connect()
    fresh.write('GET / HTTP/1.1\r\nx-slow: ')
    const used = await connect()
    used.write(get('/'))
    assert.equal((await used.response()).status, 200)
    used.write('GET / HTTP/1.1\r\nx-slow: ')
    for (const client of [fresh, used]) {
      const { status, headers } = await client.response()
      assert.equal(status, 408)
      assert.match(headers.get('request-id') ?? '', /^req_/)
      await client.closed
    }
  })

  test('a header block over the limit is answered although the client is still sending', async (t) => {
    const { connect } = await start(t, 'node', ok)
    const client = await connect()
    client.write(`GET / HTTP/1.1\r\nhost: a\r\nx-large: ${'x'.repeat(3_000_000)}`)
    assert.equal((await client.response()).status, 431)
    await client.closed
  })

  test('an idle connection is closed after the keep-alive time', async (t) => {
    const { connect } = await start(t, 'node', ok, { keepAliveTimeoutMs: 100 })
    const client = await connect()
    client.write(get('/'))
    await client.response()
    await client.closed
  })

  test('absolute and odd targets are read', async (t) => {
    const { connect } = await start(t, 'node', ok)
    const client = await connect()
    const cases = [
      ['http://localhost:1/v1/models?a=b', '/v1/models?a=b'],
      ['http://localhost', '/?'],
      ['http://localhost?a=b', '/?a=b'],
      ['*', '*?'],
      ['/a?b=c?d', '/a?b=c%3Fd'],
      ['//double', '//double?'],
    ] as const
    for (const [target, expected] of cases) {
      client.write(get(target, {}, 'OPTIONS'))
      assert.equal((await client.response()).body, expected)
    }
  })

  test('an expectation that nobody knows is ignored', async (t) => {
    const { connect } = await start(t, 'node', ok)
    const client = await connect()
    client.write(get('/', { expect: 'a-miracle' }))
    assert.equal((await client.response()).status, 200)
  })

  test('a broken chunk is answered with 400', async (t) => {
    const { connect } = await start(t, 'node', async (exchange) => {
      await exchange.body()
    })
    const client = await connect()
    client.write(`${post('/', { 'transfer-encoding': 'chunked' })}zz\r\nabc\r\n`)
    const { status, body } = await client.response()
    assert.equal(status, 400)
    assert.match(body, /check its chunks/)
    await client.closed
  })

  test('pipelined requests are answered in order, however long each takes', async (t) => {
    const exchanges: Exchange[] = []
    const all = createSignal<void>()
    const { connect } = await start(t, 'node', (exchange) => {
      if (exchanges.push(exchange) === 3) all.fire()
    })
    const client = await connect()
    client.write(get('/1') + get('/2') + get('/3'))
    await all.promise
    for (const exchange of exchanges.reverse()) exchange.respond(200, {}, exchange.path)
    for (const path of ['/1', '/2', '/3']) assert.equal((await client.response()).body, path)
  })

  test('all pipelined requests of a client that leaves are aborted', async (t) => {
    const exchanges: Exchange[] = []
    const both = createSignal<void>()
    const { connect, finished } = await start(t, 'node', (exchange) => {
      if (exchanges.push(exchange) === 2) both.fire()
    })
    const client = await connect()
    client.write(get('/1') + get('/2'))
    await both.promise
    client.socket.destroy()
    for (const path of ['/1', '/2']) {
      assert.equal((await finished(({ exchange }) => exchange.path === path)).aborted, true)
    }
  })

  test('garbage behind a request that is being answered does not touch its answer', async (t) => {
    const { promise, fire } = createSignal<Exchange>()
    const { connect } = await start(t, 'node', (exchange) => fire(exchange))
    const client = await connect()
    client.write(`${get('/')}GARBAGE\r\n\r\n`)
    const exchange = await promise
    await new Promise((resolve) => setImmediate(resolve))
    ok(exchange)
    assert.equal((await client.response()).body, '/?')
  })
})
