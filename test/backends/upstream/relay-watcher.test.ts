import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RelayWatcher } from '../../../src/backends/upstream/relay-watcher.ts'
import { HeadendError } from '../../../src/contract/errors.ts'

const eventBytesMax = 4096

function watcher(model: string | null = null): RelayWatcher {
  return new RelayWatcher({ model, eventBytesMax })
}

function frame(data: { readonly type: string } & Readonly<Record<string, unknown>>): string {
  return `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`
}

const start = (model = 'theirs'): string =>
  frame({ type: 'message_start', message: { id: 'é', model, usage: { input_tokens: 12, output_tokens: 1 } } })
const ping = frame({ type: 'ping' })
const blockStart = frame({ type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } })
const delta = frame({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'hé 👋' } })
const blockStop = frame({ type: 'content_block_stop', index: 0 })
const messageDelta = frame({
  type: 'message_delta',
  delta: { stop_reason: 'stop_sequence', stop_sequence: '終' },
  usage: { output_tokens: 57, output_tokens_details: { thinking_tokens: 20 } },
})
const stop = frame({ type: 'message_stop' })
const ending = messageDelta + stop
const overloaded = frame({ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } })
const answer = [start(), ping, blockStart, delta, delta, blockStop, messageDelta, stop]

/** What was handed on by each push, as text; `null`: nothing. */
function pushAll(subject: RelayWatcher, pieces: readonly (string | Uint8Array)[]): (string | null)[] {
  return pieces.map((piece) => {
    const bytes = subject.push(Buffer.from(piece))
    return bytes === null ? null : Buffer.from(bytes).toString()
  })
}

function isKind(kind: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HeadendError && error.kind === kind && message.test(error.message)
}

describe('RelayWatcher', () => {
  it('hands on whole events as they came', () => {
    const subject = watcher()
    assert.deepEqual(pushAll(subject, answer), answer)
    assert.equal(subject.ended, true)
    assert.equal(subject.end(), null)
  })

  it('takes a single read with everything in it', () => {
    const subject = watcher()
    assert.deepEqual(pushAll(subject, [answer.join('')]), [answer.join('')])
    assert.equal(subject.ended, true)
  })

  it('holds an event until it is whole', () => {
    const subject = watcher()
    const cut = 30
    assert.deepEqual(pushAll(subject, [start(), blockStart + delta.slice(0, cut), delta.slice(cut, -1), `\n${ping}`]), [
      start(),
      blockStart,
      null,
      delta + ping,
    ])
  })

  it('adds up what the events say of tokens', () => {
    const subject = watcher()
    assert.equal(watcher().usage, null)
    subject.push(Buffer.from(start()))
    assert.deepEqual([subject.usage?.inputTokens, subject.usage?.outputTokens], [12, 1])
    pushAll(subject, [messageDelta])
    assert.deepEqual(subject.usage, {
      inputTokens: 12,
      cachedTokens: 0,
      outputTokens: 57,
      cacheWriteTokens: { short: 0, long: 0 },
      thinkingTokens: 20,
    })
  })

  it('knows when there is content', () => {
    for (const [first, expected] of [
      [ping, false],
      [': a comment\n\n', false],
      ['\n', false],
      [overloaded, false],
      ['event: content_block_start\n\n', false], // no data: clients do not see it
      [blockStop, false], // of no block: dropped
      [blockStart, true],
      [messageDelta, true],
      [frame({ type: 'something_new' }), true],
    ] as const) {
      const subject = watcher()
      pushAll(subject, [ping, start(), first])
      assert.equal(subject.hasContent, expected, first)
    }
  })

  it('does not take for content what comes before the start', () => {
    const subject = watcher()
    const news = frame({ type: 'something_new' })
    assert.deepEqual(pushAll(subject, [news]), [news])
    assert.equal(subject.hasContent, false)
  })

  it('explains an error event, and drops what follows it', () => {
    const subject = watcher()
    assert.deepEqual(pushAll(subject, [start() + overloaded + ping, ping]), [start() + overloaded, null])
    assert.equal(subject.failure?.kind, 'upstream-overloaded')
    assert.equal(subject.failure?.message, 'Overloaded')
    assert.equal(subject.end(), null)
  })

  it('explains error events of other shapes', () => {
    for (const [text, kind] of [
      ['event: error\ndata: out of memory\n\n', 'upstream-failed'],
      ['data: {"error":{"type":"rate_limit_error","message":"slow"}}\n\n', 'upstream-limited'],
      ['event: error\ndata: {"type":"overloaded_error","message":"x"}\n\n', 'upstream-overloaded'],
    ] as const) {
      const subject = watcher()
      pushAll(subject, [text])
      assert.equal(subject.failure?.kind, kind, text)
    }
  })

  it('drops what stands behind the end', () => {
    const subject = watcher()
    assert.deepEqual(pushAll(subject, [start() + ending + ping, 'data: [DONE]\n\n']), [start() + ending, null])
  })

  it('reads events without a name by their data', () => {
    const subject = watcher('ours')
    const nameless = (text: string): string => text.replace(/^event: .*\n/gm, '')
    const pieces = [start(), blockStart, delta, delta, blockStop, messageDelta, stop].map(nameless)
    assert.deepEqual(pushAll(subject, pieces), [nameless(start('ours')), ...pieces.slice(1)])
    assert.deepEqual([subject.ended, subject.usage?.outputTokens], [true, 57])
  })

  it('reads the first event behind a byte order mark', () => {
    const subject = watcher()
    const first = `\uFEFF${start().replace(/^event: .*\n/, '')}`
    assert.deepEqual(pushAll(subject, [first, ending]), [first, ending])
    assert.equal(subject.ended, true)
  })

  it('lets the last name of an event hold', () => {
    const subject = watcher()
    pushAll(subject, [start(), messageDelta, 'event: content_block_delta\nevent: message_stop\ndata: {}\n\n'])
    assert.equal(subject.ended, true)
    const mixed = watcher()
    pushAll(mixed, [start(), messageDelta, 'event: content_block_delta\r\ndata: {}\nevent: message_stop\r\n\r\n'])
    assert.equal(mixed.ended, true)
  })

  it('passes over what clients pass over', () => {
    const subject = watcher()
    const noise = 'data: [DONE]\n\nretry: 3\n\nid\n\ndata: {"no":"type"}\n\n'
    assert.deepEqual(pushAll(subject, [start(), noise, ending]), [start(), noise, ending])
    assert.equal(subject.ended, true)
  })

  it('refuses a stream that does not begin as one', () => {
    for (const text of [delta, blockStart, messageDelta, stop, 'data: {"choices":[]}\n\n', 'data: [DONE]\n\n']) {
      assert.throws(() => watcher().push(Buffer.from(text)), isKind('upstream-malformed', /does not begin/), text)
    }
  })

  it('refuses data that is no object where it must be read', () => {
    for (const [name, before] of [
      ['message_start', ''],
      ['content_block_start', start()],
      ['content_block_delta', start() + blockStart],
      ['content_block_stop', start() + blockStart],
      ['message_delta', start()],
      ['message_stop', start() + messageDelta],
    ] as const) {
      const subject = watcher()
      pushAll(subject, [before])
      const text = `event: ${name}\ndata: {"type"\n\n`
      assert.throws(() => subject.push(Buffer.from(text)), isKind('upstream-malformed', new RegExp(name)))
    }
  })

  it('bounds what it holds', () => {
    const subject = watcher()
    pushAll(subject, [start(), 'data: '.padEnd(eventBytesMax, 'x')])
    assert.throws(() => subject.push(Buffer.from('x')), isKind('upstream-malformed', /more than 4096 bytes/))
  })

  it('does not keep the read that an event began in', () => {
    const subject = watcher()
    const read = Buffer.from(start() + blockStart + delta.slice(0, 60))
    subject.push(read)
    read.fill(0)
    assert.deepEqual(pushAll(subject, [delta.slice(60)]), [delta])
  })
})

describe('the name of the model', () => {
  it('is what the client asked for', () => {
    const subject = watcher('ours')
    assert.deepEqual(pushAll(subject, [ping + start('theirs') + blockStart]), [ping + start('ours') + blockStart])
  })

  it('is put into a start that came in pieces', () => {
    const subject = watcher('ours')
    const text = start('theirs')
    assert.deepEqual(pushAll(subject, [text.slice(0, 40), text.slice(40) + ping]), [null, start('ours') + ping])
  })

  it('is put into data of several lines, too', () => {
    for (const lines of [
      ['{"type":"message_start",', '"message":{"model":"theirs"}}'],
      ['{"type":"message_start","message":', '{"model":"theirs"}}'],
      ['{"type":"message_start","message":{"model":', '"theirs"}}'],
    ]) {
      const bytes = watcher('ours').push(
        Buffer.from(`event: message_start\n${lines.map((line) => `data: ${line}\n`).join('')}\n`),
      )
      const data = JSON.stringify({ type: 'message_start', message: { model: 'ours' } })
      assert.equal(String(bytes), `event: message_start\ndata: ${data}\n\n`)
    }
  })

  it('is left alone where it is missing', () => {
    const text = frame({ type: 'message_start', message: {} })
    assert.deepEqual(pushAll(watcher('ours'), [text]), [text])
  })
})

describe('the end of the body', () => {
  it('completes a last event without its blank line', () => {
    for (const missing of [1, 2]) {
      const subject = watcher()
      pushAll(subject, [start() + messageDelta, stop.slice(0, -missing)])
      assert.equal(String(subject.end()).trimEnd(), stop.trimEnd())
      assert.equal(subject.ended, true)
    }
  })

  it('is too early without message_stop', () => {
    for (const pieces of [
      [],
      [start()],
      [start() + blockStart + delta + messageDelta],
      [start() + messageDelta, stop.slice(0, -5)],
      [start() + blockStart, delta.slice(0, 40)],
      [start(), stop.slice(0, -1)],
    ]) {
      const subject = watcher()
      pushAll(subject, pieces)
      assert.throws(() => subject.end(), isKind('upstream-failed', /^upstream closed the stream early$/))
    }
  })
})

const fixtures = join(import.meta.dirname, '../../fixtures/anthropic')
const transcripts = readdirSync(fixtures).map((name) => readFileSync(join(fixtures, name), 'utf8'))
const lineEnds = fc.constantFrom('\n', '\r\n', '\r')
const extras = fc.constantFrom('', ': keep-alive\n\n', ping, '\n', frame({ type: 'new_event', text: 'é' }))

/** Cut at these places, counted in bytes. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

interface Outcome {
  readonly text: string
  readonly state: readonly unknown[]
}

function relay(pieces: readonly Uint8Array[], model: string | null): Outcome {
  const subject = watcher(model)
  let text = ''
  for (const piece of pieces) {
    const bytes = subject.push(piece)
    if (bytes === null) continue
    assert.ok(bytes.length > 0)
    text += Buffer.from(bytes).toString()
    assert.match(text, /(\n\n|\r\n\r\n|\r\r\n?|^[\r\n]+|[\r\n])$/, 'events are whole')
  }
  const last = subject.end()
  if (last !== null) text += Buffer.from(last).toString()
  return { text, state: [subject.ended, subject.hasContent, subject.usage, subject.failure?.message] }
}

describe('any transcript, cut anywhere', () => {
  const arbitrary = fc.record({
    transcript: fc.constantFrom(...transcripts, answer.join('')),
    lineEnd: lineEnds,
    extra: extras,
    hasMark: fc.boolean(),
    places: fc.array(fc.nat(20_000), { maxLength: 12 }),
  })

  function streamOf(transcript: string, extra: string, lineEnd: string, hasMark: boolean): string {
    const events = transcript.split('\n\n').filter((text) => text !== '')
    const text = events.map((event) => `${event}\n\n`).join(extra)
    return (hasMark ? '\uFEFF' : '') + text.replaceAll('\n', lineEnd)
  }

  it('is handed on unchanged, and understood in the same way', () => {
    fc.assert(
      fc.property(arbitrary, ({ transcript, lineEnd, extra, hasMark, places }) => {
        const input = streamOf(transcript, extra, lineEnd, hasMark)
        const whole = relay([Buffer.from(input)], null)
        const pieces = relay(cut(Buffer.from(input), places), null)
        // The LF of a CR LF at the very end may be cut off from it, and is then behind the end.
        assert.equal(pieces.text.trimEnd(), input.trimEnd())
        assert.equal(whole.text, input)
        assert.deepEqual(pieces.state, whole.state)
        assert.deepEqual(whole.state, relay([Buffer.from(streamOf(transcript, extra, '\n', false))], null).state)
      }),
      { numRuns: 300 },
    )
  })

  it('is handed on but for the name of the model', () => {
    fc.assert(
      fc.property(arbitrary, ({ transcript, lineEnd, extra, hasMark, places }) => {
        const input = streamOf(transcript, extra, lineEnd, hasMark)
        const { text } = relay(cut(Buffer.from(input), places), 'ours "é"')
        const expected = input.replace(/"model":"(tiny|theirs)"/, `"model":${JSON.stringify('ours "é"')}`)
        assert.equal(text.trimEnd(), expected.trimEnd())
      }),
      { numRuns: 200 },
    )
  })

  it('byte by byte, too', () => {
    for (const transcript of transcripts) {
      for (const lineEnd of ['\n', '\r\n', '\r']) {
        const bytes = Buffer.from(transcript.replaceAll('\n', lineEnd))
        const pieces = relay(cut(bytes, [...bytes.keys()]), null)
        const whole = relay([bytes], null)
        assert.deepEqual([pieces.text.trimEnd(), pieces.state], [whole.text.trimEnd(), whole.state])
      }
    }
  })
})

interface Told {
  /** Where events end. */
  readonly ends: ReadonlySet<number>
  /** Names of the events that have data. */
  readonly names: readonly string[]
}

/** Line by line, as the standard has it. */
function readSlowly(text: string): Told {
  const ends = new Set<number>()
  const names: string[] = []
  let name = ''
  let hasData = false
  for (const { index, 0: whole, 1: content = '' } of text.matchAll(/([^\r\n]*)(?:\r\n|\n|\r)/g)) {
    if (content.startsWith('event')) name = content.slice('event: '.length)
    hasData ||= content.startsWith('data:')
    if (content !== '') continue
    ends.add(index + whole.length)
    if (whole === '\r\n') ends.add(index + 1) // its LF may come later
    if (hasData) names.push(name)
    name = ''
    hasData = false
  }
  return { ends, names }
}

const line = fc.constantFrom(
  ...['', '', '', 'event: content_block_delta', 'event: content_block_delta', 'event: ping', 'event: error'],
  ...[
    'data: {"type":"content_block_delta","index":0,"delta":{}}',
    'data: {"type":"content_block_delta","index":0,"delta":{}}',
    'data: {"a":',
    'data: 1}',
    'data: x',
  ],
  ...[': comment', 'id: 1', 'event'],
)
const lines = fc.array(fc.tuple(line, fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, lineEnds)), {
  maxLength: 30,
})

describe('any lines with any ends, cut anywhere', () => {
  it('are events as the standard has them', () => {
    fc.assert(
      fc.property(lines, lineEnds, fc.array(fc.nat(2000), { maxLength: 6 }), (written, usual, places) => {
        const text = written.map(([content, lineEnd]) => content + (lineEnd ?? usual)).join('')
        const { ends, names } = readSlowly(text)
        const subject = watcher()
        subject.push(Buffer.from(start() + blockStart))
        let length = 0
        try {
          for (const piece of cut(Buffer.from(text), places)) {
            const bytes = subject.push(piece)
            if (bytes === null) continue
            length += bytes.length
            assert.ok(ends.has(length), `${length} is no end of an event in ${JSON.stringify(text)}`)
          }
        } catch (error) {
          assert.ok(error instanceof HeadendError, error as Error)
          return // an event whose data had to be read and could not
        }
        const failed = names.includes('error')
        assert.equal(subject.failure !== null, failed)
        if (!failed) assert.equal(length, Math.max(0, ...ends))
      }),
      { numRuns: 1500 },
    )
  })
})
