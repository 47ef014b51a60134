import assert from 'node:assert/strict'
import { request } from 'node:http'
import { test } from 'node:test'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { Agent, fetch } from 'undici'
import type { Exchange } from '../../src/contract/exchange.ts'
import { createSignal, get, post, start, type TransportName } from './harness.ts'

async function echo(exchange: Exchange): Promise<void> {
  const body = await exchange.body()
  exchange.respond(200, {}, body)
}

/** Answers with the length, so that large bodies do not have to travel back. */
async function measure(exchange: Exchange): Promise<void> {
  const body = await exchange.body()
  exchange.respond(200, {}, String(body.length))
}

export function bodyCases(name: TransportName): void {
  test('a body with a length arrives whole, in one piece or in many', async (t) => {
    const { connect } = await start(t, name, echo)
    const client = await connect()
    const text = 'é漢🦙'
    const bytes = Buffer.from(text)
    client.write(post('/', { 'content-length': String(bytes.length) }) + text)
    assert.equal((await client.response()).body, text)
    client.write(post('/', { 'content-length': String(bytes.length) }))
    client.socket.setNoDelay()
    for (const byte of bytes) {
      client.write(Uint8Array.of(byte))
      await new Promise((resolve) => setImmediate(resolve)) // another read of the server, in most cases
    }
    assert.equal((await client.response()).body, text)
  })

  test('a body of a megabyte arrives unchanged', async (t) => {
    const { port } = await start(t, name, echo)
    const sent = Buffer.alloc(999_999, 'abcdefg')
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body: sent })
    assert.ok(sent.equals(Buffer.from(await response.arrayBuffer())))
  })

  test('a chunked body needs no length', async (t) => {
    const { connect } = await start(t, name, echo)
    const client = await connect()
    client.write(`${post('/', { 'transfer-encoding': 'chunked' })}3\r\nabc\r\n`)
    client.write('5\r\ndefgh\r\n0\r\n\r\n')
    assert.equal((await client.response()).body, 'abcdefgh')
  })

  test('no body is an empty body, for GET and for POST', async (t) => {
    const { connect } = await start(t, name, measure)
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).body, '0')
    client.write(post('/', { 'content-length': '0' }))
    assert.equal((await client.response()).body, '0')
    client.write(post('/'))
    assert.equal((await client.response()).body, '0')
  })

  test('body() may be called twice, and late', async (t) => {
    const { connect } = await start(t, name, async (exchange) => {
      await new Promise((resolve) => setImmediate(resolve))
      const first = exchange.body()
      const [once, twice] = await Promise.all([first, exchange.body()])
      exchange.respond(200, {}, String(once === twice && (await first).length))
    })
    const client = await connect()
    client.write(`${post('/', { 'content-length': '5' })}hello`)
    assert.equal((await client.response()).body, '5')
  })

  test('Expect: 100-continue is answered before the body comes', async (t) => {
    const { connect } = await start(t, name, echo)
    const client = await connect()
    client.write(post('/', { 'content-length': '5', expect: '100-continue' }))
    assert.equal((await client.response()).status, 100)
    client.write('hello')
    assert.equal((await client.response()).body, 'hello')
  })

  test('a body nobody asks for is discarded, and the connection goes on', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.respond(401, {}, 'no'))
    const client = await connect()
    const body = 'x'.repeat(300_000)
    client.write(post('/', { 'content-length': String(body.length) }))
    assert.equal((await client.response()).status, 401)
    client.write(body + get('/'))
    const next = await client.response()
    assert.equal(next.status, 401)
    assert.equal(next.headers.get('connection') ?? 'keep-alive', 'keep-alive')
  })

  test('gzip and br bodies are decoded, others are refused by name', async (t) => {
    const { connect } = await start(t, name, echo)
    const client = await connect()
    const send = (encoding: string, body: Uint8Array): void => {
      client.write(post('/', { 'content-encoding': encoding, 'content-length': String(body.length) }))
      client.write(body)
    }
    send('gzip', gzipSync('packed é'))
    assert.equal((await client.response()).body, 'packed é')
    send('GZIP', gzipSync('packed'))
    assert.equal((await client.response()).body, 'packed')
    send('br', brotliCompressSync('packed'))
    assert.equal((await client.response()).body, 'packed')
    send('identity', Buffer.from('plain'))
    assert.equal((await client.response()).body, 'plain')
    send('compress', Buffer.from('?'))
    const refused = await client.response()
    assert.equal(refused.status, 400)
    assert.match(refused.body, /content-encoding: 'compress' is not supported/)
  })

  test('a gzip body in many pieces is decoded', async (t) => {
    const { connect } = await start(t, name, measure)
    const client = await connect()
    const packed = gzipSync('0123456789'.repeat(50_000))
    client.write(post('/', { 'content-encoding': 'gzip', 'transfer-encoding': 'chunked' }))
    for (let at = 0; at < packed.length; at += 100) {
      const piece = packed.subarray(at, at + 100)
      client.write(`${piece.length.toString(16)}\r\n`)
      client.write(piece)
      client.write('\r\n')
    }
    client.write('0\r\n\r\n')
    assert.equal((await client.response()).body, '500000')
  })

  test('broken and cut gzip bodies are refused', async (t) => {
    const { connect } = await start(t, name, echo)
    for (const body of [Buffer.from('not gzip at all'), gzipSync('cut off'.repeat(1000)).subarray(0, 30)]) {
      const client = await connect()
      client.write(post('/', { 'content-encoding': 'gzip', 'content-length': String(body.length) }))
      client.write(body)
      const { status, body: text } = await client.response()
      assert.equal(status, 400)
      assert.match(text, /the request body is not valid gzip/)
    }
  })

  test('a gzip bomb is refused while it is inflated', async (t) => {
    const { connect } = await start(t, name, measure)
    const client = await connect()
    const bomb = gzipSync(Buffer.alloc(200_000_000))
    assert.ok(bomb.length < 1_000_000, 'it passes the limit only when inflated')
    client.write(post('/', { 'content-encoding': 'gzip', 'content-length': String(bomb.length) }))
    client.write(bomb)
    const { status, body } = await client.response()
    assert.equal(status, 413)
    assert.match(body, /body-too-large/)
  })

  test('a declared length above the limit is refused before anything is sent, and the connection closed', async (t) => {
    const { connect } = await start(t, name, measure)
    const client = await connect()
    client.write(post('/', { 'content-length': String(33 * 2 ** 20) }))
    const { status, headers, body } = await client.response()
    assert.equal(status, 413)
    assert.equal(headers.get('connection'), 'close')
    assert.match(headers.get('request-id') ?? '', /^req_/)
    assert.match(body, /larger than 1000000 bytes/)
    await client.closed
  })

  test('a body that just fits is taken, one byte more is not', async (t) => {
    const { connect } = await start(t, name, measure, { bodyBytesMax: 1000 })
    const client = await connect()
    client.write(post('/', { 'content-length': '1000' }) + 'x'.repeat(1000))
    assert.equal((await client.response()).body, '1000')
    client.write(`${post('/', { 'transfer-encoding': 'chunked' })}3e9\r\n${'x'.repeat(1001)}\r\n`)
    assert.equal((await client.response()).status, 413)
  })

  for (const declared of [true, false]) {
    test(`a real POST of 33 MiB reads its 413, ${declared ? 'with' : 'without'} a length`, async (t) => {
      const { port } = await start(t, name, measure)
      const body = Buffer.alloc(33 * 2 ** 20)
      const status = await new Promise((resolve, reject) => {
        const headers = declared ? { 'content-length': body.length } : {}
        const upload = request({ port, host: '127.0.0.1', method: 'POST', headers }, (response) => {
          response.resume()
          response.once('end', () => resolve(response.statusCode))
        })
        upload.once('error', reject)
        upload.end(body)
      })
      assert.equal(status, 413)
    })
  }

  test('a real POST of 33 MiB by undici reads its 413', async (t) => {
    const { port } = await start(t, name, measure)
    const dispatcher = new Agent()
    t.after(() => dispatcher.destroy())
    const body = Buffer.alloc(33 * 2 ** 20)
    const response = await fetch(`http://127.0.0.1:${port}/`, { method: 'POST', body, dispatcher })
    assert.equal(response.status, 413)
    assert.match(await response.text(), /body-too-large/)
  })

  test('a client that reads only after sending everything still finds its 413', async (t) => {
    const { connect } = await start(t, name, measure)
    const client = await connect()
    client.socket.pause()
    const body = Buffer.alloc(33 * 2 ** 20)
    client.write(post('/', { 'content-length': String(body.length) }))
    await new Promise((resolve) => client.socket.write(body, resolve))
    client.socket.resume()
    assert.equal((await client.response()).status, 413)
  })

  test('bodies share one budget, and give their share back', async (t) => {
    const hold = createSignal<void>()
    const taken = createSignal<void>()
    const { connect, finished } = await start(
      t,
      name,
      async (exchange) => {
        const body = await exchange.body()
        if (exchange.path === '/hold') {
          taken.fire()
          await hold.promise
        }
        exchange.respond(200, {}, String(body.length))
      },
      { bodiesBytesMax: 1500 },
    )
    const thousand = { 'content-length': '1000' }
    const [holder, other] = [await connect(), await connect()]
    holder.write(post('/hold', thousand) + 'x'.repeat(1000))
    await taken.promise
    other.write(post('/', thousand) + 'x'.repeat(1000))
    const refused = await other.response()
    assert.equal(refused.status, 503)
    assert.equal(refused.headers.get('retry-after'), '1')
    hold.fire()
    assert.equal((await holder.response()).body, '1000')
    await finished(({ exchange }) => exchange.path === '/hold')
    const third = await connect()
    third.write(post('/', thousand) + 'x'.repeat(1000))
    assert.equal((await third.response()).body, '1000')
  })

  for (const begun of ['', 'only this']) {
    test(`a body that ${begun === '' ? 'never comes' : 'stops coming'} gets 408, and the connection is closed`, async (t) => {
      const { connect } = await start(t, name, measure, { bodyTimeoutMs: 100 })
      const client = await connect()
      client.write(post('/', { 'content-length': '1000' }) + begun)
      const { status, headers, body } = await client.response()
      assert.equal(status, 408)
      assert.equal(headers.get('connection'), 'close')
      assert.match(body, /body-timeout/)
      await client.closed
    })
  }

  test('a body that is asked for late, and never comes, gets 408 as well', async (t) => {
    const { connect } = await start(
      t,
      name,
      async (exchange) => {
        await new Promise((resolve) => setImmediate(resolve))
        await measure(exchange)
      },
      { bodyTimeoutMs: 100 },
    )
    const client = await connect()
    client.write(post('/', { 'content-length': '1000' }))
    assert.equal((await client.response()).status, 408)
  })

  test('a body that comes slowly but steadily is taken, however long it takes', async (t) => {
    // Twenty bytes in twelve seconds: uWebSockets.js by itself would have closed this connection after ten.
    const { connect } = await start(t, name, echo, { bodyTimeoutMs: 5000 })
    const client = await connect()
    client.write(post('/', { 'content-length': '24' }))
    let sent = 0
    const timer = setInterval(() => {
      client.write('x')
      sent += 1
      if (sent === 24) clearInterval(timer)
    }, 500)
    t.after(() => clearInterval(timer))
    assert.equal((await client.response()).body, 'x'.repeat(24))
  })
}
