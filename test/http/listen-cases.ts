import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { listen } from '../../src/http/server.ts'
import { defaults, get, start, type TransportName } from './harness.ts'

const hooks = { handle: () => {}, refuseRaw: () => '{}', finished: () => {} }
const hasOpenssl = spawnSync('openssl', ['version']).status === 0

function createPair(folder: string, name: string): { certFile: string; keyFile: string } {
  const [certFile, keyFile] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const subject = ['-subj', '/CN=localhost', '-days', '2', '-nodes']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
  const made = spawnSync('openssl', ['req', '-x509', ...curve, ...subject, '-keyout', keyFile, '-out', certFile])
  assert.equal(made.status, 0, String(made.stderr))
  return { certFile, keyFile }
}

export function listenCases(name: TransportName): void {
  test('a port in use is named, with the remedy', async (t) => {
    const holder = createServer().listen(0, '127.0.0.1')
    t.after(() => holder.close())
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    await assert.rejects(listen(name, { ...defaults, port }, hooks), {
      message: `Port ${port} on 127.0.0.1 is in use: stop the program that holds it, or choose another one with --port`,
    })
  })

  test('an address of another machine is named', async () => {
    await assert.rejects(listen(name, { ...defaults, host: '192.0.2.1' }, hooks), {
      message: /^This machine has no address 192\.0\.2\.1: set --host/,
    })
  })

  test('the loopback of IPv6 is served, with its short address', async (t) => {
    const { port } = await start(t, name, (exchange) => exchange.respond(200, {}, exchange.remoteAddress), {
      host: '::1',
    }).catch((error: Error) => {
      assert.match(error.message, /has no address ::1/)
      t.skip('this machine has no IPv6')
      return { port: 0 }
    })
    if (port === 0) return
    const response = await fetch(`http://[::1]:${port}/`)
    assert.equal(await response.text(), '::1')
  })

  test('IPv4 clients of a dual-stack socket have IPv4 addresses', async (t) => {
    const { connect } = await start(t, name, (exchange) => exchange.respond(200, {}, exchange.remoteAddress), {
      host: '::',
    })
    const client = await connect()
    client.write(get('/'))
    assert.equal((await client.response()).body, '127.0.0.1')
  })

  test('TLS by certificate and key file', { skip: hasOpenssl ? false : 'openssl is not on the PATH' }, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-tls-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const pair = createPair(folder, 'one')
    const other = createPair(folder, 'two')
    const text = 'secret '.repeat(100_000)
    const { port } = await start(t, name, (exchange) => exchange.respond(200, {}, text), { tls: pair })
    const outgoing = request({ port, host: '127.0.0.1', rejectUnauthorized: false, agent: false })
    outgoing.end()
    const [response] = await once(outgoing, 'response')
    assert.equal(Buffer.concat(await response.toArray()).toString(), text)

    const refusals: readonly [string, string, RegExp][] = [
      [join(folder, 'missing.crt'), pair.keyFile, /^The TLS certificate .*missing\.crt cannot be read \(ENOENT\)/],
      [pair.certFile, join(folder, 'missing.key'), /^The TLS key .*missing\.key cannot be read \(ENOENT\)/],
      [pair.certFile, pair.certFile, /is not a private key in PEM form/],
      [pair.certFile, other.keyFile, /^The TLS key .*two\.key does not belong to the certificate .*one\.crt$/],
    ]
    for (const [certFile, keyFile, message] of refusals) {
      await assert.rejects(listen(name, { ...defaults, tls: { certFile, keyFile } }, hooks), { message })
    }
    writeFileSync(join(folder, 'junk.crt'), 'junk')
    const junk = { certFile: join(folder, 'junk.crt'), keyFile: pair.keyFile }
    await assert.rejects(listen(name, { ...defaults, tls: junk }, hooks), {
      message: /is not a certificate in PEM form/,
    })
  })
}
