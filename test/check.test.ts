import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { it } from 'node:test'
import { promisify } from 'node:util'

const root = dirname(import.meta.dirname)

const secret = 'sk-very-secret'

const yaml = `
upstreams:
  - name: openai
    url: https://api.openai.com/v1
    key_env: OPENAI_API_KEY
    headers: { x-team: ${secret} }
models:
  - { id: claude-sonnet, aliases: [sonnet], upstream: openai, model: gpt-5 }
`

it('headend check shows upstreams and models, loads no engine for them, and shows no secret', async (test) => {
  const folder = mkdtempSync(join(tmpdir(), 'headend-check-'))
  test.after(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'headend.yaml')
  writeFileSync(file, yaml)
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADEND_')))
  const env = { ...clean, OPENAI_API_KEY: secret, HEADEND_UPSTREAM_KEY: secret }
  const words = ['check', '--config', file, '--upstream', 'http://127.0.0.1:9']
  const check = async (...more: string[]): Promise<string> => {
    const nodeWords = ['--import', 'tsx', join(root, 'src', 'main.ts'), ...words, ...more]
    return (await promisify(execFile)(process.execPath, nodeWords, { cwd: root, env })).stdout
  }
  const [plain, json] = await Promise.all([check(), check('--json')])

  for (const text of [plain, json]) assert.equal(text.includes(secret), false)
  assert.match(plain, /^upstreamKey +\(hidden\) +environment$/m)
  assert.match(plain, /^model +- +default$/m)
  const sections = [
    'upstream 127.0.0.1:9\n  http://127.0.0.1:9, openai protocol, with a key\n  serves what it lists\n',
    'upstream openai\n  https://api.openai.com/v1, openai protocol, with a key\n  serves only what models name\n  headers x-team\n  quirks extra_sampling: false\n',
    'model claude-sonnet\n  also sonnet\n  1. openai/gpt-5\n',
  ]
  assert.equal(plain.slice(plain.indexOf('\n\n') + 2), sections.join('\n'))

  const { upstreams, routes, models } = JSON.parse(json)
  assert.deepEqual(
    upstreams.map((upstream: { name: string; key: string }) => [upstream.name, upstream.key]),
    [
      ['127.0.0.1:9', '(hidden)'],
      ['openai', '(hidden)'],
    ],
  )
  assert.deepEqual([routes[0].id, models], ['claude-sonnet', []])
})
