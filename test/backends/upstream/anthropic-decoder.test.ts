import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { decodeAnthropicAnswer } from '../../../src/backends/upstream/anthropic-answer.ts'
import { AnthropicDecoder } from '../../../src/backends/upstream/anthropic-decoder.ts'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { StreamEvent, Usage } from '../../../src/contract/events.ts'

type Wire = { readonly type: string } & Readonly<Record<string, unknown>>

const options = { promptTokens: 100, discardsThinking: false }

function decode(wires: readonly Wire[], overrides: Partial<typeof options> = {}): StreamEvent[] {
  const events: StreamEvent[] = []
  const decoder = new AnthropicDecoder((event) => events.push(event), { ...options, ...overrides })
  for (const wire of wires) decoder.push(wire.type, JSON.stringify(wire))
  decoder.end()
  return events
}

const start: Wire = {
  type: 'message_start',
  message: { usage: { input_tokens: 12, cache_read_input_tokens: 3, output_tokens: 1 } },
}
const end = (stop_reason: string | null, more: object = {}, usage: unknown = { output_tokens: 57 }): Wire[] => [
  { type: 'message_delta', delta: { stop_reason, stop_sequence: null, ...more }, usage },
  { type: 'message_stop' },
]
const blockStart = (index: number, content_block: object): Wire => ({
  type: 'content_block_start',
  index,
  content_block,
})
const textStart = (index: number): Wire => blockStart(index, { type: 'text', text: '' })
const callStart = (index: number, more: object = {}): Wire =>
  blockStart(index, { type: 'tool_use', id: 'toolu_a', name: 'f', input: {}, ...more })
const delta = (index: number, more: object): Wire => ({ type: 'content_block_delta', index, delta: more })
const text = (index: number, value: string): Wire => delta(index, { type: 'text_delta', text: value })
const thought = (index: number, value: string): Wire => delta(index, { type: 'thinking_delta', thinking: value })
const json = (index: number, value: string): Wire => delta(index, { type: 'input_json_delta', partial_json: value })
const blockStop = (index: number): Wire => ({ type: 'content_block_stop', index })

/** Events as short words: `[text`, its deltas, `]`. */
function outline(events: readonly StreamEvent[]): string[] {
  return events.map((event) => {
    switch (event.type) {
      case 'start':
        return 'start'
      case 'block-start':
        return event.block.kind === 'tool-call' ? `[${event.block.id} ${event.block.name}` : `[${event.block.kind}`
      case 'block-delta':
        return event.text
      case 'block-end':
        return ']'
      case 'finish':
        return event.reason
      default:
        return event satisfies never
    }
  })
}

function outlineOf(wires: readonly Wire[], overrides: Partial<typeof options> = {}): string[] {
  return outline(decode([start, ...wires], overrides))
}

function usageOf(wires: readonly Wire[]): { readonly first: Usage | null; readonly last: Usage | null } {
  const events = decode(wires)
  const [first, last] = [events[0], events.at(-1)]
  assert.ok(first?.type === 'start' && last?.type === 'finish')
  return { first: first.usage, last: last.usage }
}

function isKind(kind: string, message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HeadendError && error.kind === kind && message.test(error.message)
}

/** The data lines of a recorded stream. */
function transcript(name: string): Wire[] {
  const path = join(import.meta.dirname, '../../fixtures/anthropic', `${name}.sse`)
  const lines = readFileSync(path, 'utf8').split('\n')
  return lines.flatMap((line) => (line.startsWith('data: ') ? (JSON.parse(line.slice(6)) as Wire) : []))
}

/** Throws unless the order is the one that `events.ts` promises. */
function assertLegal(events: readonly StreamEvent[]): void {
  const letters = { start: 's', 'block-start': '[', 'block-delta': '.', 'block-end': ']', finish: 'f' } as const
  assert.match(events.map(({ type }) => letters[type]).join(''), /^(s(\[\.*\])*(\[\.*)?f?)?$/)
  let index = -1
  for (const event of events) {
    if (event.type === 'block-start') index++
    if ('index' in event) assert.equal(event.index, index)
  }
}

describe('AnthropicDecoder', () => {
  it('reads a stream with a bit of everything', () => {
    const events = decode(transcript('thinking-text-tools'))
    assertLegal(events)
    assert.deepEqual(outline(events), [
      ...['start', '[thinking', 'Let me', ' see.', ']', '[text', 'Hel', 'lo "you" 👋\n', ']'],
      ...['[toolu_a f', '{"a": 1', '}', ']', '[toolu_b now', '{}', ']', 'tool-call'],
    ])
    assert.deepEqual(events.at(-1), {
      type: 'finish',
      reason: 'tool-call',
      stopSequence: null,
      explanation: null,
      usage: {
        inputTokens: 12,
        cachedTokens: 340,
        outputTokens: 57,
        cacheWriteTokens: { short: 5, long: 2 },
        thinkingTokens: 20,
      },
    })
  })

  it('tells which stop sequence it was, and why it was refused', () => {
    const stopped = decode(transcript('stop-sequence')).at(-1)
    assert.ok(stopped?.type === 'finish')
    assert.deepEqual([stopped.reason, stopped.stopSequence, stopped.explanation], ['stop-sequence', 'END', null])
    const refused = decode(transcript('refusal')).at(-1)
    assert.ok(refused?.type === 'finish')
    assert.deepEqual([refused.reason, refused.stopSequence, refused.explanation], ['refusal', null, 'not this'])
  })

  it('tells no stop sequence that ended nothing', () => {
    const last = decode([start, ...end('max_tokens', { stop_sequence: 'END', stop_details: { explanation: 'x' } })]).at(
      -1,
    )
    assert.ok(last?.type === 'finish')
    assert.deepEqual([last.stopSequence, last.explanation], [null, null])
  })

  it('writes nothing before the first content', () => {
    const events: StreamEvent[] = []
    const decoder = new AnthropicDecoder((event) => events.push(event), options)
    for (const wire of [start, { type: 'ping' }, textStart(0), text(0, ''), blockStop(0), textStart(1)]) {
      decoder.push(wire.type, JSON.stringify(wire))
    }
    assert.deepEqual(events, [])
    decoder.push('content_block_delta', JSON.stringify(text(1, 'a')))
    assert.deepEqual(outline(events), ['start', '[text', 'a'])
  })

  it('finishes an empty answer', () => {
    assert.deepEqual(outline(decode(transcript('empty-answer'))), ['start', 'end-turn'])
  })

  it('leaves out thoughts that are not wanted', () => {
    const thinking = [blockStart(0, { type: 'thinking', thinking: '' }), thought(0, 'hm'), blockStop(0)]
    const wires = [...thinking, textStart(1), text(1, 'a'), blockStop(1), ...end('end_turn')]
    assert.deepEqual(outlineOf(wires), ['start', '[thinking', 'hm', ']', '[text', 'a', ']', 'end-turn'])
    assert.deepEqual(outlineOf(wires, { discardsThinking: true }), ['start', '[text', 'a', ']', 'end-turn'])
  })

  it('passes over what is about tools of the hosted service, signatures and citations', () => {
    const wires = [
      blockStart(0, { type: 'server_tool_use', id: 's', name: 'web_search', input: {} }),
      json(0, '{"query"'),
      delta(0, { type: 'some_delta' }),
      blockStop(0),
      blockStart(1, { type: 'web_search_tool_result', content: [] }),
      blockStop(1),
      blockStart(2, { type: 'redacted_thinking', data: 'x' }),
      blockStop(2),
      textStart(3),
      text(3, 'a'),
      delta(3, { type: 'citations_delta', citation: {} }),
      delta(3, { type: 'signature_delta', signature: 'x' }),
      text(3, 'b'),
      blockStop(3),
      { type: 'something_new' },
      ...end('pause_turn'),
    ]
    assert.deepEqual(outlineOf(wires), ['start', '[text', 'a', 'b', ']', 'end-turn'])
  })

  it('takes what a server writes into the start of a block', () => {
    const wires = [
      blockStart(0, { type: 'text', text: 'a' }),
      text(0, 'b'),
      blockStop(0),
      callStart(1, { input: { x: 1 } }),
      blockStop(1),
      callStart(2, { id: 'b', input: { ignored: true } }),
      json(2, '{"y":2}'),
      blockStop(2),
      ...end('tool_use'),
    ]
    const calls = ['[toolu_a f', '{"x":1}', ']', '[b f', '{"y":2}', ']']
    assert.deepEqual(outlineOf(wires), ['start', '[text', 'a', 'b', ']', ...calls, 'tool-call'])
  })

  it('reads events without a name, and those that are not JSON not at all', () => {
    const events: StreamEvent[] = []
    const decoder = new AnthropicDecoder((event) => events.push(event), options)
    for (const wire of [start, textStart(0), text(0, 'a'), ...end('end_turn')]) decoder.push('', JSON.stringify(wire))
    decoder.push('', '[DONE]')
    assert.deepEqual(outline(events), ['start', '[text', 'a', ']', 'end-turn'])
    assert.equal(decoder.done, true)
  })

  it('reads nothing behind the end', () => {
    assert.deepEqual(outlineOf([...end('end_turn'), textStart(0), text(0, 'a')]), ['start', 'end-turn'])
  })

  for (const [stop, reason] of [
    ['end_turn', 'end-turn'],
    ['max_tokens', 'max-tokens'],
    ['stop_sequence', 'stop-sequence'],
    ['tool_use', 'tool-call'],
    ['refusal', 'refusal'],
    ['pause_turn', 'end-turn'],
    ['model_context_window_exceeded', 'context-full'],
    ['whatever', 'end-turn'],
    [null, 'end-turn'],
  ] as const) {
    it(`calls ${stop} ${reason}`, () => assert.deepEqual(outlineOf(end(stop)), ['start', reason]))
  }

  it('lets no later event take back the reason', () => {
    const wires = [...end('max_tokens').slice(0, 1), ...end(null)]
    assert.deepEqual(outlineOf(wires), ['start', 'max-tokens'])
  })

  it('does not believe an end of turn behind a call', () => {
    assert.equal(outlineOf([callStart(0), json(0, '{}'), blockStop(0), ...end('end_turn')]).at(-1), 'tool-call')
  })
})

describe('the input of a call', () => {
  const call = (pieces: readonly string[], stop: string): string[] =>
    outlineOf([callStart(0), ...pieces.map((piece) => json(0, piece)), blockStop(0), ...end(stop)]).slice(2, -1)

  it('is an object where there is none', () => assert.deepEqual(call([], 'tool_use'), ['{}', ']']))
  it('passes as it comes', () => assert.deepEqual(call(['', '{"a"', ': 1}'], 'tool_use'), ['{', '"a": 1}', ']']))
  it('is completed unless the answer was cut', () => {
    assert.deepEqual(call(['{"a": "x'], 'tool_use'), ['{"a": "x', '"}', ']'])
    assert.deepEqual(call(['{"a": "x'], 'max_tokens'), ['{"a": "x', ']'])
    assert.deepEqual(call(['{"a": "x'], 'model_context_window_exceeded'), ['{"a": "x', ']'])
  })
  it('ends where it stops being JSON', () => {
    assert.deepEqual(call(['{"a": 1 // no', ' more}'], 'max_tokens'), ['{"a": 1 ', '}', ']'])
    assert.deepEqual(call(['{"a": 1} and more'], 'tool_use'), ['{"a": 1}', ']'])
  })

  it('ends there even where its block does not', () => {
    const wires = [callStart(0), json(0, '{"a": 1 // no'), ...end('max_tokens')]
    assert.deepEqual(outlineOf(wires).slice(2), ['{"a": 1 ', '}', ']', 'max-tokens'])
  })

  it('is what deltas say, not what stands at its start', () => {
    const wires = [callStart(0, { input: { x: 1 } }), json(0, '{"y":"a'), blockStop(0), ...end('tool_use')]
    assert.deepEqual(outlineOf(wires).slice(2), ['{"y":"a', '"}', ']', 'tool-call'])
  })

  it('is completed when another block begins', () => {
    const wires = [callStart(0), json(0, '{"a": [1'), blockStop(0), textStart(1), text(1, 'b'), ...end('max_tokens')]
    assert.deepEqual(outlineOf(wires).slice(2), ['{"a": [1', ']}', ']', '[text', 'b', ']', 'max-tokens'])
  })

  it('has an id that every protocol takes, and of its own', () => {
    const wires = ['call.1:2', 'call_1_2', '', 'call_1_2'].flatMap((id, index) => [
      callStart(index, { id }),
      blockStop(index),
    ])
    const [first, ...others] = outlineOf([...wires, ...end('tool_use')]).filter((word) => word.startsWith('['))
    assert.equal(first, '[call_1_2 f')
    for (const other of others) assert.match(other, /^\[toolu_[0-9A-Za-z]{24} f$/)
    assert.equal(new Set(others).size, 3)
  })

  it('belongs to a name', () => {
    assert.throws(() => outlineOf([callStart(0, { name: '' })]), isKind('upstream-malformed', /without a name/))
  })

  it('may be nested deeper than the stack', () => {
    const deep = `${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`
    const block = `{"type":"tool_use","id":"a","name":"f","input":${deep}}`
    const decoder = new AnthropicDecoder(() => {}, options)
    const event = `{"type":"content_block_start","index":0,"content_block":${block}}`
    assert.throws(() => decoder.push('content_block_start', event), isKind('upstream-malformed', /too deeply/))
  })
})

describe('blocks out of order', () => {
  it('are closed by the next one', () => {
    const wires = [
      textStart(0),
      text(0, 'a'),
      textStart(1),
      text(1, 'b'),
      blockStop(0),
      text(1, 'c'),
      ...end('end_turn'),
    ]
    assert.deepEqual(outlineOf(wires), ['start', '[text', 'a', ']', '[text', 'b', 'c', ']', 'end-turn'])
  })

  it('may have any numbers, or none', () => {
    const wires = [
      textStart(7),
      text(7, 'a'),
      blockStop(7),
      textStart(2),
      text(2, 'b'),
      blockStop(2),
      ...end('end_turn'),
    ]
    const expected = ['start', '[text', 'a', ']', '[text', 'b', ']', 'end-turn']
    assert.deepEqual(outlineOf(wires), expected)
    assert.deepEqual(outlineOf(wires.map(({ index: _, ...wire }) => wire as unknown as Wire)), expected)
  })

  it('lose no delta without a word', () => {
    for (const wires of [
      [text(0, 'a')],
      [textStart(0), text(1, 'a')],
      [textStart(0), blockStop(0), text(0, 'a')],
      [textStart(0), text(0, 'a'), textStart(1), text(0, 'b')],
      [textStart(0), thought(0, 'a')],
      [textStart(0), json(0, '{}')],
      [callStart(0), text(0, 'a')],
      [callStart(0), json(0, '{'), blockStop(0), json(0, '}')],
    ]) {
      assert.throws(() => outlineOf(wires), isKind('upstream-malformed', /that is not open/))
    }
  })
})

describe('usage', () => {
  it('is estimated where the upstream does not count', () => {
    const { first, last } = usageOf([textStart(0), text(0, 'ten bytes!'), ...end('end_turn', {}, null)])
    const none = { cachedTokens: 0, cacheWriteTokens: { short: 0, long: 0 }, thinkingTokens: null }
    assert.deepEqual(first, { inputTokens: 100, outputTokens: 0, ...none })
    assert.deepEqual(last, { inputTokens: 100, outputTokens: 3, ...none })
  })

  it('is what the upstream said so far', () => {
    const { first, last } = usageOf([start, textStart(0), text(0, 'a'), ...end('end_turn')])
    assert.deepEqual([first?.inputTokens, first?.cachedTokens, first?.outputTokens], [12, 3, 1])
    assert.deepEqual([last?.inputTokens, last?.cachedTokens, last?.outputTokens], [12, 3, 57])
  })

  it('may be counted at the end only', () => {
    const zeros = { type: 'message_start', message: { usage: { input_tokens: 0, output_tokens: 0 } } }
    const { first, last } = usageOf([zeros, ...end('end_turn', {}, { input_tokens: 40, output_tokens: 5 })])
    assert.deepEqual([first?.inputTokens, last?.inputTokens], [40, 40])
    const text0 = [textStart(0), text(0, 'a')]
    assert.equal(usageOf([zeros, ...text0, ...end('end_turn', {}, { output_tokens: 5 })]).last?.inputTokens, 100)
  })

  it('keeps the prompt that was counted when the end has zeros', () => {
    const usage = { input_tokens: 0, cache_read_input_tokens: 0, output_tokens: 5 }
    assert.equal(usageOf([start, ...end('end_turn', {}, usage)]).last?.inputTokens, 12)
  })

  it('takes the sum of cache writes for short ones unless it is split', () => {
    const message = (usage: object): Wire => ({ type: 'message_start', message: { usage } })
    const split = {
      cache_creation_input_tokens: 7,
      cache_creation: { ephemeral_5m_input_tokens: 5, ephemeral_1h_input_tokens: 2 },
    }
    const sum = { cache_creation_input_tokens: 7, output_tokens: 1 }
    assert.deepEqual(usageOf([message(sum), ...end('end_turn')]).last?.cacheWriteTokens, { short: 7, long: 0 })
    assert.deepEqual(usageOf([message(split), ...end('end_turn', {}, sum)]).last?.cacheWriteTokens, {
      short: 5,
      long: 2,
    })
  })

  it('believes whole numbers only', () => {
    const usage = { input_tokens: -1, output_tokens: '7', cache_read_input_tokens: 1.5, output_tokens_details: 3 }
    const { last } = usageOf([{ type: 'message_start', message: { usage } }, ...end('end_turn', {}, usage)])
    assert.deepEqual([last?.inputTokens, last?.outputTokens, last?.thinkingTokens], [100, 1, null])
  })
})

describe('a stream that fails', () => {
  it('throws what its error event says', () => {
    assert.throws(() => decode(transcript('failed-in-a-block')), isKind('upstream-failed', /^The worker was lost$/))
    assert.throws(() => decode(transcript('failed-after-commit')), isKind('upstream-overloaded', /^The queue is full$/))
    const decoder = new AnthropicDecoder(() => {}, options)
    assert.throws(() => decoder.push('', '{"error":{"message":"no"}}'), isKind('upstream-failed', /^no$/))
  })

  it('throws when it ends early', () => {
    const cut = [[], [start], [start, textStart(0), text(0, 'a')], [start, ...end('end_turn').slice(0, 1)]]
    for (const wires of cut) {
      assert.throws(() => decode(wires), isKind('upstream-failed', /^upstream closed the stream early$/))
    }
  })

  it('throws when an event is not JSON', () => {
    for (const data of ['{"type":', '[]', 'null', '"x"', '']) {
      const decoder = new AnthropicDecoder(() => {}, options)
      assert.throws(() => decoder.push('message_delta', data), isKind('upstream-malformed', /message_delta/))
      decoder.push('ping', data) // of these nothing is wanted
      decoder.push('something_new', data)
    }
  })
})

const index = fc.constantFrom<unknown>(0, 1, 2, undefined, null, 'x')
const piece = fc.constantFrom<unknown>('', 'a', '{', '{"a":', '1}', '"', null, 7)
const block = fc.oneof(
  fc.record({ type: fc.constantFrom('text', 'thinking'), text: piece, thinking: piece }),
  fc.record({
    type: fc.constant('tool_use'),
    id: piece,
    name: fc.constantFrom<unknown>('f', 'g', ''),
    input: fc.jsonValue(),
  }),
  fc.record({ type: fc.constantFrom('server_tool_use', 'redacted_thinking') }),
  fc.jsonValue(),
)
const anyDelta = fc.record({
  type: fc.constantFrom('text_delta', 'thinking_delta', 'input_json_delta', 'signature_delta', 'other'),
  text: piece,
  thinking: piece,
  partial_json: piece,
})
const soupEvent = fc.oneof(
  { weight: 4, arbitrary: fc.record({ type: fc.constant('content_block_start'), index, content_block: block }) },
  {
    weight: 8,
    arbitrary: fc.record({
      type: fc.constant('content_block_delta'),
      index,
      delta: fc.oneof(anyDelta, fc.jsonValue()),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('content_block_stop'), index }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('message_start'), message: fc.jsonValue() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('message_delta'),
      delta: fc.oneof(fc.record({ stop_reason: fc.constantFrom('max_tokens', 'tool_use', 'refusal') }), fc.jsonValue()),
      usage: fc.jsonValue(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom({ type: 'message_stop' }, { type: 'ping' }, { type: 'error' }, { type: 'new' }),
  },
)

describe('any soup of events', () => {
  it('gives a legal order, or an error of ours', () => {
    fc.assert(
      fc.property(fc.array(soupEvent, { maxLength: 25 }), (wires) => {
        const events: StreamEvent[] = []
        const decoder = new AnthropicDecoder((event) => events.push(event), options)
        try {
          for (const wire of wires) decoder.push(wire.type, JSON.stringify(wire))
          decoder.end()
          assert.equal(events.at(-1)?.type, 'finish')
          assertWholeInputs(events)
        } catch (error) {
          assert.ok(error instanceof HeadendError, error as Error)
        }
        assertLegal(events)
      }),
      { numRuns: 5000 },
    )
  })
})

/** Whatever was sent as the input of a call is an object, unless the answer was cut. */
function assertWholeInputs(events: readonly StreamEvent[]): void {
  const last = events.at(-1)
  if (last?.type !== 'finish' || last.reason === 'max-tokens') return
  const inputs = new Map<number, string>()
  for (const event of events) {
    if (event.type === 'block-start' && event.block.kind === 'tool-call') inputs.set(event.index, '')
    if (event.type === 'block-delta' && inputs.has(event.index)) {
      inputs.set(event.index, inputs.get(event.index) + event.text)
    }
  }
  for (const input of inputs.values()) assert.equal(typeof JSON.parse(input), 'object')
}

describe('decodeAnthropicAnswer', () => {
  function answer(body: unknown): StreamEvent[] {
    const events: StreamEvent[] = []
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
    decodeAnthropicAnswer(bytes, (event) => events.push(event), options)
    return events
  }

  it('gives the events of a stream', () => {
    const events = answer({
      type: 'message',
      content: [
        { type: 'thinking', thinking: 'hm', signature: 's' },
        { type: 'redacted_thinking', data: 'x' },
        { type: 'text', text: 'Hé' },
        { type: 'tool_use', id: 'a', name: 'f', input: { x: [1] } },
        { type: 'tool_use', id: 'b', name: 'g', input: {} },
      ],
      stop_reason: 'tool_use',
      stop_sequence: null,
      usage: { input_tokens: 5, output_tokens: 9 },
    })
    const blocks = ['[thinking', 'hm', ']', '[text', 'Hé', ']', '[a f', '{"x":[1]}', ']', '[b g', '{}', ']']
    assert.deepEqual(outline(events), ['start', ...blocks, 'tool-call'])
    assert.deepEqual(events[0], { type: 'start', usage: { ...unknown, inputTokens: 5, outputTokens: 9 } })
    const last = events.at(-1)
    assert.deepEqual(last?.type === 'finish' && last.usage, { ...unknown, inputTokens: 5, outputTokens: 9 })
  })

  it('tells the stop sequence and the explanation', () => {
    const message = { type: 'message', content: [], usage: {} }
    const stopped = answer({ ...message, stop_reason: 'stop_sequence', stop_sequence: 'END' }).at(-1)
    assert.equal(stopped?.type === 'finish' && stopped.stopSequence, 'END')
    const refused = answer({ ...message, stop_reason: 'refusal', stop_details: { explanation: 'no' } }).at(-1)
    assert.equal(refused?.type === 'finish' && refused.explanation, 'no')
  })

  it('throws the error that stands in its place', () => {
    const error = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }
    assert.throws(() => answer(error), isKind('upstream-overloaded', /^Overloaded$/))
    assert.throws(() => answer({ error: 'out of memory' }), isKind('upstream-failed', /^out of memory$/))
  })

  it('refuses what is no message', () => {
    for (const body of [
      '<html>',
      '',
      'null',
      '[]',
      '{}',
      '{"content":"x"}',
      { type: 'message_stop' },
      { choices: [] },
    ]) {
      assert.throws(() => answer(body), isKind('upstream-malformed', /not a message/))
    }
  })
})

const unknown = { cachedTokens: 0, cacheWriteTokens: { short: 0, long: 0 }, thinkingTokens: null }
