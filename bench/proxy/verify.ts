import assert from 'node:assert/strict'
import type { Mock, Target } from './targets.ts'

/** A server that loses text would look fast. */
export async function verify(target: Target, mock: Mock): Promise<void> {
  if (target === mock) return
  const [text, expected] = [await streamedText(target.process.url), await streamedText(mock.process.url)]
  assert.equal(text, expected, `${target.name} streamed another text than the mock`)
  const [answer, wanted] = [await wholeText(target.process.url), await wholeText(mock.process.url)]
  assert.equal(answer, wanted, `${target.name} answered another text than the mock`)
}

/** After the figures, as a server may well hold such failures against its upstream for a while. The floor handles none. */
export async function verifyFaults(target: Target): Promise<void> {
  for (const status of [429, 500] as const) {
    const response = await ask(target.process.url, { model: `status-${status}` })
    const expected = status === 429 ? [429, 529] : [500, 502, 529]
    assert.ok(expected.includes(response.status), `${target.name} made ${response.status} of ${status}`)
    assert.equal(JSON.parse(await response.text()).type, 'error')
  }
  const cut = await (await ask(target.process.url, { model: 'reset', stream: true })).text()
  assert.match(cut, /event: error\n.*\n\n$/, `${target.name} did not say that its upstream cut the stream`)
}

async function streamedText(url: URL): Promise<string> {
  const frames = (await post(url, { model: 'burst', stream: true })).split('\n\n')
  assert.match(frames.at(-2) ?? '', /^event: message_stop/)
  const deltas = frames.filter((frame) => frame.startsWith('event: content_block_delta'))
  return deltas.map((frame) => JSON.parse(frame.slice(frame.indexOf('data: ') + 6)).delta.text).join('')
}

async function wholeText(url: URL): Promise<string> {
  return JSON.parse(await post(url, { model: 'json' })).content[0].text
}

async function post(url: URL, fields: object): Promise<string> {
  const response = await ask(url, fields)
  const body = await response.text()
  assert.equal(response.status, 200, body)
  return body
}

function ask(url: URL, fields: object): Promise<Response> {
  return fetch(new URL('/v1/messages', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }], ...fields }),
  })
}
