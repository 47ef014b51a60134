import assert from 'node:assert/strict'
import { it } from 'node:test'
import { createLog, type LogOptions, resolveLogFormat } from '../../src/observe/log.ts'

function collect(options: Partial<LogOptions>): { log: ReturnType<typeof createLog>; lines: string[] } {
  const lines: string[] = []
  const log = createLog({ level: 'info', format: 'json', ...options }, { write: (line) => void lines.push(line) })
  return { log, lines }
}

it('writes one JSON object per line, with the level by name', () => {
  const { log, lines } = collect({})
  log.warn({ requestId: 'req_1' }, 'slow')
  const { time, ...line } = JSON.parse(lines[0] ?? '') as Record<string, unknown>
  assert.deepEqual(line, { level: 'warn', requestId: 'req_1', msg: 'slow' })
  assert.ok(!Number.isNaN(Date.parse(String(time))))
})

it('leaves out what is below the level', () => {
  const { log, lines } = collect({ level: 'error' })
  log.info('no')
  assert.deepEqual(lines, [])
})

for (const format of ['json', 'pretty'] as const) {
  it(`never writes credentials (${format})`, () => {
    const { log, lines } = collect({ format })
    const headers = { authorization: 'Bearer s3cret', 'x-api-key': 's3cret', cookie: 's3cret', accept: '*/*' }
    log.info(headers, 'top')
    log.info({ headers }, 'headers')
    log.info({ request: { headers } }, 'request')
    assert.equal(lines.length, 3)
    for (const line of lines) {
      assert.ok(!line.includes('s3cret'), line)
      assert.ok(line.includes('*/*'), line)
    }
  })
}

it('keeps the cause and stack of an error', () => {
  const { log, lines } = collect({})
  log.error({ err: new Error('outer', { cause: new Error('inner') }) }, 'failed')
  const { err } = JSON.parse(lines[0] ?? '') as { err: { stack: string } }
  assert.match(err.stack, /inner/)
})

it('chooses json where the output is no terminal', { skip: process.stdout.isTTY && 'this is a terminal' }, () => {
  assert.equal(resolveLogFormat('auto'), 'json')
  assert.equal(resolveLogFormat('pretty'), 'pretty')
})
