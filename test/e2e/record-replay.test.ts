import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { answerOf, ask, bothProtocols, type Scope, startRouted, untilIdle } from '../support/routed-server.ts'
import {
  type Answer,
  cuts,
  refuses,
  type ScriptedUpstream,
  startScriptedUpstream,
} from '../support/scripted-upstream.ts'
import { until } from '../support/upstream-client.ts'

const root = dirname(dirname(import.meta.dirname))
const secret = 'sk-ours-0123456789abcdef'

function temporaryFolder(t: Scope): string {
  const folder = mkdtempSync(join(tmpdir(), 'headend-record-'))
  t.after(() => rmSync(folder, { recursive: true }))
  return join(folder, 'made', 'when-needed')
}

async function startRecording(t: Scope, protocol: string, flags = {}) {
  const upstream = await startScriptedUpstream(t)
  const folder = temporaryFolder(t)
  const server = await startRouted(t, {
    flags: {
      upstream: upstream.url,
      upstreamProtocol: protocol,
      upstreamModels: ['*'],
      record: folder,
      ...flags,
    },
    env: { HEADEND_UPSTREAM_KEY: secret },
  })
  return { upstream, server, folder }
}

/** The recording of this request, once it is on the disk. */
async function recordingOf(folder: string, response: Response): Promise<string> {
  const id = response.headers.get('request-id') ?? ''
  const find = (): string | undefined => readdirSync(folder).find((name) => name.endsWith(`${id}.jsonl`))
  await until(() => find() !== undefined, `${id} was recorded`)
  return join(folder, find() as string)
}

/** As a user would do it. */
function replay(file: string): Promise<{ stdout: string; stderr: string }> {
  const words = ['--import', 'tsx', join(root, 'src', 'main.ts'), 'replay', file]
  return promisify(execFile)(process.execPath, words, { cwd: root })
}

const fails: Answer = (request) => request.begin({ 'x-request-id': 'theirs-1' }).say('so far').cut()

for (const protocol of bothProtocols) {
  describe(`--record, ${protocol}`, { concurrency: 2 }, () => {
    it('keeps a stream that failed, and `headend replay` shows its events and its failure', async (t) => {
      const { upstream, server, folder } = await startRecording(t, protocol)
      upstream.script(fails)
      const response = await ask(server, { model: 'org/m', stream: true, prompt: 'never to be kept' })
      await response.text()
      const file = await recordingOf(folder, response)
      const text = readFileSync(file, 'utf8')
      for (const left of [secret, 'never to be kept', 'authorization']) assert.ok(!text.includes(left), left)
      assert.equal(statSync(file).mode & 0o077, 0, 'nobody else reads it')

      const [head, ...pieces] = text
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
      assert.deepEqual(
        [head?.protocol, head?.status, head?.requestId, head?.upstreamRequestId],
        [protocol, 200, response.headers.get('request-id'), 'theirs-1'],
      )
      assert.match(String(head?.target), /\/org\/m$/)
      const end = pieces.pop() as { failure: { kind: string } }
      assert.equal(end.failure.kind, 'upstream-failed')
      assert.ok(pieces.length > 0 && pieces.every(({ atMs }) => typeof atMs === 'number'))

      const { stdout, stderr } = await replay(file)
      assert.equal(stderr.replace(/^.*warn.*\n/gim, ''), '')
      assert.match(stdout, /^[\w.:]+\/org\/m, status 200, text\/event-stream, req_\w+\n/)
      assert.match(stdout, /^ +\d+ ms +\{"type":"block-delta","index":0,"text":"so far"\}$/m)
      assert.match(stdout, /^fails now with upstream-failed: /m)
      assert.match(stdout, /^failed then with upstream-failed: .*\n$/m)
    })

    it('keeps a whole answer that cannot be read, and shows why', async (t) => {
      const { upstream, server, folder } = await startRecording(t, protocol)
      upstream.script(({ response }) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Hello'))
      const response = await ask(server)
      assert.equal(response.status, 502)
      const { stdout } = await replay(await recordingOf(folder, response))
      assert.match(stdout, /status 200, text\/html/)
      assert.match(stdout, /^fails now with upstream-malformed: .*\nfailed then with upstream-malformed: .*$/m)
    })

    it('keeps a stream that fell silent', async (t) => {
      const { upstream, server, folder } = await startRecording(t, protocol, { upstreamIdleTimeoutMs: '200' })
      upstream.script((request) => void request.begin())
      const response = await ask(server, { stream: true })
      assert.equal(response.status, 504)
      const { stdout } = await replay(await recordingOf(folder, response))
      assert.match(stdout, /^failed then with upstream-timeout: .* fell silent for 200 ms/m)
    })

    it('keeps neither good answers, nor refusals, nor what its client left', async (t) => {
      const { upstream, server, folder } = await startRecording(t, protocol)
      for (const stream of [false, true]) await answerOf(server, { stream })
      upstream.script(refuses(500), refuses(400), cuts)
      for (let time = 0; time < 3; time++) await (await ask(server)).text()
      await leaveAmid(upstream, server)
      await untilIdle(server)

      upstream.script(fails)
      const failed = await ask(server, { stream: true })
      await failed.text()
      const file = await recordingOf(folder, failed)
      assert.deepEqual(
        readdirSync(folder).map((name) => join(folder, name)),
        [file],
        'recordings are written one after the other, so the others would be there',
      )
    })

    it('keeps good answers with --record-sample 1, whole and streamed', async (t) => {
      const { server, folder } = await startRecording(t, protocol, { recordSample: '1' })
      for (const stream of [false, true]) {
        const response = await ask(server, { stream })
        await response.text()
        const { stdout } = await replay(await recordingOf(folder, response))
        assert.match(stdout, /"type":"block-delta","index":0,"text":"hello"/)
        assert.match(stdout, /"type":"finish","reason":"end-turn"/)
        assert.doesNotMatch(stdout, /fail/)
      }
    })
  })
}

describe('headend replay', { concurrency: 2 }, () => {
  it('tells a file that is none, and one that is not there, in one line', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-replay-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'other.jsonl')
    writeFileSync(file, '{"some":"thing"}\n')
    for (const [path, problem] of [
      [file, /^headend: .*other\.jsonl:1: not a recording/m],
      [join(folder, 'missing.jsonl'), /^headend: cannot read .*missing\.jsonl \(ENOENT\)/m],
    ] as const) {
      await assert.rejects(replay(path), (cause: Error & { code?: number; stderr?: string }) => {
        assert.equal(cause.code, 1)
        assert.match(cause.stderr ?? '', problem)
        assert.doesNotMatch(cause.stderr ?? '', /^ +at /m)
        return true
      })
    }
  })
})

/** A client that reads the beginning of a stream and goes. */
async function leaveAmid(upstream: ScriptedUpstream, server: { readonly url: string }): Promise<void> {
  const arriving = upstream.hold()
  const client = new AbortController()
  const left = ask(server, { stream: true, signal: client.signal })
  const request = await arriving
  request.begin().say('some')
  const response = await left
  client.abort()
  await assert.rejects(response.text(), { name: 'AbortError' })
  await request.abandoned
}
