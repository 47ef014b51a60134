import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { readRawEvent } from '../../../src/backends/upstream/raw-event.ts'
import { RelayGuard } from '../../../src/backends/upstream/relay-guard.ts'
import { RelayWatcher } from '../../../src/backends/upstream/relay-watcher.ts'
import { HeadendError } from '../../../src/contract/errors.ts'

type Wire = { readonly type: string } & Readonly<Record<string, unknown>>

const messageStart: Wire = { type: 'message_start', message: { model: 'm', usage: { input_tokens: 1 } } }
const messageDelta: Wire = { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: 2 } }
const messageStop: Wire = { type: 'message_stop' }
const ping: Wire = { type: 'ping' }

function blockStart(index: number | undefined, kind = 'text'): Wire {
  return { type: 'content_block_start', index, content_block: { type: kind, [kind]: '' } }
}

function delta(index: number | undefined, text: string): Wire {
  return { type: 'content_block_delta', index, delta: { type: 'text_delta', text } }
}

function emptySignature(index: number): Wire {
  return { type: 'content_block_delta', index, delta: { type: 'signature_delta', signature: '' } }
}

function blockStop(index: number | undefined): Wire {
  return { type: 'content_block_stop', index }
}

function frame(wire: Wire): string {
  return `event: ${wire.type}\ndata: ${JSON.stringify(wire)}\n\n`
}

function frames(...wires: readonly Wire[]): string {
  return wires.map(frame).join('')
}

/** What is handed on of a stream that comes in these pieces; of a refused one what went out before. */
function relay(pieces: readonly Uint8Array[]): { text: string; error: HeadendError | null } {
  const subject = new RelayWatcher({ model: null, eventBytesMax: 1 << 20 })
  let text = ''
  try {
    for (const piece of pieces) text += Buffer.from(subject.push(piece) ?? []).toString()
    text += Buffer.from(subject.end() ?? []).toString()
    return { text, error: null }
  } catch (error) {
    if (error instanceof HeadendError) return { text, error }
    throw error
  }
}

function relayFrames(...wires: readonly Wire[]): { text: string; error: HeadendError | null } {
  return relay([Buffer.from(frames(...wires))])
}

describe('a relayed stream', () => {
  const ending = [messageDelta, messageStop]

  it("has its blocks one after the other, also where llama-server's overlap", () => {
    const { text } = relayFrames(
      messageStart,
      ...[blockStart(0, 'thinking'), delta(0, 'I know')],
      ...[blockStart(1), delta(1, 'Paris'), emptySignature(0), blockStop(0), blockStop(1)],
      ...ending,
    )
    const expected = [
      messageStart,
      ...[blockStart(0, 'thinking'), delta(0, 'I know'), blockStop(0)],
      ...[blockStart(1), delta(1, 'Paris'), blockStop(1)],
      ...ending,
    ]
    assert.equal(text, frames(...expected))
  })

  it('has the end of a block at once, not when the next read comes', () => {
    const subject = new RelayWatcher({ model: null, eventBytesMax: 4096 })
    subject.push(Buffer.from(frames(messageStart, blockStart(0), delta(0, 'a'))))
    assert.equal(String(subject.push(Buffer.from(frame(blockStart(1))))), frames(blockStop(0), blockStart(1)))
    assert.equal(subject.push(Buffer.from(frame(blockStop(0)))), null)
  })

  it('has the end of its last block before message_delta', () => {
    const { text } = relayFrames(messageStart, blockStart(0), delta(0, 'a'), messageDelta, blockStop(0), messageStop)
    assert.equal(text, frames(messageStart, blockStart(0), delta(0, 'a'), blockStop(0), ...ending))
  })

  it('has no end of a block that is over or never was', () => {
    const { text } = relayFrames(
      messageStart,
      blockStop(0),
      blockStart(0),
      blockStop(1),
      blockStop(0),
      blockStop(0),
      ...ending,
    )
    assert.equal(text, frames(messageStart, blockStart(0), blockStop(0), ...ending))
  })

  it('keeps numbers that are passed over, and several message_delta', () => {
    const wires = [messageStart, blockStart(2), blockStop(2), blockStart(5), blockStop(5), messageDelta, ...ending]
    assert.equal(relayFrames(...wires).text, frames(...wires))
  })

  it('takes a number that is left out for 0', () => {
    const wires = [messageStart, blockStart(undefined), delta(undefined, 'a'), blockStop(undefined), ...ending]
    assert.equal(relayFrames(...wires).text, frames(...wires))
  })

  it('keeps empty deltas of the open block', () => {
    const wires = [messageStart, blockStart(0), delta(0, ''), emptySignature(0), { ...blockStop(0) }, ...ending]
    assert.equal(relayFrames(...wires).text, frames(...wires))
  })

  it('drops deltas that carry nothing where they have no block', () => {
    const bare = { type: 'content_block_delta', index: 3 }
    const { text } = relayFrames(
      messageStart,
      bare,
      blockStart(0),
      { ...bare, delta: { type: 'x', text: null } },
      ...ending,
    )
    assert.equal(text, frames(messageStart, blockStart(0), blockStop(0), ...ending))
  })

  it('is refused where that would take more than ends of blocks', () => {
    for (const [wires, message] of [
      [[blockStart(0), delta(1, 'a')], 'a delta of a content block that is not open'],
      [[blockStart(0), blockStart(1), delta(0, 'a')], 'a delta of a content block that is not open'],
      [[blockStart(0), blockStop(0), delta(0, 'a')], 'a delta of a content block that is not open'],
      [[delta(0, 'a')], 'a delta of a content block that is not open'],
      [[blockStart(0), blockStop(0), blockStart(0)], 'content blocks whose numbers do not grow'],
      [[blockStart(1), blockStop(1), blockStart(0)], 'content blocks whose numbers do not grow'],
      [[blockStart(-1)], 'content blocks whose numbers do not grow'],
      [[{ ...blockStart(0), index: '0' }], 'content blocks whose numbers do not grow'],
      [[messageDelta, blockStart(0)], 'a content block behind message_delta'],
      [[blockStart(0), messageStart], 'a second message_start'],
      [[messageStop], 'message_stop without message_delta'],
      [[blockStart(0), delta(0, 'a'), blockStop(0), messageStop], 'message_stop without message_delta'],
    ] as const) {
      const { error } = relayFrames(messageStart, ...wires)
      assert.equal(error?.kind, 'upstream-malformed')
      assert.equal(error.message, `the upstream sent ${message}`)
    }
  })
})

const spellings: Readonly<Record<string, (wire: Wire) => string>> = {
  usual: frame,
  spaced: (wire) => `event: ${wire.type}\ndata: ${JSON.stringify(wire, null, 1).replace(/\n */g, ' ')}\n\n`,
  'with the number at the end': ({ index, ...wire }) => frame(index === undefined ? wire : { ...wire, index }),
  'without names': (wire) => `data: ${JSON.stringify(wire)}\n\n`,
  'with CR LF': (wire) => frame(wire).replaceAll('\n', '\r\n'),
  'in two lines': (wire) => `event: ${wire.type}\ndata: ${JSON.stringify(wire).replace(',', ',\ndata: ')}\n\n`,
  'with CR': (wire) => frame(wire).replaceAll('\n', '\r'),
}

describe('deltas of the open block', () => {
  function guardIn(spell: (wire: Wire) => string, index: number): RelayGuard {
    const guard = new RelayGuard()
    for (const wire of [messageStart, blockStart(index), delta(index, 'first')]) {
      const event = readRawEvent(Buffer.from(spell(wire)))
      assert.ok(event !== null && guard.admit(event) === '')
    }
    return guard
  }

  function endOf(guard: RelayGuard, text: string): number {
    return guard.endOfDelta(text, 0, text.includes('\r'))
  }

  it('are told without a look inside, however the first one was written', () => {
    for (const [name, spell] of Object.entries(spellings)) {
      const guard = guardIn(spell, 1)
      const text = spell(delta(1, 'second'))
      assert.equal(endOf(guard, text), name.startsWith('in two') || name.endsWith(' CR') ? -1 : text.length, name)
      for (const other of [delta(11, 'second'), delta(0, 'second'), blockStop(1), ping]) {
        assert.equal(endOf(guard, spell(other)), -1, name)
      }
      assert.equal(endOf(guard, text.slice(0, -1)), -1, name)
    }
  })

  it('end where their lines do, also before an event with other ends of lines', () => {
    const guard = guardIn(frame, 0)
    const next = `data: ${JSON.stringify(messageDelta)}\r\n\r\n`
    assert.equal(endOf(guard, frame(delta(0, 'a')) + next), -1)
    const sent = frames(messageStart, blockStart(0), delta(0, 'a'))
    assert.equal(relay([Buffer.from(sent + next)]).text, sent + frame(blockStop(0)) + next)
  })

  it('are told from the first one on, as Anthropic writes them', () => {
    const guard = new RelayGuard()
    const text = frame(delta(0, 'a'))
    assert.equal(endOf(guard, text), -1)
    for (const wire of [messageStart, blockStart(0)])
      guard.admit(readRawEvent(Buffer.from(frame(wire))) ?? assert.fail())
    assert.equal(endOf(guard, text), text.length)
    guard.admit(readRawEvent(Buffer.from(frame(blockStop(0)))) ?? assert.fail())
    assert.equal(endOf(guard, text), -1)
  })
})

/** The lines of each event, line ends apart: what a client sees, and the comments. */
function eventsOf(text: string): string[] {
  return text
    .replace(/\r\n?/g, '\n')
    .split(/\n{2,}/)
    .filter((event) => event !== '')
}

function read(event: string): Wire {
  const lines = event.split('\n').filter((line) => line.startsWith('data: '))
  return JSON.parse(lines.map((line) => line.slice('data: '.length)).join('\n')) as Wire
}

const unordered: ReadonlySet<string> = new Set(['ping', 'news'])

/** The grammar of the Messages API, read slowly. @returns whether the stream is over */
function assertLegal(events: readonly string[]): boolean {
  let expected = ['message_start']
  let open: unknown = null
  let latest = -1
  for (const wire of events.map(read)) {
    if (unordered.has(wire.type)) continue
    if (wire.type === 'error') return true
    assert.ok(expected.includes(wire.type), `${wire.type} where ${expected} may stand, in\n${events.join('\n')}`)
    const index = (wire.index ?? 0) as number
    switch (wire.type) {
      case 'content_block_start':
        assert.ok(index > latest, 'a number that does not grow')
        open = latest = index
        expected = ['content_block_delta', 'content_block_stop']
        break
      case 'content_block_delta':
        assert.equal(index, open)
        break
      case 'message_delta':
        expected = ['message_delta', 'message_stop']
        break
      case 'message_stop':
        return true
      default: // message_start, content_block_stop
        if (wire.type === 'content_block_stop') assert.equal(index, open)
        expected = ['content_block_start', 'message_delta']
    }
  }
  return false
}

/** Cut at these places, counted in bytes. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, index) => bytes.subarray(at[index], end))
}

const spelling = fc.constantFrom(...Object.values(spellings))
const places = fc.array(fc.nat(5000), { maxLength: 10 })
const texts = fc.constantFrom('', 'a', '終 👋', '"index":1}', '\n\n', ',"index":0}')

/** What the upstream sends, and what of it, or in place of it, goes out. */
interface Item {
  readonly sent: string
  readonly relayed: string
}

describe('blocks that are ended late, twice or never', () => {
  const block = fc.record({
    gap: fc.constantFrom(0, 0, 0, 1, 7),
    deltas: fc.array(texts, { maxLength: 4 }),
    isEnded: fc.boolean(),
    late: fc.array(fc.tuple(fc.constantFrom(blockStop, emptySignature), fc.nat(50)), { maxLength: 2 }),
  })
  const noise = fc.array(fc.tuple(fc.constantFrom(ping, { type: 'news' }), fc.nat(50)), { maxLength: 3 })

  it('are put in order with nothing but ends of blocks', () => {
    fc.assert(
      fc.property(fc.array(block, { maxLength: 4 }), noise, spelling, places, (blocks, extras, spell, at) => {
        const items: Item[] = []
        const late: { item: Item; from: number; place: number }[] = []
        const same = (wire: Wire): Item => ({ sent: spell(wire), relayed: spell(wire) })
        let missing = ''
        let index = -1
        for (const { gap, deltas, isEnded, late: wires } of blocks) {
          index += gap + 1
          const start = spell(blockStart(index))
          items.push({ sent: start, relayed: missing + start }, ...deltas.map((text) => same(delta(index, text))))
          missing = isEnded ? '' : frame(blockStop(index))
          if (isEnded) items.push(same(blockStop(index)))
          const from = items.length + (isEnded ? 0 : 1) // behind what ends it
          for (const [wire, place] of wires) late.push({ item: { sent: spell(wire(index)), relayed: '' }, from, place })
        }
        items.push({ sent: spell(messageDelta), relayed: missing + spell(messageDelta) }, same(messageStop))
        // From the back, so that what comes before keeps its place.
        for (const { item, from, place } of late.reverse())
          items.splice(from + (place % (items.length - from)), 0, item)
        for (const [wire, place] of extras) items.splice(place % items.length, 0, same(wire))
        const all = [same(messageStart), ...items]

        const { text, error } = relay(cut(Buffer.from(all.map(({ sent }) => sent).join('')), at))
        assert.equal(error, null)
        const expected = all.map(({ relayed }) => relayed).join('')
        assert.deepEqual(eventsOf(text), eventsOf(expected))
        if (!text.includes('\r')) assert.equal(text, expected) // of a dropped CR LF the LF may stay, where a read began with it
        assert.ok(assertLegal(eventsOf(text)))
      }),
      { numRuns: 1000 },
    )
  })
})

describe('any events', () => {
  /** Knows the number of the latest block, and whether it is open. */
  type Step = (latest: number, isOpen: boolean) => Wire
  /** Which block is meant, counted from the right one; mostly that. `null`: no number at all. */
  const offset = fc.oneof({ weight: 60, arbitrary: fc.constant(0) }, fc.constantFrom(-1, 1, null))
  const lateness = fc.constantFrom(0, 0, 1, 2)
  const shift = (number: number, by: number | null): number | undefined => (by === null ? undefined : number + by)
  const starts = offset.map(
    (by): Step =>
      (latest) =>
        blockStart(shift(latest + 1, by)),
  )
  const deltas = fc.tuple(offset, texts).map(
    ([by, text]): Step =>
      (latest, isOpen) =>
        isOpen ? delta(shift(latest, by), text) : blockStart(latest + 1),
  )
  const emptyDeltas = lateness.map(
    (by): Step =>
      (latest) =>
        delta(latest - by, ''),
  )
  const stops = lateness.map(
    (by): Step =>
      (latest) =>
        blockStop(latest - by),
  )
  const others = fc.constantFrom<Wire>(ping, { type: 'news' }).map(
    (wire): Step =>
      () =>
        wire,
  )
  const failure: Wire = { type: 'error', error: { message: 'x' } }
  const breaks = fc.constantFrom(messageStart, messageDelta, messageStop, failure).map(
    (wire): Step =>
      () =>
        wire,
  )
  const step = fc.oneof(
    { weight: 8, arbitrary: starts },
    { weight: 16, arbitrary: deltas },
    { weight: 6, arbitrary: emptyDeltas },
    { weight: 10, arbitrary: stops },
    { weight: 4, arbitrary: others },
    { weight: 1, arbitrary: breaks },
  )
  const soups = fc.array(step, { maxLength: 16, size: 'max' }).map((steps) => {
    let latest = -1
    let isOpen = false
    return steps.map((make) => {
      const wire = make(latest, isOpen)
      const index = (wire.index ?? 0) as number
      if (wire.type === 'content_block_start') {
        latest = Math.max(latest, index)
        isOpen = true
      } else if (wire.type === 'content_block_stop' && index === latest) {
        isOpen = false
      }
      return wire
    })
  })
  const hands = fc.array(spelling, { minLength: 1, maxLength: 3 }) // they take turns
  const ending = fc.constantFrom<readonly Wire[]>([], [messageDelta, messageStop], [messageDelta, messageStop])

  /** Ends of blocks and empty deltas may come and go; all else stays. */
  function lasting(events: readonly string[]): string[] {
    return events.filter((text) => {
      const { type, delta: part } = read(text)
      return type !== 'content_block_stop' && (type !== 'content_block_delta' || (part as { text: string }).text !== '')
    })
  }

  it('reach the client in legal order, or are refused', () => {
    fc.assert(
      fc.property(soups, ending, hands, places, (soup, end, spells, at) => {
        const wires = [messageStart, ...soup, ...end]
        const written = wires.map((wire, place) => (spells[place % spells.length] ?? frame)(wire))
        const { text, error } = relay(cut(Buffer.from(written.join('')), at))
        const events = eventsOf(text)
        const isOver = assertLegal(events)
        assert.equal(error === null, isOver)
        const wasOver = wires.findIndex(({ type }) => type === 'message_stop' || type === 'error') + 1
        const sent = lasting(eventsOf(written.slice(0, wasOver || written.length).join('')))
        const passed = lasting(events)
        assert.deepEqual(passed, error === null ? sent : sent.slice(0, passed.length))
      }),
      { numRuns: 2000 },
    )
  })
})
