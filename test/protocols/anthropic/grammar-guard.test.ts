import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { MessageBuilder } from '../../../src/protocols/anthropic/message-builder.ts'
import { StreamEncoder } from '../../../src/protocols/anthropic/stream-encoder.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { assertWholeStream, readSseEvents, type SseEvent } from '../../support/sse-events.ts'
import { legal, soup } from '../event-soup.ts'
import { start } from './stream-events.ts'

function stream(events: readonly StreamEvent[], isSlow: boolean): RecordingExchange {
  const exchange = new RecordingExchange()
  const options = { model: 'm', showsThinking: true }
  const encoder = new StreamEncoder(exchange, options, { commitAfterMs: 60_000, streamBufferBytes: 100 })
  exchange.writer.writable = !isSlow
  for (const item of events) encoder.write(item)
  encoder.fail(new HeadendError('worker-lost', 'lost'))
  return exchange
}

function masked(events: readonly SseEvent[]): unknown {
  return JSON.parse(JSON.stringify(events).replaceAll(/msg_\w{24}|req_\w{24}/g, 'ID'))
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
        const seen = readSseEvents(writer.text)
        if (expected.at(-1)?.type === 'finish') assertWholeStream(seen)
        else assert.equal(seen.at(-1)?.type, 'error')
        assert.deepEqual(masked(seen), masked(readSseEvents(stream(expected, isSlow).writer.text)))
      }),
      { numRuns: 3000 },
    )
  })

  test('a message holds what it would hold in the right order', () => {
    const build = (events: readonly StreamEvent[]): unknown => {
      const exchange = new RecordingExchange()
      const builder = new MessageBuilder(exchange, { model: 'm', showsThinking: true })
      for (const item of events) builder.write(item)
      return exchange.response && JSON.parse(exchange.response.body).content
    }
    // A second start begins the message anew, so there is one at most.
    const single = soup.map((events) => [start(), ...events.filter(({ type }) => type !== 'start')])
    fc.assert(
      fc.property(single, (events) => assert.deepEqual(build(events), build(legal(events)))),
      { numRuns: 3000 },
    )
  })
})
