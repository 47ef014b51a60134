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
  const response = await fetch(new URL('/v1/messages', url), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ max_tokens: 100, messages: [{ role: 'user', content: 'Hello' }], ...fields }),
  })
  const body = await response.text()
  assert.equal(response.status, 200, body)
  return body
}
