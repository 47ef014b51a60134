import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, type TestContext, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { StreamEncoder } from '../../../src/protocols/anthropic/stream-encoder.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { callBlock, finish, start, textBlock, thinkingBlock, usage } from './stream-events.ts'

const commitAfterMs = 10_000

function open(headers: Readonly<Record<string, string>> = {}, streamBufferBytes = 1024, showsThinking = true) {
  const exchange = new RecordingExchange(headers)
  const encoder = new StreamEncoder(exchange, { model: 'tiny', showsThinking }, { commitAfterMs, streamBufferBytes })
  return { exchange, encoder, writer: exchange.writer }
}

function writeAll(encoder: StreamEncoder, ...events: readonly StreamEvent[]): void {
  for (const event of events) encoder.write(event)
}

/** What was written, with the parts that differ from run to run replaced. */
function masked(text: string): string {
  return text.replace(/msg_[0-9A-Za-z]{24}/, 'MESSAGE_ID').replaceAll(/hd1\.[\w-]{43}/g, 'SIGNATURE')
}

function fixture(name: string): string {
  const file = readFileSync(new URL(`../../fixtures/anthropic/${name}.sse`, import.meta.url), 'utf8')
  return file.slice(file.indexOf('\n') + 1)
}

function stopReasonOf(text: string): unknown {
  return /"stop_reason":"(\w+)"/.exec(text)?.[1]
}

const workerLost = new HeadendError('worker-lost', 'The worker was lost')
const queueFull = new HeadendError('queue-full', 'The queue is full', { retryAfterSeconds: 3 })
const clientGone = new HeadendError('client-gone', 'gone')

describe('events to frames', () => {
  test('thinking, text and two calls', () => {
    const { encoder, exchange, writer } = open()
    const counts = { ...usage, cacheWriteTokens: { short: 5, long: 2 } }
    writeAll(
      encoder,
      start(counts),
      ...thinkingBlock(0, 'Let me', ' see.'),
      ...textBlock(1, 'Hel', 'lo "you" 👋\n'),
      ...callBlock(2, 'toolu_a', 'f', '{"a": 1', '}'),
      ...callBlock(3, 'toolu_b', 'now'),
      finish('tool-call', { usage: { ...counts, thinkingTokens: 20 } }),
    )
    assert.equal(masked(writer.text), fixture('thinking-text-tools'))
    assert.equal(writer.ended, true)
    assert.deepEqual(exchange.stream, {
      status: 200,
      headers: {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-cache',
        'x-accel-buffering': 'no',
      },
      pingFrame: 'event: ping\ndata: {"type":"ping"}\n\n',
    })
  })

  test('blocks that stay empty are never opened', () => {
    const { encoder, writer } = open()
    const end = finish('stop-sequence', { stopSequence: 'END' })
    writeAll(encoder, start(), ...thinkingBlock(0), ...textBlock(1, ''), ...textBlock(2, '', 'one', ''), end)
    assert.equal(masked(writer.text), fixture('stop-sequence'))
  })

  test('an empty answer', () => {
    const { encoder, writer } = open()
    writeAll(encoder, start(), finish('end-turn', { usage: null }))
    assert.equal(masked(writer.text), fixture('empty-answer'))
  })

  test('a refusal, from a backend that counts nothing', () => {
    const { encoder, writer } = open()
    writeAll(encoder, start(null), finish('refusal', { explanation: 'not this', usage: null }))
    assert.equal(masked(writer.text), fixture('refusal'))
  })

  test('the signature depends on the whole thought and on nothing else', () => {
    const signatureOf = (...pieces: readonly string[]): unknown => {
      const { encoder, writer } = open()
      writeAll(encoder, start(), ...thinkingBlock(0, ...pieces), finish('end-turn'))
      return /"signature":"(hd1\.[\w-]+)"/.exec(writer.text)?.[1]
    }
    assert.equal(signatureOf('a', 'b'), signatureOf('ab'))
    assert.notEqual(signatureOf('a'), signatureOf('b'))
  })

  test('a thought that is not shown is an empty block with the signature of the whole', () => {
    const { encoder, writer } = open({}, 1024, false)
    const shown = open()
    const events = [start(), ...thinkingBlock(0, 'Let me', ' see.'), ...textBlock(1, 'Hello'), finish('end-turn')]
    writeAll(encoder, ...events)
    writeAll(shown.encoder, ...events)
    const signature = /"signature":"(hd1\.[\w-]+)"/
    assert.equal(signature.exec(writer.text)?.[1], signature.exec(shown.writer.text)?.[1])
    const withoutText = shown.writer.text.replaceAll(/event: content_block_delta\ndata: .*"thinking_delta".*\n\n/g, '')
    assert.equal(masked(writer.text), masked(withoutText))
    assert.match(writer.text, /"content_block":\{"type":"thinking","thinking":"","signature":""\}/)
  })

  test('an empty thought that is not shown is no block', () => {
    const { encoder, writer } = open({}, 1024, false)
    writeAll(encoder, start(), ...thinkingBlock(0), ...textBlock(1, 'Hello'), finish('end-turn'))
    assert.equal(writer.text.includes('thinking'), false)
  })

  const full = 'model_context_window_exceeded'
  const versions: readonly (readonly [Readonly<Record<string, string>>, string])[] = [
    [{}, 'max_tokens'],
    [{ 'anthropic-version': '2023-06-01' }, 'max_tokens'],
    [{ 'anthropic-version': '2026-10-21' }, full],
    [{ 'anthropic-version': '2030-01-01' }, full],
    [{ 'anthropic-beta': 'other, model-context-window-exceeded-2025-08-26' }, full],
    [{ 'anthropic-version': '2023-06-01', 'anthropic-beta': 'other' }, 'max_tokens'],
  ]
  for (const [headers, expected] of versions) {
    test(`a full context for ${JSON.stringify(headers)}`, () => {
      const { encoder, writer } = open(headers)
      writeAll(encoder, start(), finish('context-full'))
      assert.equal(stopReasonOf(writer.text), expected)
    })
  }
})

describe('when bytes are sent', () => {
  function mockTimers(context: TestContext): (milliseconds: number) => void {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    return (milliseconds) => context.mock.timers.tick(milliseconds)
  }

  test('nothing before the first event', (context) => {
    const tick = mockTimers(context)
    const { encoder, exchange } = open()
    tick(commitAfterMs - 1)
    assert.equal(exchange.committed, false)
    assert.equal(encoder.started, false)
    encoder.write(start())
    assert.equal(encoder.started, true)
  })

  test('a reply that waits too long commits itself with a ping', (context) => {
    const tick = mockTimers(context)
    const { encoder, exchange, writer } = open()
    tick(commitAfterMs)
    assert.equal(exchange.stream?.status, 200)
    assert.equal(encoder.started, false)
    encoder.fail(queueFull)
    assert.equal(writer.text, fixture('failed-after-commit'))
    assert.equal(writer.ended, true)
  })

  test('a late start goes on in the stream that is open', (context) => {
    const tick = mockTimers(context)
    const { encoder, writer } = open()
    tick(commitAfterMs)
    writeAll(encoder, start(), finish('end-turn', { usage: null }))
    assert.equal(masked(writer.text), `event: ping\ndata: {"type":"ping"}\n\n${fixture('empty-answer')}`)
  })

  test('after the end, a failure, or the leaving of the client nothing is committed', (context) => {
    const tick = mockTimers(context)
    const ended = open()
    writeAll(ended.encoder, start(), finish('end-turn'))
    const { length } = ended.writer.frames
    const left = open()
    left.exchange.leave(clientGone)
    tick(commitAfterMs)
    assert.equal(ended.writer.frames.length, length)
    assert.equal(left.exchange.committed, false)
  })
})

describe('failures', () => {
  test('before anything was sent: JSON with its own status', () => {
    const { encoder, exchange } = open()
    encoder.fail(queueFull)
    assert.equal(exchange.response?.status, 529)
    assert.equal(exchange.response?.headers['retry-after'], '3')
    assert.equal(exchange.stream, null)
  })

  test('in the middle: an error event is the last one', () => {
    const { encoder, writer } = open()
    writeAll(encoder, start(), ...textBlock(0, 'one').slice(0, 2))
    encoder.fail(workerLost)
    writeAll(encoder, ...textBlock(0, 'late').slice(1), finish('end-turn'))
    assert.equal(masked(writer.text), fixture('failed-in-a-block'))
    assert.equal(writer.ended, true)
  })

  test('the text that a slow reader has not seen yet comes before the error', () => {
    const { encoder, writer } = open()
    writer.writable = false
    writeAll(encoder, start(), ...textBlock(0, 'one').slice(0, 2))
    encoder.fail(workerLost)
    assert.equal(masked(writer.text), fixture('failed-in-a-block'))
  })

  test('after the end: nothing', () => {
    const { encoder, writer } = open()
    writeAll(encoder, start(), finish('end-turn'))
    const { length } = writer.frames
    encoder.fail(workerLost)
    assert.equal(writer.frames.length, length)
  })

  test('a client that has gone is told nothing', () => {
    const early = open()
    early.encoder.fail(clientGone)
    assert.equal(early.exchange.committed, false)
    const late = open()
    late.encoder.write(start())
    const { length } = late.writer.frames
    late.encoder.fail(new HeadendError('reader-stalled', 'slow'))
    assert.equal(late.writer.frames.length, length)
  })
})

describe('a slow reader', () => {
  const delta = (text: string): StreamEvent => ({ type: 'block-delta', index: 0, text })

  /** In the middle of a text block the socket becomes full. */
  function stalled(streamBufferBytes?: number) {
    const parts = open({}, streamBufferBytes)
    writeAll(parts.encoder, start(), ...textBlock(0, 'opens').slice(0, 2))
    parts.writer.writable = false
    parts.encoder.write(delta('fills'))
    parts.writer.frames.length = 0
    return parts
  }

  function texts(frames: readonly string[]): unknown[] {
    return frames.flatMap((frame) => {
      const event = JSON.parse(frame.slice(frame.indexOf('data: ') + 6))
      return event.type === 'content_block_delta' ? [event.delta.text] : [event.type]
    })
  }

  test('gets all deltas of the stall as one, once it reads again', async () => {
    const { encoder, writer } = stalled()
    for (const text of ['a', 'b', 'ç']) assert.equal(encoder.write(delta(text)), true)
    assert.deepEqual(writer.frames, [])
    const drained = encoder.drained()
    writer.wake()
    await drained
    assert.deepEqual(texts(writer.frames), ['abç'])
    encoder.write(delta('d'))
    assert.deepEqual(texts(writer.frames), ['abç', 'd'])
  })

  test('gets the pending delta before the end of its block', () => {
    const { encoder, writer } = stalled()
    writeAll(encoder, delta('a'), delta('b'), { type: 'block-end', index: 0 })
    assert.deepEqual(texts(writer.frames), ['ab', 'content_block_stop'])
  })

  test('makes the producer wait only when the buffer is full', async () => {
    const { encoder, writer } = stalled(300)
    let accepted = 0
    while (encoder.write(delta('é'))) accepted += 1
    assert.ok(accepted > 50 && accepted < 150, `${accepted} deltas of two bytes`)
    let resumed = false
    const drained = encoder.drained().then(() => {
      resumed = true
    })
    await Promise.resolve()
    assert.equal(resumed, false)
    writer.wake()
    await drained
    assert.deepEqual(texts(writer.frames), ['é'.repeat(accepted + 1)])
    assert.equal(encoder.write(delta('x')), true)
  })

  test('frames that the full socket holds count, too', () => {
    const { encoder } = stalled(2000)
    encoder.write({ type: 'block-end', index: 0 })
    let blocks = 1
    while (textBlock(blocks, 'x'.repeat(100)).every((event) => encoder.write(event))) blocks += 1
    assert.ok(blocks < 20, `${blocks} blocks`)
  })

  test('who stalls again is waited for again', async () => {
    const { encoder, writer } = stalled(300)
    while (encoder.write(delta('a'.repeat(50))));
    const first = encoder.drained()
    writer.wake()
    await first
    writer.writable = false
    while (encoder.write(delta('b'.repeat(50))));
    const second = encoder.drained()
    writer.wake()
    await second
    assert.match(writer.frames.at(-1) ?? '', /b{50}/)
  })

  test('who leaves ends the wait with the reason', async () => {
    const { encoder, exchange } = stalled(1)
    assert.equal(encoder.write(delta('a')), false)
    const waiting = encoder.drained()
    exchange.leave(clientGone)
    await assert.rejects(waiting, clientGone)
    await assert.rejects(encoder.drained(), clientGone)
  })

  test('who leaves while nobody waits breaks nothing', async () => {
    const { encoder, exchange, writer } = stalled()
    exchange.leave(clientGone)
    await assert.rejects(writer.drained(), clientGone)
    encoder.fail(clientGone)
    assert.equal(writer.ended, false)
  })
})

describe('the bytes of an upstream instead of events', () => {
  test('begin the stream, with the upstream headers that are passed on', () => {
    const { exchange, encoder, writer } = open()
    assert.equal(encoder.relay.kind, 'stream')
    assert.equal(encoder.started, false)
    let startCount = 0
    encoder.onStarted = () => startCount++
    if (encoder.relay.kind !== 'stream') return
    encoder.relay.begin({ 'x-upstream': 'yes' }).writeBytes(Buffer.from('event: ping\n\n'))
    assert.deepEqual([encoder.started, startCount], [true, 1])
    assert.equal(exchange.stream?.headers['x-upstream'], 'yes')
    assert.equal(exchange.stream?.headers['content-type'], 'text/event-stream; charset=utf-8')
    assert.equal(writer.text, 'event: ping\n\n')
  })

  test('go on behind the pings of a reply that waited', (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { encoder, writer } = open()
    t.mock.timers.tick(commitAfterMs)
    assert.equal(encoder.relay.kind === 'stream' && encoder.relay.begin({}), writer)
    encoder.fail(workerLost)
    assert.match(writer.text, /event: error\n/)
    assert.equal(writer.ended, true)
  })
})
