import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { explainListenError } from '../../src/http/listen-error.ts'
import { loadUws } from '../../src/http/load-uws.ts'
import { chooseTransport, listen } from '../../src/http/server.ts'
import { defaults } from './harness.ts'

const binary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`

/** A project whose node_modules hold a uWebSockets.js with these files. */
function createProject(t: { after(fn: () => void): void }, files: Readonly<Record<string, string>>): string {
  const root = mkdtempSync(join(tmpdir(), 'headend-uws-'))
  t.after(() => rmSync(root, { recursive: true }))
  const folder = join(root, 'node_modules', 'uWebSockets.js')
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
  return pathToFileURL(join(root, 'main.js')).href
}

const imitation = { 'package.json': '{"main":"src/uws.js"}', 'src/uws.js': 'module.exports = { App() {} }' }

test('auto takes uWebSockets.js where it loads and falls back with a note where it does not', async (t) => {
  const loaded = loadUws()
  const { transport, note } = await listen('auto', defaults, { handle() {}, refuseRaw: () => '', finished() {} })
  t.after(() => transport.destroy())
  assert.equal(transport.name, loaded.binding === null ? 'node' : 'uws')
  assert.equal(note === null, loaded.binding !== null)
  assert.ok(transport.port > 0)
})

test('the note says why and how to get the faster transport', () => {
  const missing = { binding: null, reason: 'uWebSockets.js is not installed' }
  assert.deepEqual(chooseTransport('auto', missing), {
    binding: null,
    note: 'uWebSockets.js is not installed, so node:http answers; for the faster transport run node scripts/install-uws.mjs',
  })
  assert.throws(() => chooseTransport('uws', missing), {
    message:
      '--transport uws: uWebSockets.js is not installed; run node scripts/install-uws.mjs, or use --transport auto',
  })
})

test('a missing package, a missing binary and a broken binary are told apart', (t) => {
  assert.deepEqual(loadUws(createProject(t, {})), { binding: null, reason: 'uWebSockets.js is not installed' })
  assert.deepEqual(loadUws(createProject(t, imitation)), {
    binding: null,
    reason: `uWebSockets.js has no binary for Node ${process.versions.node} on ${process.platform}-${process.arch}`,
  })
  for (const path of [`binaries/${binary}`, `src/${binary}`]) {
    assert.deepEqual(loadUws(createProject(t, { ...imitation, [path]: 'not a library' })), {
      binding: null,
      reason: `the binary of uWebSockets.js does not load on ${process.platform}-${process.arch}`,
    })
  }
})

test('reasons for a failed listen name the option to change', () => {
  assert.match(explainListenError('EACCES', '0.0.0.0', 80), /No permission to listen on port 80.*--port/)
  assert.match(explainListenError('ENOTFOUND', 'nowhere', 80), /host name nowhere is not known.*--host/)
  assert.match(explainListenError('EMFILE', '0.0.0.0', 80), /\(EMFILE\)/)
})
