import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StreamEvent } from '../../src/contract/events.ts'
import { AnswerBlocks } from '../../workers/answer-blocks.ts'

function eventsOf(write: (blocks: AnswerBlocks) => void): readonly StreamEvent[] {
  const events: StreamEvent[] = []
  write(new AnswerBlocks({ send: (event) => events.push(event) }))
  return events
}

test('prose of one kind is one block, and another kind begins another', () => {
  const events = eventsOf((blocks) => {
    blocks.prose('thinking', 'Hm')
    blocks.prose('thinking', '.')
    blocks.prose('text', 'Hello')
    blocks.close()
  })
  assert.deepEqual(events, [
    { type: 'block-start', index: 0, block: { kind: 'thinking' } },
    { type: 'block-delta', index: 0, text: 'Hm' },
    { type: 'block-delta', index: 0, text: '.' },
    { type: 'block-end', index: 0 },
    { type: 'block-start', index: 1, block: { kind: 'text' } },
    { type: 'block-delta', index: 1, text: 'Hello' },
    { type: 'block-end', index: 1 },
  ])
})

test('no prose is no block, and nothing open is nothing to close', () => {
  const events = eventsOf((blocks) => {
    blocks.close()
    blocks.prose('text', '')
    blocks.close()
  })
  assert.deepEqual(events, [])
})

test('blocks of one kind side by side, when the first was closed', () => {
  const events = eventsOf((blocks) => {
    blocks.prose('text', 'a')
    blocks.close()
    blocks.prose('text', 'b')
  })
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'block-start' ? event.index : [])),
    [0, 1],
  )
})

test('calls close what is open, and each has an id of its own', () => {
  const events = eventsOf((blocks) => {
    blocks.prose('text', 'a')
    blocks.startCall('look')
    blocks.callInput('{"a"')
    blocks.callInput('')
    blocks.callInput(':1}')
    blocks.close()
    blocks.startCall('look')
    blocks.close()
  })
  const heads = events.flatMap((event) => (event.type === 'block-start' ? event.block : []))
  assert.deepEqual(
    heads.map((head) => (head.kind === 'tool-call' ? head.name : head.kind)),
    ['text', 'look', 'look'],
  )
  const ids = heads.flatMap((head) => (head.kind === 'tool-call' ? head.id : []))
  for (const id of ids) assert.match(id, /^toolu_[A-Za-z0-9]{24}$/)
  assert.notEqual(ids[0], ids[1])
  assert.deepEqual(
    events.flatMap((event) => (event.type === 'block-delta' && event.index === 1 ? event.text : [])),
    ['{"a"', ':1}'],
  )
})
