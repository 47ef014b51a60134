import assert from 'node:assert/strict'
import { test } from 'node:test'
import { get, post, start, type TransportName } from './harness.ts'

const idPattern = /^req_[0-9A-Za-z]{24}$/

export function requestCases(name: TransportName): void {
  test('an exchange carries method, path, query, address and headers', async (t) => {
    const { connect } = await start(t, name, (exchange) => {
      const seen = {
        method: exchange.method,
        path: exchange.path,
        beta: exchange.query.get('beta'),
        text: exchange.query.get('text'),
        address: exchange.remoteAddress,
        agent: exchange.header('user-agent'),
        betas: exchange.header('anthropic-beta'),
        missing: exchange.header('x-missing'),
      }
      exchange.respond(200, { 'content-type': 'application/json' }, JSON.stringify(seen))
    })
    const client = await connect()
    client.write(
      'GET /v1/models/org%2Fname?beta=true&text=%C3%A9+%2B HTTP/1.1\r\nHost: a\r\nUser-Agent: test\r\n' +
        'anthropic-beta: one\r\nAnthropic-Beta: two\r\n\r\n',
    )
    const { status, body } = await client.response()
    assert.equal(status, 200)
    assert.deepEqual(JSON.parse(body), {
      method: 'GET',
      path: '/v1/models/org%2Fname',
      beta: 'true',
      text: 'é +',
      address: '127.0.0.1',
      agent: 'test',
      betas: 'one, two',
      missing: null,
    })
  })

  test('a request without a query has an empty one', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.respond(200, {}, String(exchange.query.size)))
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).body, '0')
  })

  test('the response carries request-id, content-length and the given headers, and UTF-8 text whole', async (t) => {
    const ids: string[] = []
    const { connect, finished } = await start(t, name, (exchange) => {
      ids.push(exchange.id)
      exchange.respond(529, { 'content-type': 'text/plain', 'retry-after': '3' }, 'zu viel: é 漢 🦙')
    })
    const client = await connect()
    client.write(get('/'))
    const head = await client.until('\r\n\r\n')
    assert.match(head, /^HTTP\/1\.1 529 Overloaded\r\n/)
    const { status, headers, body } = await client.response()
    assert.equal(status, 529)
    assert.equal(body, 'zu viel: é 漢 🦙')
    assert.equal(headers.get('content-length'), String(Buffer.byteLength(body)))
    assert.equal(headers.get('content-type'), 'text/plain')
    assert.equal(headers.get('retry-after'), '3')
    assert.equal(headers.get('request-id'), ids[0])
    assert.match(ids[0] as string, idPattern)
    const report = await finished()
    assert.equal(report.status, 529)
    assert.equal(report.bytesSent, Buffer.byteLength(body))
    assert.equal(report.aborted, false)
    assert.equal(report.exchange.id, ids[0])
    assert.ok(report.durationMs >= 0)
  })

  test('extra headers go out with whole responses and with streams', async (t) => {
    const { connect } = await start(t, name, (exchange) => {
      exchange.extraHeaders = { vary: 'origin' }
      if (exchange.path === '/whole') exchange.respond(204, { 'x-own': '1' }, '')
      else exchange.openStream(200, { 'x-own': '1' }, { pingFrame: '' }).end()
    })
    for (const path of ['/whole', '/stream']) {
      const client = await connect()
      client.write(get(path))
      const { headers } = await client.response()
      assert.deepEqual([headers.get('vary'), headers.get('x-own')], ['origin', '1'])
    }
  })

  test('added headers go out with the response, the later of two with one name', async (t) => {
    const { connect } = await start(t, name, (exchange) => {
      exchange.addHeader('x-target', 'first')
      exchange.addHeader('x-target', 'second')
      if (exchange.path === '/whole') exchange.respond(200, { 'content-type': 'text/plain' }, 'whole')
      else exchange.openStream(200, { 'content-type': 'text/plain' }, { pingFrame: '' }).end()
      exchange.addHeader('x-late', 'without effect')
    })
    for (const path of ['/whole', '/stream']) {
      const client = await connect()
      client.write(get(path))
      const { headers } = await client.response()
      assert.deepEqual(
        ['x-target', 'content-type', 'x-late'].map((header) => headers.get(header) ?? null),
        ['second', 'text/plain', null],
      )
    }
  })

  test('an added header cannot be more than one, whatever its value', async (t) => {
    const { connect } = await start(t, name, (exchange) => {
      exchange.addHeader('x-target', 'a\r\nevil: 1\0 模型 \ud800 é~')
      exchange.addHeader('x-gone', 'yes')
      exchange.addHeader('x-gone', '')
      exchange.respond(200, { 'content-type': 'text/plain' }, 'whole')
    })
    const client = await connect()
    client.write(get('/'))
    const { headers, body } = await client.response()
    assert.equal(headers.get('x-target'), 'a%0D%0Aevil: 1%00 %E6%A8%A1%E5%9E%8B %EF%BF%BD %C3%A9~')
    assert.deepEqual([headers.get('evil'), headers.get('x-gone'), body], [undefined, undefined, 'whole'])
  })

  test('bytes are sent as they are', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.respond(200, {}, new TextEncoder().encode('é')))
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).body, 'é')
  })

  test('HEAD has the headers of GET and no body', async (t) => {
    const { connect, finished } = await start(t, name, (exchange) => exchange.respond(200, {}, exchange.method))
    const client = await connect()
    client.write(get('/', {}, 'HEAD') + get('/'))
    const head = await client.response('HEAD')
    assert.equal(head.headers.get('content-length'), '4')
    assert.equal((await client.response()).body, 'GET', 'the bytes after the head belong to the next response')
    assert.equal((await finished((report) => report.exchange.method === 'HEAD')).bytesSent, 0)
  })

  test('a second response is ignored', async (t) => {
    const { connect, reports } = await start(t, name, (exchange) => {
      assert.equal(exchange.committed, false)
      exchange.respond(200, {}, 'first')
      assert.equal(exchange.committed, true)
      exchange.respond(500, {}, 'second')
    })
    const client = await connect()
    client.write(get('/a'))
    assert.equal((await client.response()).body, 'first')
    client.write(get('/b'))
    assert.equal((await client.response()).body, 'first')
    assert.equal(reports.filter(({ exchange }) => exchange.path === '/a').length, 1)
  })

  test('two hundred requests on one connection get two hundred ids', async (t) => {
    const { connect, reports } = await start(t, name, async (exchange) => {
      const body = await exchange.body()
      exchange.respond(200, {}, body)
    })
    const client = await connect()
    const ids = new Set<string | undefined>()
    for (let count = 0; count < 200; count += 1) {
      const body = `body ${count}`
      client.write(post('/', { 'content-length': String(body.length) }) + body)
      const response = await client.response()
      assert.equal(response.body, body)
      ids.add(response.headers.get('request-id'))
    }
    assert.equal(ids.size, 200)
    assert.equal(reports.length, 200)
  })

  test('pipelined requests that are answered at once are answered in order', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.respond(200, {}, exchange.path))
    const client = await connect()
    client.write(get('/1') + get('/2') + get('/3'))
    const bodies = [await client.response(), await client.response(), await client.response()].map(({ body }) => body)
    assert.deepEqual(bodies, ['/1', '/2', '/3'])
  })

  test('a large response reaches a slow reader whole and is reported only then', async (t) => {
    const text = '0123456789'.repeat(2_000_000)
    const { connect, finished, reports } = await start(t, name, (exchange) => exchange.respond(200, {}, text))
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const other = await connect()
    other.write(get('/', {}, 'HEAD'))
    await other.response('HEAD')
    assert.ok(
      reports.every(({ exchange }) => exchange.method === 'HEAD'),
      'the reader has not taken it yet',
    )
    client.socket.resume()
    let bytes = 0
    let tail = ''
    client.socket.removeAllListeners('data')
    const complete = new Promise<void>((resolve) => {
      client.socket.on('data', (piece) => {
        bytes += piece.length
        tail = (tail + piece.toString('latin1')).slice(-10)
        if (bytes > text.length && tail === '0123456789') resolve()
      })
    })
    await complete
    const report = await finished(({ exchange }) => exchange.method === 'GET')
    assert.equal(report.bytesSent, text.length)
    assert.equal(report.aborted, false)
  })

  test('a reader that takes nothing of a large response is cut off', async (t) => {
    const text = 'x'.repeat(20_000_000)
    const { connect, finished } = await start(t, name, (exchange) => exchange.respond(200, {}, text), {
      stallTimeoutMs: 200,
    })
    const client = await connect()
    client.socket.pause()
    client.write(get('/'))
    const report = await finished()
    assert.equal(report.aborted, true)
    assert.equal((report.exchange.signal.reason as { kind: string }).kind, 'reader-stalled')
  })
}
