import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { AnswerOptions } from '../../../src/backends/upstream/answer-options.ts'
import { ChunkDecoder } from '../../../src/backends/upstream/chunk-decoder.ts'
import { SseParser } from '../../../src/backends/upstream/sse-parser.ts'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent } from '../../../src/contract/events.ts'
import { createAnthropicProtocol } from '../../../src/protocols/anthropic/protocol.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'
import { assertWholeStream, readSseEvents } from '../../support/sse-events.ts'
import { answerOptions, assertLegal, chunk, piece } from './answers.ts'

interface Outcome {
  readonly events: readonly StreamEvent[]
  /** `null`: the stream ended well. */
  readonly failure: string | null
}

/** Made-up ids differ from run to run. */
function withoutIds(event: StreamEvent): StreamEvent {
  if (event.type !== 'block-start' || event.block.kind !== 'tool-call') return event
  return { ...event, block: { ...event.block, id: event.block.id.replace(/^toolu_\w{24}$/, 'MADE-UP') } }
}

function run(pieces: readonly Uint8Array[], options: AnswerOptions): Outcome {
  const events: StreamEvent[] = []
  const decoder = new ChunkDecoder((event) => events.push(withoutIds(event)), options)
  const parser = new SseParser((event, data) => decoder.push(event, data))
  try {
    for (const bytes of pieces) parser.push(bytes)
    parser.end()
    decoder.end()
    return { events, failure: null }
  } catch (error) {
    assert.ok(error instanceof HeadendError, String(error))
    return { events, failure: `${error.kind}: ${error.message}` }
  }
}

function cut(bytes: Uint8Array, cuts: readonly number[]): readonly Uint8Array[] {
  const at = [0, ...cuts.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

const word = fc.oneof(
  fc.constantFrom(
    'a',
    'Hello',
    ' ',
    '\n',
    '\n\n',
    '',
    'ç👋',
    '<think>',
    '</think>',
    '<th',
    'ink>',
    '```',
    'END',
    'E',
    'ND',
  ),
  fc.string({ unit: 'grapheme', maxLength: 5 }),
)
const json = fc.constantFrom(
  '{',
  '}',
  '{}',
  '{"x"',
  ':',
  '1',
  '"a',
  '"',
  ',',
  '{"x":1}',
  '',
  '\\',
  'none',
  ' ',
  '[',
  ']',
)
const callPiece = fc
  .tuple(
    fc.constantFrom(0, 0, 1, 2, null, undefined),
    fc.constantFrom(undefined, undefined, null, '', 'a', 'b', 'c.d'),
    fc.constantFrom(undefined, undefined, null, '', 'f', 'g', 'fg'),
    fc.oneof(json, fc.constantFrom(undefined, null, { x: 1 })),
  )
  .map(([index, id, name, input]) => piece(index, id, name, input))
const finish = fc.constantFrom(null, null, null, null, '', 'stop', 'length', 'tool_calls', 'content_filter', 'error')

const members: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  content: fc.oneof(word, fc.constantFrom(null, 1, [{ type: 'text', text: 'part' }])),
  reasoning_content: word,
  reasoning: word,
  refusal: fc.constantFrom('no', null),
  tool_calls: fc.oneof(fc.array(callPiece, { maxLength: 3 }), fc.constant(null)),
  function_call: fc.record({ name: fc.constantFrom('f', null), arguments: json }),
}
/** Seldom more than one member, as in the field. */
const delta = fc
  .array(
    fc.constantFrom(
      'content',
      'content',
      'content',
      'reasoning_content',
      'tool_calls',
      'tool_calls',
      ...Object.keys(members),
    ),
    { maxLength: 2 },
  )
  .chain((keys) => fc.record(Object.fromEntries(keys.map((key) => [key, members[key] ?? fc.constant(null)]))))
const usage = fc.constantFrom(null, { prompt_tokens: 7, completion_tokens: 3 }, { prompt_tokens: 0 }, 'x')

const chunkText = fc.oneof(
  {
    weight: 20,
    arbitrary: fc
      .tuple(delta, finish, usage)
      .map(([some, reason, counts]) => JSON.stringify(chunk(some, reason, { usage: counts }))),
  },
  { weight: 20, arbitrary: word.map((text) => JSON.stringify(chunk({ content: text }))) },
  { weight: 2, arbitrary: delta.map((message) => JSON.stringify({ choices: [{ message }] })) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('{"choices":[]}', '{}', '{"choices":[{"index":1,"delta":{"content":"x"}}]}'),
  },
  { weight: 1, arbitrary: fc.oneof(fc.json(), fc.constantFrom('{"error":{"message":"x"}}', '{"cho', '[DONE]')) },
)
const lineEnd = fc.constantFrom('\n', '\n', '\n', '\r\n', '\r')
const frame = fc.oneof(
  { weight: 20, arbitrary: fc.tuple(chunkText, lineEnd).map(([data, end]) => `data: ${data}${end}${end}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ': keepalive\n\n',
      'data:{}\n\n',
      'event: x\ndata: {}\n\n',
      'id: 1\n\n',
      'data: {\ndata: }\n\n',
    ),
  },
)
const ending = fc.constantFrom('data: [DONE]\n\n', 'data: [DONE]', '', `data: ${JSON.stringify(chunk({}, 'stop'))}\n\n`)
const streamText = fc.tuple(fc.array(frame, { maxLength: 25 }), ending).map(([frames, end]) => frames.join('') + end)
const streamBytes = streamText.map((text) => Buffer.from(text))

const options = fc
  .record({
    stopSequences: fc.constantFrom([], [], ['END'], ['ND', '\n\n']),
    parallelCalls: fc.constantFrom(true, true, false),
    discardsThinking: fc.constantFrom(false, false, true),
    thinkTags: fc.record({
      mode: fc.constantFrom('auto' as const, 'on' as const, 'off' as const),
      openInPrompt: fc.boolean(),
    }),
  })
  .map(answerOptions)
const cuts = fc.array(fc.nat(), { maxLength: 20 })

/** The arguments of each call that was closed. */
function inputsOf(events: readonly StreamEvent[]): readonly string[] {
  const inputs: string[] = []
  let open: string | null = null
  for (const event of events) {
    if (event.type === 'block-start') open = event.block.kind === 'tool-call' ? '' : null
    else if (event.type === 'block-delta' && open !== null) open += event.text
    else if (event.type === 'block-end' && open !== null) inputs.push(open)
  }
  return inputs
}

describe('any stream of chunks', () => {
  test('where reads end makes no difference', () => {
    fc.assert(
      fc.property(streamBytes, cuts, options, (bytes, where, some) => {
        assert.deepEqual(run(cut(bytes, where), some), run([bytes], some))
      }),
      { numRuns: 3000 },
    )
  })

  test('short cuts make no difference', () => {
    // White space that grows makes every chunk unlike the one before, so that each is parsed.
    const parsed = (bytes: Buffer): Buffer => {
      let spaces = ''
      const slow = bytes.toString().replaceAll(/^data: (?=\{)/gm, () => {
        spaces += ' '
        return `data: ${spaces}`
      })
      return Buffer.from(slow)
    }
    fc.assert(
      fc.property(streamBytes, options, (bytes, some) => {
        assert.deepEqual(run([bytes], some), run([parsed(bytes)], some))
      }),
      { numRuns: 3000 },
    )
  })

  test('becomes a legal answer, or fails', () => {
    fc.assert(
      fc.property(streamBytes, options, (bytes, some) => {
        const { events, failure } = run([bytes], some)
        assertLegal(events)
        assert.equal(events.at(-1)?.type === 'finish', failure === null)
      }),
      { numRuns: 3000 },
    )
  })

  test('the arguments of its calls are objects, unless a limit cut them', () => {
    fc.assert(
      fc.property(streamBytes, options, (bytes, some) => {
        const { events } = run([bytes], some)
        const last = events.at(-1)
        if (last?.type === 'finish' && (last.reason === 'max-tokens' || last.reason === 'refusal')) return
        for (const input of inputsOf(events))
          assert.equal(Object.prototype.toString.call(JSON.parse(input)), '[object Object]')
      }),
      { numRuns: 3000 },
    )
  })

  test('may be corrupted anywhere: the same for all cuts, and legal', () => {
    fc.assert(
      fc.property(
        streamBytes,
        fc.nat(),
        fc.uint8Array({ maxLength: 4 }),
        cuts,
        options,
        (bytes, place, noise, where, some) => {
          const corrupt = Buffer.from(bytes)
          corrupt.set(
            noise.subarray(0, corrupt.length),
            Math.min(place % (corrupt.length + 1), Math.max(0, corrupt.length - noise.length)),
          )
          const outcome = run([corrupt], some)
          assert.deepEqual(run(cut(corrupt, where), some), outcome)
          assertLegal(outcome.events)
        },
      ),
      { numRuns: 2000 },
    )
  })
})

describe('any stream of chunks, on the wire', () => {
  const protocol = createAnthropicProtocol({ strict: false, commitAfterMs: 60_000, streamBufferBytes: 1024 })
  const body = { model: 'm', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }] }

  function replyTo(stream: boolean) {
    const exchange = new RecordingExchange()
    const reply = protocol.openReply(
      exchange,
      protocol.parse(Buffer.from(JSON.stringify({ ...body, stream })), exchange),
    )
    return { exchange, reply }
  }

  test('streamed: the grammar of the Messages API, or an error event at its end', () => {
    fc.assert(
      fc.property(streamBytes, options, fc.boolean(), (bytes, some, isSlow) => {
        const { exchange, reply } = replyTo(true)
        exchange.writer.writable = !isSlow
        const { events, failure } = run([bytes], some)
        for (const event of events) reply.write(event)
        if (failure !== null) reply.fail(new HeadendError('upstream-failed', failure))
        if (exchange.response !== null) {
          assert.equal(exchange.response.status, 502)
          assert.deepEqual(events, [])
          return
        }
        const seen = readSseEvents(exchange.writer.text)
        if (failure === null) assertWholeStream(seen)
        else assert.equal(seen.at(-1)?.type, 'error')
        assert.equal(seen.filter(({ type }) => type === 'message_start').length, 1)
        assert.equal(exchange.writer.ended, true)
      }),
      { numRuns: 1000 },
    )
  })

  test('whole: the same blocks', () => {
    fc.assert(
      fc.property(streamBytes, options, (bytes, some) => {
        const { exchange, reply } = replyTo(false)
        const { events, failure } = run([bytes], some)
        for (const event of events) reply.write(event)
        if (failure !== null) reply.fail(new HeadendError('upstream-failed', failure))
        assert.equal(exchange.response?.status, failure === null ? 200 : 502)
        const content: readonly { type: string }[] = JSON.parse(exchange.response?.body ?? '').content ?? []
        const kinds = events.flatMap((event) => (event.type === 'block-start' ? [event.block.kind] : []))
        const expected = kinds.map((kind) => (kind === 'tool-call' ? 'tool_use' : kind))
        assert.deepEqual(
          content.map(({ type }) => type),
          failure === null ? expected : [],
        )
      }),
      { numRuns: 1000 },
    )
  })
})
