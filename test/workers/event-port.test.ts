import assert from 'node:assert/strict'
import { once } from 'node:events'
import { afterEach, test } from 'node:test'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { StreamEvent } from '../../src/contract/events.ts'
import { EventPort } from '../../workers/event-port.ts'
import type { FromWorker, ToWorker } from '../../workers/messages.ts'

const opened: MessagePort[] = []
afterEach(() => {
  for (const port of opened.splice(0)) port.close()
})

function open(credit: number): { events: EventPort; workerPort: MessagePort; mainPort: MessagePort } {
  const { port1, port2 } = new MessageChannel()
  opened.push(port1, port2)
  return { events: new EventPort(port2, credit), workerPort: port2, mainPort: port1 }
}

function delta(text: string): StreamEvent {
  return { type: 'block-delta', index: 0, text }
}

async function received(port: MessagePort): Promise<FromWorker> {
  const [message] = (await once(port, 'message')) as [FromWorker]
  return message
}

/** Posts to the worker and waits until the worker's port has seen it. */
async function deliver(mainPort: MessagePort, workerPort: MessagePort, message: ToWorker): Promise<void> {
  const seen = once(workerPort, 'message')
  mainPort.postMessage(message)
  await seen
}

test('events of one tick leave in one message, later ones in another', async () => {
  const { events, mainPort } = open(8)
  events.send(delta('a'))
  events.send(delta('b'))
  assert.deepEqual(await received(mainPort), { type: 'events', events: [delta('a'), delta('b')] })
  events.send(delta('c'))
  assert.deepEqual(await received(mainPort), { type: 'events', events: [delta('c')] })
})

test('each event costs one credit', () => {
  const { events } = open(2)
  assert.equal(events.exhausted, false)
  events.send(delta('a'))
  assert.equal(events.exhausted, false)
  events.send(delta('b'))
  assert.equal(events.exhausted, true)
})

test('granted() waits until there is credit for an event, not just for a message', async () => {
  const { events, workerPort, mainPort } = open(1)
  for (const text of ['a', 'b', 'c']) events.send(delta(text)) // the last token of a block may bring several events
  let granted = false
  const waiting = events.granted().then(() => {
    granted = true
  })
  await deliver(mainPort, workerPort, { type: 'credit', events: 2 })
  assert.equal(granted, false)
  assert.equal(events.exhausted, true)
  await deliver(mainPort, workerPort, { type: 'credit', events: 1 })
  await waiting
  assert.equal(events.exhausted, false)
})

test('granted() does not wait while there is credit', async () => {
  await open(1).events.granted()
})

test('a cancel wakes whoever waits for credit, and nobody waits after it', async () => {
  const { events, workerPort, mainPort } = open(0)
  const waiting = events.granted()
  assert.equal(events.cancelled, false)
  await deliver(mainPort, workerPort, { type: 'cancel' })
  await waiting
  assert.equal(events.cancelled, true)
  await events.granted()
})

test('the other end closing is a cancel', async () => {
  const { events, mainPort } = open(0)
  const waiting = events.granted()
  mainPort.close()
  await waiting
  assert.equal(events.cancelled, true)
})

test('a failure comes after the events before it', async () => {
  const { events, mainPort } = open(8)
  const messages: FromWorker[] = []
  mainPort.on('message', (message: FromWorker) => messages.push(message))
  events.send(delta('a'))
  events.fail('internal', 'It broke', 'stack')
  events.close()
  await once(mainPort, 'close')
  assert.deepEqual(messages, [
    { type: 'events', events: [delta('a')] },
    { type: 'failed', kind: 'internal', message: 'It broke', detail: 'stack' },
  ])
})

test('closing sends what is pending and is no cancel', async () => {
  const { events, mainPort } = open(8)
  const messages: FromWorker[] = []
  mainPort.on('message', (message: FromWorker) => messages.push(message))
  events.send(delta('last'))
  events.close()
  await once(mainPort, 'close')
  assert.deepEqual(messages, [{ type: 'events', events: [delta('last')] }])
  assert.equal(events.cancelled, false)
})
