import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { test } from 'node:test'
import { promisify } from 'node:util'

const run = promisify(execFile)
const log = new URL('../../src/observe/log.ts', import.meta.url).href

/** What a process of its own has written to its output when it ended as `last` says. */
async function linesOf(count: number, last: string): Promise<readonly { readonly index: number }[]> {
  const script = `
    import { createLog } from '${log}'
    const log = createLog({ level: 'info', format: 'json' })
    for (let index = 0; index < ${count}; index++) log.info({ index }, 'a line')
    ${last}`
  const args = ['--import', 'tsx', '--input-type=module', '--eval', script]
  const { stdout } = await run(process.execPath, args, { maxBuffer: 16_000_000 }).catch((cause) => cause)
  return (stdout as string)
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as { index: number })
}

for (const [name, last] of [
  ['by itself', ''],
  ['by process.exit', 'process.exit(0)'],
  ['by an error', 'setImmediate(() => { throw new Error("no") })'],
] as const) {
  test(`every line is written, once and in order, when the process ends ${name}`, async () => {
    for (const count of [3, 2000]) {
      const lines = await linesOf(count, last)
      assert.deepEqual(
        lines.map(({ index }) => index),
        Array.from({ length: count }, (_, index) => index),
      )
    }
  })
}

test('a line does not wait for others', async () => {
  const lines = await linesOf(1, 'setTimeout(() => process.kill(process.pid, "SIGKILL"), 1500)')
  assert.equal(lines.length, 1)
})
