import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { StreamEncoder } from '../../../src/protocols/openai/stream-encoder.ts'
import { assembleChunks, readChunks } from '../../support/chat-chunks.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { callBlock, finish, start, textBlock, thinkingBlock, usage } from '../anthropic/stream-events.ts'

const commitAfterMs = 10_000
const workerLost = new HeadendError('worker-lost', 'The worker was lost')
const queueFull = new HeadendError('queue-full', 'The queue is full', { retryAfterSeconds: 3 })

function open(includesUsage = false, streamBufferBytes = 1024) {
  const exchange = new RecordingExchange()
  const options = { model: 'tiny "one"', includesUsage }
  const encoder = new StreamEncoder(exchange, options, { commitAfterMs, streamBufferBytes })
  return { exchange, encoder, writer: exchange.writer }
}

function writeAll(encoder: StreamEncoder, ...events: readonly StreamEvent[]): void {
  for (const event of events) encoder.write(event)
}

/** Frames of a whole stream. */
function stream(events: readonly StreamEvent[], includesUsage = false) {
  const { encoder, writer } = open(includesUsage)
  writeAll(encoder, ...events)
  assert.ok(writer.ended)
  return readChunks(writer.text)
}

describe('events to frames', () => {
  const whole = [
    start(),
    ...thinkingBlock(0, 'Let me', ' see.'),
    ...textBlock(1, 'Hel', 'lo "you" 👋\n'),
    ...callBlock(2, 'call_a', 'f', '{"a": 1', '}'),
    ...callBlock(3, 'call_b', 'now'),
    finish('tool-call', { usage: { ...usage, thinkingTokens: 20 } }),
  ]

  test('thinking, text and two calls', () => {
    const read = stream(whole)
    assert.deepEqual(assembleChunks(read), {
      text: 'Hello "you" 👋\n',
      thought: 'Let me see.',
      calls: [
        { id: 'call_a', name: 'f', input: { a: 1 } },
        { id: 'call_b', name: 'now', input: {} },
      ],
      finishReason: 'tool_calls',
    })
    assert.deepEqual(read.deltas.slice(1, 5), [
      { reasoning_content: 'Let me' },
      { reasoning_content: ' see.' },
      { content: 'Hel' },
      { content: 'lo "you" 👋\n' },
    ])
    assert.equal(read.deltas.length, 11)
    assert.equal(read.chunks[0]?.model, 'tiny "one"')
    assert.match(read.chunks[0]?.id ?? '', /^chatcmpl-[0-9A-Za-z]{24}$/)
    assert.ok(Math.abs((read.chunks[0]?.created ?? 0) - Date.now() / 1000) < 60)
  })

  test('the bytes of a frame', () => {
    const { encoder, writer, exchange } = open()
    writeAll(encoder, start(), ...textBlock(0, 'hi'))
    const head = writer.frames[0]?.slice(0, writer.frames[0].indexOf('"delta":'))
    assert.match(
      head ?? '',
      /^data: \{"id":"[^"]+","object":"chat.completion.chunk","created":\d+,"model":"tiny \\"one\\"",/,
    )
    assert.equal(writer.frames[1], `${head}"delta":{"content":"hi"},"logprobs":null,"finish_reason":null}]}\n\n`)
    assert.equal(exchange.stream?.status, 200)
    assert.equal(exchange.stream?.headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.equal(exchange.stream?.pingFrame, ': keep-alive\n\n')
  })

  test('usage comes in a chunk of its own, to those that ask for it', () => {
    const { chunks, deltas, isDone } = stream(whole, true)
    const last = chunks.at(-1)
    assert.deepEqual(last?.choices, [])
    assert.deepEqual(last?.usage, {
      prompt_tokens: 352,
      completion_tokens: 57,
      total_tokens: 409,
      prompt_tokens_details: { cached_tokens: 340 },
      completion_tokens_details: { reasoning_tokens: 20 },
    })
    assert.ok(isDone)
    assert.equal(deltas.length, chunks.length - 1)
    assert.ok(stream(whole).chunks.every((chunk) => !('usage' in chunk)))
  })

  test('usage of a backend that counts at the start only', () => {
    const { chunks } = stream([start(), finish('end-turn', { usage: null })], true)
    assert.equal(chunks.at(-1)?.usage?.prompt_tokens, 352)
    assert.equal('completion_tokens_details' in (chunks.at(-1)?.usage ?? {}), false)
  })

  const reasons = {
    'end-turn': 'stop',
    'max-tokens': 'length',
    'stop-sequence': 'stop',
    'tool-call': 'tool_calls',
    'context-full': 'length',
    refusal: 'content_filter',
  } as const
  for (const [reason, expected] of Object.entries(reasons)) {
    test(`${reason} is ${expected}`, () => {
      const events = [start(), finish(reason as keyof typeof reasons)]
      assert.equal(assembleChunks(stream(events)).finishReason, expected)
    })
  }

  test('a stop sequence is named, as vLLM does', () => {
    const { chunks } = stream([start(), finish('stop-sequence', { stopSequence: 'END' })])
    assert.deepEqual(chunks.at(-1)?.choices, [
      { index: 0, delta: {}, logprobs: null, finish_reason: 'stop', stop_reason: 'END' },
    ])
  })

  test('why a model was stopped is told where nothing else is', () => {
    const silent = stream([start(), finish('refusal', { explanation: 'not this' })])
    assert.deepEqual(silent.deltas.at(1), { refusal: 'not this' })
    const spoken = stream([start(), ...textBlock(0, 'I will not'), finish('refusal', { explanation: 'I will not' })])
    assert.equal(
      spoken.deltas.some((delta) => 'refusal' in delta),
      false,
    )
  })
})

describe('when it waits or fails', () => {
  test('a reply that waits too long commits itself with a comment', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { encoder, exchange, writer } = open()
    t.mock.timers.tick(commitAfterMs)
    assert.equal(exchange.stream?.status, 200)
    writeAll(encoder, start(), finish('end-turn'))
    assert.ok(writer.text.startsWith(': keep-alive\n\ndata: {'))
  })

  test('a failure before anything was sent has its own status', () => {
    const { encoder, exchange } = open()
    encoder.fail(queueFull)
    assert.equal(exchange.response?.status, 503)
    assert.equal(exchange.response?.headers['retry-after'], '3')
    assert.equal(exchange.stream, null)
  })

  test('a failure amid the stream is the last frame, and no ending is made up', () => {
    const { encoder, writer } = open(true)
    writeAll(encoder, start(), ...textBlock(0, 'one').slice(0, 2))
    encoder.fail(workerLost)
    writeAll(encoder, ...textBlock(0, 'late'), finish('end-turn'))
    const { deltas, isDone, error } = readChunks(writer.text)
    assert.deepEqual(deltas.at(-1), { content: 'one' })
    assert.equal(isDone, false)
    assert.deepEqual(error, { message: 'The worker was lost', type: 'server_error', param: null, code: null })
    assert.ok(writer.ended)
  })

  test('a client that has gone is told nothing', () => {
    const { encoder, writer } = open()
    encoder.write(start())
    const { length } = writer.frames
    encoder.fail(new HeadendError('client-gone', 'gone'))
    assert.equal(writer.frames.length, length)
  })
})

describe('a slow reader', () => {
  const delta = (text: string): StreamEvent => ({ type: 'block-delta', index: 0, text })

  /** In the middle of a call the socket becomes full. */
  function stalled(streamBufferBytes?: number) {
    const parts = open(false, streamBufferBytes)
    writeAll(parts.encoder, start(), ...callBlock(0, 'call_a', 'f', '{"a":"').slice(0, 2))
    parts.writer.writable = false
    parts.encoder.write(delta('fills'))
    parts.writer.frames.length = 0
    return parts
  }

  test('gets all pieces of the stall as one, once it reads again', async () => {
    const { encoder, writer } = stalled()
    for (const text of ['a', 'b', 'ç']) assert.equal(encoder.write(delta(text)), true)
    assert.deepEqual(writer.frames, [])
    assert.ok(encoder.congested)
    writer.wake()
    await encoder.drained()
    const [frame = ''] = writer.frames
    assert.deepEqual(readChunks(frame).deltas, [{ tool_calls: [{ index: 0, function: { arguments: 'abç' } }] }])
  })

  test('makes the producer wait only when the buffer is full', () => {
    const { encoder } = stalled(600)
    let accepted = 0
    while (encoder.write(delta('é'))) accepted += 1
    assert.ok(accepted > 50 && accepted < 300, `${accepted} pieces of two bytes`)
  })

  test('gets what is pending before the next call', () => {
    const { encoder, writer } = stalled()
    writeAll(encoder, delta('"}'), ...callBlock(1, 'call_b', 'g'))
    const calls = readChunks(writer.text).deltas.flatMap(({ tool_calls: pieces = [] }) => pieces)
    assert.deepEqual(
      calls.map(({ index, function: { arguments: json } }) => [index, json]),
      [
        [0, '"}'],
        [1, ''],
        [1, '{}'],
      ],
    )
  })
})

test('the bytes of an upstream begin the stream instead of events', () => {
  const { exchange, encoder, writer } = open()
  const { relay } = encoder
  assert.ok(relay.kind === 'stream')
  relay.begin({ 'x-upstream': 'yes' }).writeBytes(Buffer.from('data: {}\n\n'))
  assert.deepEqual(
    [encoder.started, exchange.stream?.headers['x-upstream'], writer.text],
    [true, 'yes', 'data: {}\n\n'],
  )
})
