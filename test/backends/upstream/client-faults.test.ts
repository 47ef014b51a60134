import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { gzipSync } from 'node:zlib'
import { HeadendError } from '../../../src/contract/errors.ts'
import {
  type Behaviour,
  begin,
  closedPort,
  cut,
  hang,
  head,
  raw,
  reset,
  respond,
  startBadUpstream,
  stream,
  writeChunk,
} from '../../support/bad-upstream.ts'
import { createCertificate, hasOpenssl } from '../../support/certificate.ts'
import { assertNothingLeft, type ClientUnderTest, readText, startClient, until } from '../../support/upstream-client.ts'

const secret = 'sk-never-to-be-shown'
const tlsSkip = hasOpenssl ? false : 'openssl is not on the PATH'

/** The error of a request whose answer is read to its end, if it has one. */
async function failureOf(client: ClientUnderTest, bytesMax = 1024 * 1024): Promise<HeadendError> {
  try {
    await (await client.ask()).whole(bytesMax)
  } catch (cause) {
    assert.ok(cause instanceof HeadendError, String(cause))
    assert.ok(!JSON.stringify([cause.message, cause.cause]).includes(secret))
    return cause
  }
  throw new Error('the request did not fail')
}

describe('an upstream without a connection', () => {
  async function assertUnreachable(t: TestContext, url: string, message: RegExp): Promise<void> {
    const client = startClient(t, { url }, { key: secret })
    const error = await failureOf(client)
    assert.equal(error.kind, 'upstream-unreachable')
    assert.match(error.message, message)
    await assertNothingLeft(client, null)
  }

  it('refuses it', async (t) => {
    await assertUnreachable(t, `http://127.0.0.1:${await closedPort()}`, /^Upstream vllm cannot be reached: .*refused/)
  })

  it('has no name', async (t) => {
    await assertUnreachable(t, 'http://nonexistent.invalid', /host name/)
  })

  it('speaks plainly where TLS is spoken', async (t) => {
    const plain = await startPlain(t)
    await assertUnreachable(t, `https://127.0.0.1:${plain}`, /http and https mixed up/)
  })

  it('has a certificate that nobody trusts', { skip: tlsSkip }, async (t) => {
    const certificate = createCertificate('/CN=localhost', 'IP:127.0.0.1')
    const upstream = await startBadUpstream(t, respond('{}'), certificate)
    await assertUnreachable(t, upstream.url, /certificate is not trusted; .*NODE_EXTRA_CA_CERTS/)
    assert.equal(upstream.requests.length, 0)
  })
})

describe('TLS', { skip: tlsSkip }, () => {
  it('works with the authorities that Node is told of', async (t) => {
    const certificate = createCertificate('/CN=localhost', 'DNS:localhost')
    const resumed: boolean[] = []
    const upstream = await startBadUpstream(
      t,
      (request) => {
        resumed.push((request.socket as TLSSocket).isSessionReused())
        respond('{"a":1}', upstream.requests.length === 2 ? ['connection: close'] : [])(request)
      },
      certificate,
    )
    const folder = mkdtempSync(join(tmpdir(), 'headend-authority-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'authority.crt')
    writeFileSync(file, certificate.cert)
    // Node reads them once, as it starts.
    const program = join(import.meta.dirname, '../../support/ask-upstream.ts')
    const child = spawn(process.execPath, ['--import', 'tsx', program, `https://localhost:${upstream.port}`, '3'], {
      env: { ...process.env, NODE_EXTRA_CA_CERTS: file },
    })
    let output = ''
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (output += text))
    await once(child, 'close')
    assert.equal(output, '{"a":1}\n'.repeat(3))
    assert.deepEqual(
      upstream.requests.map(({ connection }) => connection),
      [0, 0, 1],
    )
    assert.deepEqual(resumed, [false, false, true])
    const { socket } = await upstream.nextRequest()
    assert.equal((socket as TLSSocket).servername, 'localhost')
  })
})

/** A server that answers a TLS handshake with text. */
async function startPlain(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))
  }).listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

describe('a bad answer', () => {
  const event = 'data: {"a":1}\n\n'
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  const cases: readonly [string, Behaviour, HeadendError['kind'], RegExp][] = [
    ['reset instead of headers', reset, 'upstream-failed', /without an answer/],
    ['end instead of headers', ({ socket }) => socket.end(), 'upstream-failed', /without an answer/],
    [
      'end amid the headers',
      ({ socket }) => socket.end('HTTP/1.1 200 OK\r\nconte'),
      'upstream-failed',
      /without an answer/,
    ],
    ['end amid a stream', cut([event]), 'upstream-failed', /before its answer was complete/],
    [
      'end amid a stream that closes',
      cut([event], ['connection: close']),
      'upstream-failed',
      /before its answer was complete/,
    ],
    [
      'a length that is too long',
      ({ socket }) => socket.end(`${head(200, ['content-length: 100'])}{}`),
      'upstream-failed',
      /before its answer was complete/,
    ],
    [
      'a length that is too long, and a connection that closes',
      ({ socket }) => socket.end(`${head(200, ['content-length: 100', 'connection: close'])}{}`),
      'upstream-failed',
      /Content-Length/,
    ],
    ['a length that is none', raw(`${head(200, ['content-length: two'])}{}`), 'upstream-malformed', /HTTP\/1\.1/],
    [
      'two lengths',
      raw(`${head(200, ['content-length: 2', 'content-length: 3'])}{}`),
      'upstream-failed',
      /Content-Length/,
    ],
    ['no HTTP', raw('* OK IMAP4rev1 Service Ready\r\n\r\n'), 'upstream-malformed', /does not speak HTTP\/1\.1/],
    ['a broken chunk', raw(`${head(200, ['transfer-encoding: chunked'])}zz\r\n`), 'upstream-malformed', /HTTP\/1\.1/],
    [
      'endless headers',
      raw(`${head(200, ['x-a: '.padEnd(100_000, 'a')])}`),
      'upstream-malformed',
      /headers are too large/,
    ],
    [
      'a protocol that nobody asked for',
      raw(head(101, ['upgrade: x', 'connection: upgrade'])),
      'upstream-malformed',
      /bad upgrade/,
    ],
    ['an unknown encoding', respond('??', ['content-encoding: exi']), 'upstream-malformed', /"exi"/],
    [
      'an encoding that it is not in',
      respond('{"a":1}', ['connection: close', 'content-encoding: gzip']),
      'upstream-malformed',
      /not valid gzip/,
    ],
    [
      'an encoding that is cut',
      respond(gzipSync('{"a":1}').subarray(0, 15), ['connection: close', 'content-encoding: gzip']),
      'upstream-malformed',
      /not valid gzip/,
    ],
    ['a gzip bomb', respond(bomb, ['content-encoding: gzip']), 'upstream-malformed', /larger than 1048576 bytes/],
    ['more than anybody wants', stream([Buffer.alloc(2_000_000)]), 'upstream-malformed', /larger than 1048576 bytes/],
    [
      'a length beyond anybody’s wants',
      ({ socket }) => socket.write(`${head(200, ['content-length: 99999999'])}{`),
      'upstream-malformed',
      /larger than 1048576 bytes/,
    ],
  ]
  for (const [name, behave, kind, message] of cases) {
    it(name, async (t) => {
      const upstream = await startBadUpstream(t, behave)
      const client = startClient(t, upstream, { key: secret })
      const error = await failureOf(client)
      assert.equal(error.kind, kind, error.message)
      assert.match(error.message, message)
      await assertNothingLeft(client, upstream)
    })
  }

  it('that is longer than its length is read as far as that, and spoils no later answer', async (t) => {
    const upstream = await startBadUpstream(t, ({ socket, connection }) => {
      socket.write(`${head(200, ['content-length: 2'])}${connection === 0 ? '{}HTTP/1.1 666 Bad\r\n\r\n' : '[]'}`)
    })
    const client = startClient(t, upstream)
    const ask = async (): Promise<string> => Buffer.from(await (await client.ask()).whole(10)).toString()
    assert.deepEqual([await ask(), await ask()], ['{}', '[]'])
  })

  it('that breaks off has its first pieces read', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    const sent = client.ask()
    const { socket } = await upstream.nextRequest()
    begin([event, 'data: {"a'])({ socket } as never)
    const response = await sent
    let seen = ''
    const pumped = response.pump((bytes) => {
      seen += Buffer.from(bytes).toString()
      if (seen.endsWith('{"a')) socket.resetAndDestroy()
      return null
    })
    await assert.rejects(pumped, { kind: 'upstream-failed' })
    assert.equal(seen, `${event}data: {"a`)
    await assertNothingLeft(client, upstream)
  })

  it('of 10 MiB in one piece passes through a slow reader', async (t) => {
    const size = 10 * 1024 * 1024
    const upstream = await startBadUpstream(t, stream([Buffer.alloc(size, 'a')]))
    const response = await startClient(t, upstream).ask()
    let bytes = 0
    await response.pump(async (piece) => {
      assert.ok(piece.length <= 64 * 1024)
      await new Promise(setImmediate)
      bytes += piece.length
    })
    assert.equal(bytes, size)
  })

  it('over a connection that had been idle goes out once more, on a new one', async (t) => {
    const upstream = await startBadUpstream(t, (request) => {
      if (upstream.requests.length === 2) reset(request)
      else respond('{}')(request)
    })
    const client = startClient(t, upstream)
    for (let count = 0; count < 2; count++) {
      await (await client.ask()).whole(10)
      await new Promise(setImmediate) // undici looks at the socket once more before it is used again
    }
    assert.deepEqual(
      upstream.requests.map(({ connection }) => connection),
      [0, 0, 1],
    )
  })

  it('and over the new one, too, is a failure', async (t) => {
    const upstream = await startBadUpstream(t, (request) => {
      if (upstream.requests.length > 1) reset(request)
      else respond('{}')(request)
    })
    const client = startClient(t, upstream)
    await (await client.ask()).whole(10)
    await new Promise(setImmediate)
    const error = await failureOf(client)
    assert.equal(error.kind, 'upstream-failed')
    assert.equal(upstream.requests.length, 3)
  })

  it('over such a connection, once it has begun, is a failure like any other', async (t) => {
    const upstream = await startBadUpstream(t, (request) => {
      if (upstream.requests.length === 2) request.socket.end('HTTP/1.1 200 OK\r\nconte')
      else respond('{}')(request)
    })
    const client = startClient(t, upstream)
    await (await client.ask()).whole(10)
    await new Promise(setImmediate)
    assert.equal((await failureOf(client)).kind, 'upstream-failed')
    assert.deepEqual(
      upstream.requests.map(({ connection }) => connection),
      [0, 0],
    )
  })

  it('that our own header prevents is our own fault', async (t) => {
    const upstream = await startBadUpstream(t, respond('{}'))
    const client = startClient(t, upstream)
    await assert.rejects(client.ask({ headers: ['x-bad', 'a\nb'] }), { code: 'UND_ERR_INVALID_ARG' })
    await assertNothingLeft(client, upstream)
  })
})

// undici 7 ends the process in these cases, unless it is kept from that: https://github.com/nodejs/undici/issues/5360
describe('the end of the connection while the reader is slow', () => {
  const event = 'data: 1\n\n'
  const chunk = `${event.length}\r\n${event}\r\n`
  const unframed = ['a body without a length', `HTTP/1.0 200 OK\r\n\r\n${event}`] as const
  const framed: readonly [string, string][] = [
    ['a length and close', `${head(200, ['connection: close', `content-length: ${event.length}`])}${event}`],
    ['a length', `${head(200, [`content-length: ${event.length}`])}${event}`],
    ['chunks', `${head(200, ['transfer-encoding: chunked'])}${chunk}0\r\n\r\n`],
    ['chunks and close', `${head(200, ['connection: close', 'transfer-encoding: chunked'])}${chunk}0\r\n\r\n`],
  ]
  const incomplete: readonly [string, string][] = [
    ['a length and close', `${head(200, ['connection: close', 'content-length: 100'])}${event}`],
    ['a length', `${head(200, ['content-length: 100'])}${event}`],
    ['chunks', `${head(200, ['transfer-encoding: chunked'])}${chunk}`],
    ['chunks and close', `${head(200, ['connection: close', 'transfer-encoding: chunked'])}${chunk}`],
  ]

  /** The reader takes its first piece, and is busy until the server has closed its socket for good. */
  async function readSlowly(t: TestContext, bytes: string, end: 'end' | 'resetAndDestroy'): Promise<string> {
    const upstream = await startBadUpstream(t, raw(bytes))
    const client = startClient(t, upstream)
    const response = await client.ask()
    const { socket } = await upstream.nextRequest()
    let text = ''
    try {
      await response.pump(async (piece) => {
        text += Buffer.from(piece).toString()
        socket[end]()
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate)
      })
    } finally {
      await assertNothingLeft(client, upstream)
    }
    return text
  }

  for (const [name, bytes] of [unframed, ...framed]) {
    it(`${name}: complete`, async (t) => assert.equal(await readSlowly(t, bytes, 'end'), event))
  }
  for (const [name, bytes] of framed) {
    it(`${name}: complete, then reset`, async (t) => {
      assert.equal(await readSlowly(t, bytes, 'resetAndDestroy'), event, 'what was whole stays whole')
    })
  }
  for (const [name, bytes] of incomplete) {
    it(`${name}: cut`, (t) => assert.rejects(readSlowly(t, bytes, 'end'), { kind: 'upstream-failed' }))
  }
  for (const [name, bytes] of [unframed, ...incomplete]) {
    it(`${name}: reset`, (t) => assert.rejects(readSlowly(t, bytes, 'resetAndDestroy'), { kind: 'upstream-failed' }))
  }
})

describe('deadlines', () => {
  const event = 'data: 1\n\n'

  it('no connection', async (t) => {
    const { port } = await startBadUpstream(t) // it never begins to speak TLS
    const client = startClient(t, { url: `https://127.0.0.1:${port}` }, { connectTimeoutMs: 40 })
    const error = await failureOf(client)
    assert.equal(error.kind, 'upstream-unreachable')
    assert.match(error.message, /no connection within 40 ms/)
    await assertNothingLeft(client, null)
  })

  const late: readonly [string, Behaviour, RegExp][] = [
    ['no headers', hang, /has not begun to answer within 40 ms/],
    ['headers and nothing more', begin([]), /has not begun to answer within 40 ms/],
    ['silence amid the answer', begin([event]), /fell silent for 60 ms/],
  ]
  for (const [name, behave, message] of late) {
    it(name, async (t) => {
      const upstream = await startBadUpstream(t, behave)
      const client = startClient(t, upstream, { firstByteTimeoutMs: 40, idleTimeoutMs: 60 })
      const error = await failureOf(client)
      assert.equal(error.kind, 'upstream-timeout')
      assert.match(error.message, message)
      await assertNothingLeft(client, upstream)
    })
  }

  /** Drips until the socket closes. */
  const drip =
    (everyMs: number, piecesMax = Number.POSITIVE_INFINITY): Behaviour =>
    ({ socket }) => {
      begin([])({ socket } as never)
      let pieces = 0
      const timer = setInterval(() => {
        if (pieces++ < piecesMax) return writeChunk(socket, ':\n\n')
        clearInterval(timer)
        socket.write('0\r\n\r\n')
      }, everyMs)
      socket.once('close', () => clearInterval(timer))
    }

  it('a drip goes on for longer than any of them', async (t) => {
    const upstream = await startBadUpstream(t, drip(20, 30))
    const client = startClient(t, upstream, { firstByteTimeoutMs: 300, idleTimeoutMs: 300 })
    const response = await client.ask()
    assert.equal(await readText((onBytes) => response.pump(onBytes)), ':\n\n'.repeat(30))
  })

  it('a drip ends with the total', async (t) => {
    const upstream = await startBadUpstream(t, drip(5))
    const client = startClient(t, upstream, { totalTimeoutMs: 100 })
    const error = await failureOf(client)
    assert.equal(error.kind, 'upstream-timeout')
    assert.match(error.message, /has not finished its answer within 100 ms/)
    await assertNothingLeft(client, upstream)
  })

  it('a slow reader is no silent upstream', async (t) => {
    const upstream = await startBadUpstream(t, stream([event, event]))
    const client = startClient(t, upstream, { firstByteTimeoutMs: 20, idleTimeoutMs: 20 })
    const response = await client.ask()
    let pieces = 0
    await response.pump(async () => {
      pieces++
      await new Promise((resolve) => setTimeout(resolve, 150)) // many times the limit
    })
    assert.equal(pieces, 2)
  })
})

describe('abort', () => {
  const event = 'data: 1\n\n'
  const gone = new Error('the client has gone')

  for (const streams of [true, false]) {
    const name = streams ? 'streamed' : 'not streamed'
    it(`${name}, before the first byte`, async (t) => {
      const upstream = await startBadUpstream(t)
      const client = startClient(t, upstream)
      const sent = client.ask({ streams })
      const { socket } = await upstream.nextRequest()
      const refused = assert.rejects(sent, gone)
      const closed = once(socket, 'close')
      client.abort.abort(gone)
      await Promise.all([refused, closed])
      await assertNothingLeft(client, upstream)
    })

    it(`${name}, after the first byte`, async (t) => {
      const upstream = await startBadUpstream(t, begin([event]))
      const client = startClient(t, upstream)
      const response = await client.ask({ streams })
      const { socket } = await upstream.nextRequest()
      const closed = once(socket, 'close')
      const read = streams
        ? response.pump(() => {
            client.abort.abort(gone)
            return null
          })
        : response.whole(1000)
      if (!streams) client.abort.abort(gone)
      await Promise.all([assert.rejects(read, gone), closed])
      await assertNothingLeft(client, upstream)
    })
  }

  it('while the reader is slow', async (t) => {
    const upstream = await startBadUpstream(t, begin([event, event]))
    const client = startClient(t, upstream)
    const response = await client.ask()
    const read = response.pump(() => {
      setImmediate(() => client.abort.abort(gone))
      return new Promise(() => {}) // it never reads on
    })
    await assert.rejects(read, gone)
    await assertNothingLeft(client, upstream)
  })

  it('while the connection is being set up', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, { url: `https://127.0.0.1:${upstream.port}` })
    const sent = client.ask()
    await until(() => upstream.sockets.size === 1, 'the handshake began')
    client.abort.abort(gone)
    await assert.rejects(sent, gone)
    await assertNothingLeft(client, upstream)
  })

  it('before anything was sent', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    client.abort.abort(gone)
    await assert.rejects(client.ask(), gone)
    await assertNothingLeft(client, upstream)
    assert.equal(upstream.requests.length, 0)
  })

  it('with the body here and not read', async (t) => {
    const upstream = await startBadUpstream(t, respond('{}'))
    const client = startClient(t, upstream)
    const response = await client.ask()
    client.abort.abort(gone)
    await assert.rejects(response.whole(10), gone)
    await assertNothingLeft(client, upstream)
  })

  it('when all is over does nothing', async (t) => {
    const upstream = await startBadUpstream(t, respond('{}'))
    const client = startClient(t, upstream)
    await (await client.ask()).whole(10)
    client.abort.abort(gone)
    assert.equal(client.connections, 1)
  })
})
