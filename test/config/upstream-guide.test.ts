import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { defaultQuirks } from '../../src/backends/upstream/settings.ts'
import { flagName, optionNames } from '../../src/config/options.ts'
import { quirkReaders } from '../../src/config/quirk-config.ts'
import { snakeCase } from '../../src/config/written-fields.ts'
import { resolveConfig } from '../../src/config.ts'
import { fileOf } from '../support/config-sources.ts'

const page = readFileSync(join(dirname(dirname(import.meta.dirname)), 'docs', 'upstreams.md'), 'utf8')

describe('docs/upstreams.md', () => {
  it('shows files that are accepted', () => {
    const files = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = '']) => text)
    assert.ok(files.length >= 12)
    for (const text of files) {
      const variables = [...text.matchAll(/key_env: (\w+)/g)].map(([, name = '']) => [name, 'sk-1'])
      const { config } = resolveConfig({ flags: {}, env: Object.fromEntries(variables), file: fileOf(text) })
      assert.ok(config.upstreams.length > 0)
    }
  })

  it('shows a model map that is accepted', () => {
    const modelMap = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const { config } = resolveConfig({ flags: { upstream: 'http://a', modelMap }, env: {}, file: null })
    assert.equal(config.models[0]?.displayName, 'Sonnet, here')
  })

  it('has every quirk with its default', () => {
    const section = page.slice(page.indexOf('## Quirks'), page.indexOf('## Recipes'))
    const rows = [...section.matchAll(/^\| `(\w+)` \| `([^`]+)` \|/gm)].map(([, name, value]) => [name, value])
    const expected = Object.entries(defaultQuirks).map(([name, value]) => [
      snakeCase(name),
      typeof value === 'string' ? value : JSON.stringify(value),
    ])
    assert.deepEqual(rows, expected)
    assert.deepEqual(Object.keys(quirkReaders), Object.keys(defaultQuirks))
  })

  it('names no option that does not exist', () => {
    const known = new Set<string>(optionNames.map(flagName))
    const servers = new Set([
      '--reasoning-parser',
      '--enable-auto-tool-choice',
      '--tool-call-parser',
      '--alias',
      '--jinja',
    ])
    for (const [flag] of page.matchAll(/(?<=[\s`(])--[a-z][a-z-]+[a-z](?![a-z.])/g)) {
      assert.ok(known.has(flag) || servers.has(flag), flag)
    }
  })
})
