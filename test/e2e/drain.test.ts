import assert from 'node:assert/strict'
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { on, once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

interface RunningProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>
  readonly url: string
  readonly exit: Promise<number | null>
  /** Resolves with the next log line that has this text. */
  lineWith(text: string): Promise<string>
}

describe('headend serve as a process', () => {
  it('lets three streams end after SIGTERM, refuses new connections, and exits with 0', async () => {
    const { child, url, exit } = await start()
    const streams = await Promise.all(['one', 'two', 'three'].map((word) => openStream(url, script(word, 40, 20))))
    child.kill('SIGTERM')
    const texts = await Promise.all(streams.map(readAll))
    for (const text of texts) assert.match(text, /event: message_stop/)
    assert.equal(await exit, 0)
    await assert.rejects(fetch(`${url}/health`))
  })

  it('ends what is left after the drain timeout with an error event, and exits with 0', async () => {
    const { child, url, exit } = await start(['--drain-timeout-ms', '200'])
    const stream = await openStream(url, script('slow', 1000, 1000))
    child.kill('SIGTERM')
    const text = await readAll(stream)
    assert.match(text, /event: error\ndata: .*overloaded_error/)
    assert.doesNotMatch(text, /message_stop/)
    assert.equal(await exit, 0)
  })

  it('ends at once at the second signal', async () => {
    const { child, url, exit, lineWith } = await start()
    const stream = await openStream(url, script('slow', 1000, 1000))
    child.kill('SIGTERM')
    await lineWith('no new requests')
    child.kill('SIGTERM')
    await readAll(stream).catch(() => {})
    assert.equal(await exit, 143)
  })
})

async function start(flags: readonly string[] = []): Promise<RunningProcess> {
  const args = ['--import', 'tsx', 'src/main.ts', '--backend', 'echo', '--port', '0', '--log-format', 'json', ...flags]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  const exit = once(child, 'exit').then(([code]) => code as number | null)
  const lines = createInterface(child.stdout)
  const lineWith = async (text: string): Promise<string> => {
    for await (const [line] of on(lines, 'line', { close: ['close'] })) if (line.includes(text)) return line
    throw new Error(`headend ended and never said ${text}`)
  }
  const { url } = JSON.parse(await lineWith('"url"')) as { url: string }
  return { child, url, exit, lineWith }
}

function script(word: string, repeat: number, delayMs: number): unknown {
  const content = `echo:${JSON.stringify({ text: `${word} `, repeat, delayMs })}`
  return { model: 'echo', max_tokens: 5000, stream: true, messages: [{ role: 'user', content }] }
}

/** Resolves when the first event is there. */
async function openStream(url: string, body: unknown): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const response = await fetch(`${url}/v1/messages`, { method: 'POST', body: JSON.stringify(body) })
  assert.equal(response.status, 200)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  await reader.read()
  return reader
}

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return text
    text += decoder.decode(value, { stream: true })
  }
}
