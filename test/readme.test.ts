import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { currentDocuments } from '../scripts/option-table.ts'
import { parseCommandLine } from '../src/cli.ts'
import { optionNames } from '../src/config/options.ts'
import { resolveConfig } from '../src/config.ts'

const root = dirname(import.meta.dirname)
const readme = readFileSync(join(root, 'README.md'), 'utf8')

describe('documents', () => {
  for (const { path, text } of currentDocuments(root)) {
    it(`${path.slice(root.length + 1)} has the current options (else: npm run docs)`, () => {
      assert.equal(readFileSync(path, 'utf8'), text)
    })
  }

  it('link to files that exist', () => {
    const documents = [
      'README.md',
      ...readdirSync(join(root, 'docs'), { recursive: true }).map((name) => join('docs', `${name}`)),
    ]
    for (const document of documents.filter((name) => name.endsWith('.md'))) {
      for (const [, target = ''] of readFileSync(join(root, document), 'utf8').matchAll(/\]\(([^)#:]+)\)/g)) {
        assert.ok(existsSync(join(root, dirname(document), target)), `${document} links to ${target}`)
      }
    }
  })

  it('name no option that does not exist', () => {
    const names = new Set<string>([...optionNames, 'json', 'help', 'version'].map((name) => name.toLowerCase()))
    for (const document of [
      'README.md',
      'CHANGELOG.md',
      'docs/configuration.md',
      'docs/life-of-a-request.md',
      'docs/wire-coverage.md',
    ]) {
      const text = readFileSync(join(root, document), 'utf8')
      for (const [flag, name = ''] of text.matchAll(/(?<=[\s`(])--([a-z][a-z-]+)/g)) {
        assert.ok(names.has(name.replaceAll('-', '')), `${document}: ${flag}`)
      }
    }
  })
})

describe('README', () => {
  it('begins with the two commands', () => {
    assert.match(readme, /^# headend\n\n {4}npm start\n {4}npm test\n/)
  })

  it('shows commands that headend accepts', () => {
    const commands = [...readme.matchAll(/^npm start -- (.+)$/gm)].map(([, words = '']) => words.split(' '))
    assert.ok(commands.length >= 3)
    for (const words of commands) {
      const invocation = parseCommandLine(words)
      if (invocation.kind === 'key') continue // reads no options
      assert.ok(invocation.kind === 'run')
      resolveConfig({ flags: invocation.flags, env: {}, file: null })
    }
  })

  it('shows request bodies that are JSON', () => {
    const bodies = [...readme.matchAll(/-d '([^']+)'/g)].map(([, body = '']) => JSON.parse(body))
    assert.deepEqual(
      bodies.map(({ model, stream }) => [model, stream]),
      [
        ['headend-tiny', undefined],
        ['headend-tiny', true],
      ],
    )
  })
})

it('the example of a config file is one', () => {
  const page = readFileSync(join(root, 'docs', 'configuration.md'), 'utf8')
  const text = /```yaml\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
  const { config } = resolveConfig({ flags: {}, env: {}, file: { path: 'headend.yaml', text } })
  assert.deepEqual([config.port, config.queueTimeoutMs, config.bodyBytesMax], [9000, 120_000, 8 * 1024 * 1024])
})
