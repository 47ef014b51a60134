import assert from 'node:assert/strict'
import { assertWholeStream, type SseEvent } from '../sse-events.ts'
import type { Answered, CutOff, Expected, Failed } from './misbehaviour.ts'
import type { Seen } from './proving-ground.ts'

/** An answer that keeps the grammar; an envelope with its status; or a beginning with an error event as its end. */
export function assertSeen(seen: Seen, expected: Expected): void {
  switch (expected.kind) {
    case 'answer':
      assertAnswer(seen, expected)
      break
    case 'error':
      assertError(seen, expected)
      break
    case 'cut':
      assertCut(seen, expected)
      break
    default:
      expected satisfies never
  }
}

type Content = readonly { readonly type: string; readonly text?: string; readonly input?: unknown }[]

export function assertAnswer(seen: Seen, { text, input }: Omit<Answered, 'kind'>): void {
  assert.equal(seen.status, 200, JSON.stringify(seen.body))
  const isStream = seen.events.length > 0
  if (isStream) assertWholeStream(seen.events)
  const content = seen.body.content as Content
  const told = isStream ? textOf(seen.events) : content.map((block) => block.text ?? '').join('')
  assert.ok(told === text, `${told.slice(0, 100)} is not ${text.slice(0, 100)}`)
  if (input === undefined) return
  const sent = isStream ? JSON.parse(inputOf(seen.events)) : content.find(({ type }) => type === 'tool_use')?.input
  assert.deepEqual(sent, input)
}

export function assertError(seen: Seen, expected: Failed): void {
  assert.equal(seen.status, expected.status, JSON.stringify(seen.body))
  assert.match(seen.headers.get('content-type') ?? '', /^application\/json/)
  const retryAfter = seen.headers.get('retry-after')
  // Clients that are told to come back later are told when, unless the upstream speaks for itself.
  const isTold = [429, 503, 529].includes(expected.status) && expected.isRelayed !== true
  if (expected.retryAfter === undefined && isTold) assert.match(retryAfter ?? '', /^[1-9]\d*$/)
  else assert.equal(retryAfter, expected.retryAfter ?? null)
  assertEnvelope(seen, seen.body, expected)
}

function assertCut(seen: Seen, expected: CutOff): void {
  assert.equal(seen.status, 200, JSON.stringify(seen.body))
  assert.equal(textOf(seen.events), expected.text)
  const types = seen.events.map(({ type }) => type)
  assert.equal(types[0], 'message_start')
  assert.equal(types.indexOf('error'), types.length - 1, types.join())
  assert.ok(!types.includes('message_stop'), types.join())
  assertEnvelope(seen, seen.events.at(-1), expected)
}

interface Envelope {
  readonly type: string
  readonly error: { readonly type: string; readonly message: string }
  readonly request_id: string
}

function assertEnvelope(
  { headers }: Seen,
  value: unknown,
  { type, message, isRelayed = false }: Failed | CutOff,
): void {
  const envelope = value as Envelope
  assert.deepEqual(Object.keys(envelope), ['type', 'error', 'request_id'])
  assert.equal(envelope.type, 'error')
  assert.equal(envelope.error.type, type, envelope.error.message)
  assert.match(envelope.error.message, message)
  assert.doesNotMatch(envelope.error.message, /<|127\.0\.0\.1|\n/, 'neither pages nor addresses are shown')
  assert.equal(envelope.request_id, isRelayed ? 'req_theirs' : headers.get('request-id'))
}

function textOf(events: readonly SseEvent[]): string {
  return events
    .map((event) => (event.type === 'content_block_delta' && event.delta.type === 'text_delta' ? event.delta.text : ''))
    .join('')
}

function inputOf(events: readonly SseEvent[]): string {
  return events
    .map((event) =>
      event.type === 'content_block_delta' && event.delta.type === 'input_json_delta' ? event.delta.partial_json : '',
    )
    .join('')
}
