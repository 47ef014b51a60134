// Runs the tests: `npm test`, `npm test -- http anthropic` (files whose path contains a word), `npm test -- --test-name-pattern=drain`.
// Node 20's runner has no globs, so the files are found here.

import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join, sep } from 'node:path'

const root = dirname(import.meta.dirname)
const { flags, filters } = splitWords(process.argv.slice(2))
const files = readdirSync(join(root, 'test'), { recursive: true })
  .filter((name) => name.endsWith('.test.ts'))
  .map((name) => join('test', name).split(sep).join('/'))
  .filter((path) => filters.length === 0 || filters.some((filter) => path.includes(filter)))
  .sort()

if (files.length === 0) {
  console.error(`No test file has ${filters.join(' or ')} in its path`)
  process.exit(1)
}

// A test that hangs is to be named, not to hold up all of them for ever; no file takes a minute where nothing else runs.
const timeoutMs = 300_000
const limits = [`--test-concurrency=${availableParallelism()}`, `--test-timeout=${timeoutMs}`]
const runner = ['--import', 'tsx', '--test', '--test-reporter=spec', ...limits]
const { status } = spawnSync(process.execPath, [...runner, ...flags, ...files], {
  cwd: root,
  stdio: 'inherit',
  // As bin/headend.cjs sets it, for the same reason.
  env: { ...process.env, UV_THREADPOOL_SIZE: process.env.UV_THREADPOOL_SIZE || '132' },
})
process.exit(status ?? 1)

/** Words that begin with a dash go to Node's runner; so does the value of a pattern that stands apart from its flag. */
function splitWords(words) {
  const flags = []
  const filters = []
  for (let index = 0; index < words.length; index++) {
    const word = words[index]
    if (!word.startsWith('-')) filters.push(word)
    else if (/^--test-(name|skip)-pattern$/.test(word)) flags.push(`${word}=${words[++index] ?? ''}`)
    else flags.push(word)
  }
  return { flags, filters }
}
