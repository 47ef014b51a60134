import assert from 'node:assert/strict'
import { getEventListeners, once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { brotliCompressSync, createGzip, deflateRawSync, deflateSync, gzipSync, constants as zlib } from 'node:zlib'
import {
  begin,
  eventStream,
  head,
  lastChunk,
  raw,
  respond,
  startBadUpstream,
  stream,
  writeChunk,
} from '../../support/bad-upstream.ts'
import { assertNothingLeft, readText, startClient, until } from '../../support/upstream-client.ts'

describe('the client of an upstream', () => {
  it('asks and reads', async (t) => {
    const upstream = await startBadUpstream(
      t,
      respond('{"a":"é"}', ['content-type: application/json', 'x-a: 1', 'x-a: 2'], 429),
    )
    const client = startClient(t, upstream, { url: `${upstream.url}/api/v1`, key: 'secret', headers: { 'x-org': 'o' } })
    const response = await client.ask({ body: '{"b":"ü"}', headers: ['x-b', 'c'] })
    assert.equal(response.status, 429)
    assert.equal(response.header('content-type'), 'application/json')
    assert.equal(response.header('x-a'), '1')
    assert.equal(response.header('x-none'), null)
    assert.equal(Buffer.from(await response.whole(100)).toString(), '{"a":"é"}')
    const [request] = upstream.requests
    assert.equal(request?.line, 'POST /api/v1/chat/completions HTTP/1.1')
    assert.equal(request?.body, '{"b":"ü"}')
    assert.equal(request?.headers.authorization, 'Bearer secret')
    assert.equal(request?.headers['x-org'], 'o')
    assert.equal(request?.headers['x-b'], 'c')
    assert.equal(request?.headers.host, `127.0.0.1:${upstream.port}`)
  })

  it('passes on pieces as they come', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    const sent = client.ask()
    const { socket } = await upstream.nextRequest()
    begin(['data: 1\n\n'])({ socket } as never)
    const response = await sent
    const seen: string[] = []
    await response.pump((bytes) => {
      seen.push(Buffer.from(bytes).toString())
      if (seen.length === 1)
        writeChunk(socket, 'data: 2\n\n') // only now: the first one was not held back
      else socket.write(lastChunk)
      return null
    })
    assert.deepEqual(seen, ['data: 1\n\n', 'data: 2\n\n'])
  })

  it('uses a connection again, and opens another one only beside a running answer', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    const turn = async (): Promise<number> => {
      const sent = client.ask()
      const request = await upstream.nextRequest()
      stream(['data: 1\n\n'])(request)
      await (await sent).whole(100)
      await new Promise(setImmediate) // undici looks at the socket once more before it is used again
      return request.connection
    }
    assert.deepEqual([await turn(), await turn(), await turn()], [0, 0, 0])
    const running = client.ask()
    const { socket, connection } = await upstream.nextRequest()
    assert.equal(connection, 0)
    assert.equal(await turn(), 1)
    respond('{}')({ socket } as never)
    await (await running).whole(100)
    assert.equal(client.connections, 2)
    await until(() => getEventListeners(client.abort.signal, 'abort').length === 0, 'no listeners')
  })

  it('forgets a connection that the upstream closes while it is idle', async (t) => {
    const upstream = await startBadUpstream(t, respond('{}'))
    const client = startClient(t, upstream)
    await (await client.ask()).whole(100)
    for (const socket of upstream.sockets) socket.end()
    await assertNothingLeft(client, upstream)
    await (await client.ask()).whole(100)
    assert.deepEqual(
      upstream.requests.map(({ connection }) => connection),
      [0, 1],
    )
  })

  it('does not follow redirects', async (t) => {
    const elsewhere = await startBadUpstream(t, respond('{}'))
    const upstream = await startBadUpstream(t, respond('', [`location: ${elsewhere.url}/v1/chat/completions`], 307))
    const client = startClient(t, upstream, { key: 'secret' })
    const response = await client.ask()
    assert.equal(response.status, 307)
    await response.whole(100)
    assert.equal(elsewhere.requests.length, 0)
    assert.equal(upstream.requests.length, 1)
  })

  it('takes early hints for what they are', async (t) => {
    const upstream = await startBadUpstream(t, raw(`${head(103, ['link: </a>'])}${head(200, ['content-length: 2'])}{}`))
    const response = await startClient(t, upstream).ask()
    assert.equal(response.status, 200)
    assert.equal(Buffer.from(await response.whole(10)).toString(), '{}')
  })

  it('reads a body without a length, as HTTP/1.0 servers send them', async (t) => {
    const upstream = await startBadUpstream(t, ({ socket }) => socket.end('HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n'))
    const client = startClient(t, upstream)
    assert.equal(Buffer.from(await (await client.ask()).whole(100)).toString(), 'data: 1\n\n')
    await assertNothingLeft(client, upstream)
  })

  it('puts many pieces together', async (t) => {
    const pieces = Array.from({ length: 500 }, (_, index) => `${index},`)
    const upstream = await startBadUpstream(t, stream(pieces))
    const whole = await (await startClient(t, upstream).ask()).whole(10_000)
    assert.equal(Buffer.from(whole).toString(), pieces.join(''))
  })

  it('reads an empty body', async (t) => {
    const upstream = await startBadUpstream(t, respond('', ['content-encoding: gzip']))
    assert.equal((await (await startClient(t, upstream).ask()).whole(10)).length, 0)
  })

  it('closes politely: the running answer comes to its end', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    const sent = client.ask()
    const { socket } = await upstream.nextRequest()
    const closed = client.close()
    await assert.rejects(client.ask(), { kind: 'unavailable' })
    respond('{}')({ socket } as never)
    assert.equal((await (await sent).whole(10)).length, 2)
    await closed
    await assertNothingLeft(client, upstream)
  })

  it('ends at once when it is destroyed', async (t) => {
    const upstream = await startBadUpstream(t)
    const client = startClient(t, upstream)
    const sent = client.ask()
    await upstream.nextRequest()
    const refused = assert.rejects(sent, { kind: 'unavailable' })
    await client.destroy()
    await refused
    await assertNothingLeft(client, upstream)
  })
})

describe('compressed answers', () => {
  const text = 'data: {"a":1}\n\n'.repeat(1000)
  const cases: readonly [string, Uint8Array][] = [
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['br', brotliCompressSync(text)],
    ['identity', Buffer.from(text)],
  ]
  for (const [encoding, body] of cases) {
    it(`${encoding}, ${body.length} bytes`, async (t) => {
      const upstream = await startBadUpstream(t, respond(body, [`content-encoding: ${encoding}`]))
      const response = await startClient(t, upstream).ask()
      assert.equal(upstream.requests[0]?.headers['accept-encoding'], 'identity')
      assert.equal(await readText((onBytes) => response.pump(onBytes)), text)
    })
  }

  it('come through as they are flushed', async (t) => {
    const upstream = await startBadUpstream(t)
    const sent = startClient(t, upstream).ask()
    const { socket } = await upstream.nextRequest()
    socket.write(head(200, ['transfer-encoding: chunked', 'content-encoding: gzip', ...eventStream]))
    const gzip = createGzip({ flush: zlib.Z_SYNC_FLUSH })
    gzip.on('data', (bytes: Buffer) => writeChunk(socket, bytes))
    gzip.on('end', () => socket.write(lastChunk))
    gzip.write('data: 1\n\n')
    let seen = ''
    await (await sent).pump((bytes) => {
      seen += Buffer.from(bytes).toString()
      if (seen === 'data: 1\n\n') gzip.end('data: 2\n\n')
      return null
    })
    assert.equal(seen, 'data: 1\n\ndata: 2\n\n')
  })

  it('wait for a slow reader', async (t) => {
    const upstream = await startBadUpstream(t, respond(gzipSync(Buffer.alloc(3_000_000)), ['content-encoding: gzip']))
    const response = await startClient(t, upstream).ask()
    let [bytes, isBusy] = [0, false]
    await response.pump(async (piece) => {
      assert.equal(isBusy, false)
      isBusy = true
      await new Promise(setImmediate)
      isBusy = false
      bytes += piece.length
    })
    assert.equal(bytes, 3_000_000)
  })
})

describe('a reader', () => {
  const total = 32 * 1024 * 1024
  const plain = Buffer.alloc(total)
  const bodies: readonly [string, Uint8Array][] = [
    ['identity', plain],
    ['gzip', gzipSync(plain, { level: 0 })],
  ]
  for (const [encoding, body] of bodies) {
    it(`that is slow holds up the upstream, not our memory (${encoding})`, async (t) => {
      const upstream = await startBadUpstream(t)
      const client = startClient(t, upstream)
      const sent = client.ask()
      const { socket } = await upstream.nextRequest()
      const written = write(socket, body, encoding)
      const response = await sent
      const gate = withResolvers()
      let seen = 0
      const pumped = response.pump((bytes) => {
        seen += bytes.length
        return gate.promise
      })
      await until(() => seen > 0, 'the first piece came')
      const before = seen
      await setTimeout(500) // nothing happens for longer than all of it would take
      assert.equal(seen, before)
      assert.ok(before <= 64 * 1024)
      const taken = socket.bytesWritten - socket.writableLength
      assert.ok(taken < total / 2, `${taken} bytes left the upstream`)
      gate.resolve()
      await Promise.all([written, pumped])
      assert.equal(seen, total)
    })
  }

  async function write(socket: Socket, body: Uint8Array, encoding: string): Promise<void> {
    socket.write(head(200, [`content-length: ${body.length}`, `content-encoding: ${encoding}`]))
    for (let sent = 0; sent < body.length; sent += 64 * 1024) {
      if (!socket.write(body.subarray(sent, sent + 64 * 1024))) await once(socket, 'drain')
    }
  }

  it('gets one piece at a time, in order', async (t) => {
    const numbers = Array.from({ length: 3000 }, (_, index) => `${index} `)
    const upstream = await startBadUpstream(t, stream(numbers))
    const response = await startClient(t, upstream).ask()
    let text = ''
    let isBusy = false
    await response.pump(async (bytes) => {
      assert.equal(isBusy, false)
      isBusy = true
      await null
      text += Buffer.from(bytes).toString()
      isBusy = false
    })
    assert.equal(text, numbers.join(''))
  })

  it('that throws ends the request', async (t) => {
    const upstream = await startBadUpstream(t, begin(['data: 1\n\n', 'data: 2\n\n']))
    const client = startClient(t, upstream)
    const response = await client.ask()
    const problem = new Error('not what was expected')
    await assert.rejects(
      response.pump(() => {
        throw problem
      }),
      problem,
    )
    await assertNothingLeft(client, upstream)
  })

  it('whose promise rejects ends the request', async (t) => {
    const upstream = await startBadUpstream(t, begin(['data: 1\n\n']))
    const client = startClient(t, upstream)
    const response = await client.ask()
    const problem = new Error('the client has gone')
    await assert.rejects(
      response.pump(() => Promise.reject(problem)),
      problem,
    )
    await assertNothingLeft(client, upstream)
  })

  it('that has enough closes the connection, from within or from outside', async (t) => {
    const upstream = await startBadUpstream(t, begin(['data: 1\n\n']))
    const client = startClient(t, upstream)
    const within = await client.ask()
    await within.pump(() => {
      within.cancel()
      return null
    })
    await assertNothingLeft(client, upstream)
    const outside = await client.ask()
    outside.cancel()
    await assertNothingLeft(client, upstream)
  })

  it('that comes late finds everything', async (t) => {
    const upstream = await startBadUpstream(t, ({ socket }) => socket.end('HTTP/1.0 200 OK\r\n\r\ndata: 1\n\n'))
    const client = startClient(t, upstream)
    const response = await client.ask()
    await upstream.allClosed()
    assert.equal(await readText((onBytes) => response.pump(onBytes)), 'data: 1\n\n')
    await assertNothingLeft(client, upstream)
  })
})

/** Node 20 has no Promise.withResolvers. */
function withResolvers(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}
