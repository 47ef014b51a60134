import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { CompletionBuilder } from '../../../src/protocols/openai/completion-builder.ts'
import { StreamEncoder } from '../../../src/protocols/openai/stream-encoder.ts'
import { assembleChunks, readChunks } from '../../support/chat-chunks.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { start } from '../anthropic/stream-events.ts'
import { legal, soup } from '../event-soup.ts'

function stream(events: readonly StreamEvent[], isSlow: boolean): RecordingExchange {
  const exchange = new RecordingExchange()
  const options = { model: 'm', includesUsage: true }
  const encoder = new StreamEncoder(exchange, options, { commitAfterMs: 60_000, streamBufferBytes: 100 })
  exchange.writer.writable = !isSlow
  for (const item of events) encoder.write(item)
  encoder.fail(new HeadendError('worker-lost', 'lost'))
  return exchange
}

describe('events in any order', () => {
  test('a stream shows what it would show in the right order', () => {
    fc.assert(
      fc.property(soup, fc.boolean(), (events, isSlow) => {
        const expected = legal(events)
        const { writer, response } = stream(events, isSlow)
        if (expected.length === 0) {
          assert.equal(response?.status, 500)
          return
        }
        const read = readChunks(writer.text)
        const { deltas, isDone, error } = read
        const isWhole = expected.at(-1)?.type === 'finish'
        assert.deepEqual([isDone, error === null], [isWhole, isWhole])
        assert.deepEqual(deltas, readChunks(stream(expected, isSlow).writer.text).deltas)
        assert.equal(read.chunks.filter(({ choices }) => choices.length === 0).length, isWhole ? 1 : 0)
      }),
      { numRuns: 3000 },
    )
  })

  test('a completion and a stream say the same, and what both would say in the right order', () => {
    const build = (events: readonly StreamEvent[]) => {
      const exchange = new RecordingExchange()
      const builder = new CompletionBuilder(exchange, 'm')
      for (const item of events) builder.write(item)
      return exchange.response && JSON.parse(exchange.response.body).choices[0]
    }
    // A second start begins a completion anew, so there is one at most.
    const single = soup.map((events) => [start(), ...events.filter(({ type }) => type !== 'start')])
    fc.assert(
      fc.property(single, (events) => {
        const choice = build(events)
        assert.deepEqual(choice, build(legal(events)))
        if (choice === null) return
        const { deltas } = readChunks(stream(events, false).writer.text)
        assert.equal(deltas.map(({ content = '' }) => content).join(''), choice.message.content ?? '')
        assert.equal(
          deltas.map(({ reasoning_content: thought = '' }) => thought).join(''),
          choice.message.reasoning_content ?? '',
        )
        const opened = deltas.flatMap(({ tool_calls: pieces = [] }) => pieces).filter(({ id }) => id !== undefined)
        assert.equal(opened.length, choice.message.tool_calls?.length ?? 0)
      }),
      { numRuns: 3000 },
    )
  })
})

test('a stream in order keeps every rule', () => {
  const events: StreamEvent[] = [
    start(),
    { type: 'finish', reason: 'end-turn', stopSequence: null, explanation: null, usage: null },
  ]
  assert.equal(assembleChunks(readChunks(stream(events, false).writer.text)).finishReason, 'stop')
})
