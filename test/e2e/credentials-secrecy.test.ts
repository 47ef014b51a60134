import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { resolveConfig } from '../../src/config.ts'
import { createLog } from '../../src/observe/log.ts'
import { createServer } from '../../src/server.ts'
import { ask, bothProtocols, type Scope, untilIdle } from '../support/routed-server.ts'
import { type Answer, cuts, refuses, says, startScriptedUpstream } from '../support/scripted-upstream.ts'
import { until } from '../support/upstream-client.ts'

const root = dirname(dirname(import.meta.dirname))

/** Keys that look like keys, and those that only we can know. */
const secrets = {
  'keys with a known beginning': { ours: 'sk-ours-0123456789abcdef', theirs: 'sk-theirs-0123456789abcdef' },
  'keys like any word': { ours: 'our/plain=secret', theirs: 'their/plain=secret' },
} as const

interface Overheard {
  readonly url: string
  /** All that was logged, listed and recorded, once this request was recorded. */
  everything(requestId: string): Promise<string>
}

/** A server whose log is kept, whatever its level, and whose answers are, too. */
async function startOverheard(t: Scope, env: NodeJS.ProcessEnv, file: object): Promise<Overheard> {
  const folder = mkdtempSync(join(tmpdir(), 'headend-record-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const { config } = resolveConfig({
    flags: { port: '0', upstreamRetries: '0', record: folder, recordSample: '1' },
    env,
    file: { path: 'headend.yaml', text: JSON.stringify(file) },
  })
  const lines: string[] = []
  const log = createLog({ level: 'trace', format: 'json' }, { write: (line) => void lines.push(line) })
  const server = await createServer(config, log, 4)
  t.after(() => server.destroy())
  return {
    url: server.url,
    async everything(requestId) {
      await untilIdle(server)
      const recordings = (): string[] => readdirSync(folder).filter((name) => name.endsWith('.jsonl'))
      await until(() => recordings().some((name) => name.includes(requestId)), 'the last request is recorded')
      const status = await (await fetch(`${server.url}/status`)).text()
      const models = await (await fetch(`${server.url}/v1/models`)).text()
      const recorded = recordings().map((name) => readFileSync(join(folder, name), 'utf8'))
      return [...lines, server.banner, status, models, ...recorded].join('\n')
    },
  }
}

const statuses = [400, 401, 403, 404, 429, 500, 503] as const

const amid: Answer = (request) => request.begin().say('some').cut()

/** Wherever an upstream may repeat what it was sent, but for the text of an answer. */
function repeating(words: string): readonly Answer[] {
  const headers = { 'www-authenticate': words, 'x-echo': words, 'set-cookie': `key=${words}` }
  const message = JSON.stringify(words)
  const error = `event: error\ndata: {"type":"error","error":{"type":"api_error","message":${message}}}\n\n`
  return [
    ...statuses.map((status) => refuses(status, words, headers)),
    (request) => request.begin(headers).write(error).response.end(),
    (request) => request.begin(headers).say('some').write(error).response.end(),
    ({ response }) => void response.writeHead(200, headers).end(`<p>${words}</p>`),
    ({ response }) => void response.writeHead(302, { location: `http://x/?${encodeURI(words)}` }).end(),
    says('well', headers),
  ]
}

for (const protocol of bothProtocols) {
  for (const [kind, { ours, theirs }] of Object.entries(secrets)) {
    describe(`what nobody gets to see: ${kind}, ${protocol}`, { concurrency: 4 }, () => {
      for (const passes of [false, true]) {
        const whose = passes ? 'what the client showed, and passes through' : 'a key of ours'
        const file = (url: string) => ({
          upstreams: [
            { name: 'up', url, protocol, models: ['*'], ...(passes ? { pass_through: true } : { key_env: 'KEY' }) },
          ],
        })
        /** One model for each fault: a breaker would keep the others from being seen. */
        const askAll = async (t: Scope, answers: readonly Answer[]) => {
          const upstream = await startScriptedUpstream(t, { models: 401 })
          const server = await startOverheard(t, { KEY: ours }, file(upstream.url))
          const heard: string[] = []
          let requestId = ''
          for (const [index, answer] of answers.entries()) {
            for (const stream of [false, true]) {
              upstream.script(answer)
              const headers = { authorization: `Bearer ${theirs}`, 'x-api-key': theirs, cookie: theirs }
              const response = await ask(server, { model: `m${index}`, stream, headers })
              requestId = response.headers.get('request-id') ?? ''
              heard.push(JSON.stringify([...response.headers]), await response.text())
            }
          }
          assert.equal(upstream.requests.length, answers.length * 2)
          return { heard, kept: (await server.everything(requestId)).split('\n') }
        }

        it(`${whose}, where the upstream repeats nothing`, async (t) => {
          const { heard, kept } = await askAll(t, [
            ...statuses.map((status) => refuses(status)),
            cuts,
            amid,
            says('well'),
          ])
          assert.ok(
            kept.some((line) => line.includes('"status":400')),
            'it does log',
          )
          for (const secret of [ours, theirs]) assert.deepEqual(having(secret, [...heard, ...kept]), [])
        })

        // A client may be told of its own credential, and of nobody else's; neither is kept.
        it(`${whose}, where the upstream repeats it`, async (t) => {
          const secret = passes ? theirs : ours
          const { heard, kept } = await askAll(t, repeating(`Incorrect key: ${secret}.`))
          assert.deepEqual(having(secret, passes ? kept : [...heard, ...kept]), [])
        })
      }
    })
  }
}

function having(secret: string, texts: readonly string[]): readonly string[] {
  return texts.filter((text) => text.includes(secret))
}

it('headend check shows that there is a key, and not which', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'headend-check-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const [file, key] = [join(folder, 'headend.json'), join(folder, 'key')]
  const secret = 'our/plain=secret'
  writeFileSync(key, secret)
  const upstreams = [
    { name: 'by-env', url: 'http://127.0.0.1:9', key_env: 'KEY', headers: { 'x-token': secret } },
    { name: 'by-file', url: 'http://127.0.0.1:9', key_file: key },
  ]
  writeFileSync(file, JSON.stringify({ upstreams }))
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADEND_')))
  const words = ['check', '--config', file, '--upstream', 'http://127.0.0.1:9/v1', '--log-level', 'trace']
  const run = promisify(execFile)
  for (const form of [[], ['--json']]) {
    const nodeWords = ['--import', 'tsx', join(root, 'src', 'main.ts'), ...words, ...form]
    const env = { ...clean, KEY: secret, HEADEND_UPSTREAM_KEY: secret }
    const { stdout, stderr } = await run(process.execPath, nodeWords, { cwd: root, env })
    assert.ok(!stdout.includes(secret) && !stderr.includes(secret))
    assert.match(stdout, /hidden/)
  }
})
