import { setTimeout as delay } from 'node:timers/promises'
import type { Connection } from './connection.ts'
import type { Figures } from './cost-cases.ts'
import { closedLoop, openConnections } from './load.ts'
import type { MockCounts } from './mock.ts'
import type { Mock, Target } from './targets.ts'

/** Each gets a server just started: one that has worked holds memory that would hide what comes on top. */
export type FreshCase = (target: Target, mock: Mock, scale: number) => Promise<Figures>

const settleMs = 1000
const closeLimitMs = 3000
const takeIntervalMs = 25
const turnsPerRound = 20

export const freshCases = {
  /** Streams that have begun and say nothing more. */
  idle: async (target, mock, scale) => {
    const count = 1000 * scale
    await warmUp(target)
    await idleStreams(target, mock, 20) // few, as the memory that they leave behind is taken again by those that count
    const before = await settled(target)
    const { during, after } = await idleStreams(target, mock, count)
    return {
      idle: (during - before) / count,
      idleBefore: before / 1000,
      idleDuring: during / 1000,
      idleAfter: after / 1000,
    }
  },
  /** Readers that take about 64 KB twice a second of a stream of 5 MB. */
  slow: async (target, mock, scale) => {
    const count = 200 * scale
    await warmUp(target)
    const before = await settled(target)
    const { bytesWritten } = await mock.counts()
    const connections = await openConnections(target, count)
    const request = target.request('slow', true)
    for (const connection of connections) {
      connection.watch = () => connection.socket.pause()
      connection.send(request)
    }
    const whileTaking = await takeSlowly(connections, target, 4 * scale)
    const taken = (await mock.counts()).bytesWritten - bytesWritten
    for (const connection of connections) connection.cut()
    await drained(mock)
    const after = await settled(target)
    const peak = Math.max(whileTaking, after) // a server that still reads what nobody wants grows even then
    return {
      slow: (peak - before) / 1000,
      slowBefore: before / 1000,
      slowPeak: peak / 1000,
      slowAfter: after / 1000,
      slowTaken: taken / 1e6,
    }
  },
  /** Half of the clients leave before any byte came, half amid the stream. */
  aborts: async (target, mock, scale) => {
    const batch = 50
    const batches = Math.ceil(10 * scale)
    await warmUp(target)
    const before = await mock.counts()
    const cpuBefore = target.process.cpuMicros()
    for (let turn = 0; turn < batches; turn++) await abortBatch(target, mock, batch)
    const abort = (target.process.cpuMicros() - cpuBefore) / (batch * batches)
    const after = await mock.counts()
    return { abort, leftOpen: after.requests - before.requests - (after.aborted - before.aborted) }
  },
} as const satisfies Record<string, FreshCase>

async function warmUp(target: Target): Promise<void> {
  await closedLoop(target, target.request('json', false), 16, 2000)
  await closedLoop(target, target.request('burst', true), 4, 40)
}

async function settled(target: Target): Promise<number> {
  await delay(settleMs)
  return target.process.residentKilobytes()
}

async function idleStreams(target: Target, mock: Mock, count: number): Promise<{ during: number; after: number }> {
  const connections = await openConnections(target, count)
  const request = target.request('idle', true)
  let begun = 0
  await new Promise<void>((resolve, reject) => {
    for (const connection of connections) {
      connection.onLost = () => reject(new Error(`${target.name} cut an idle stream`))
      connection.watch = () => {
        connection.watch = null
        if (++begun === count) resolve()
      }
      connection.send(request)
    }
  })
  const during = await settled(target)
  const ends = connections.map((connection) => {
    return new Promise<void>((resolve) => {
      connection.onEnd = () => resolve()
    })
  })
  await mock.release()
  await Promise.all(ends)
  for (const connection of connections) connection.cut()
  return { during, after: await settled(target) }
}

/** Returns the largest resident set that was seen, KB. */
async function takeSlowly(connections: readonly Connection[], target: Target, seconds: number): Promise<number> {
  let peak = 0
  const turns = (seconds * 1000) / takeIntervalMs
  for (let turn = 0; turn < turns; turn++) {
    for (let index = turn % turnsPerRound; index < connections.length; index += turnsPerRound) {
      connections[index]?.socket.resume()
    }
    await delay(takeIntervalMs)
    peak = Math.max(peak, target.process.residentKilobytes())
  }
  return peak
}

/** Waits until the mock has seen all of them go, or for as long as that may take. */
async function abortBatch(target: Target, mock: Mock, count: number): Promise<void> {
  const { requests } = await mock.counts()
  const connections = await openConnections(target, count)
  const [mute, endless] = [target.request('mute', true), target.request('endless', true)]
  const gone = connections.map((connection, index) => {
    if (index % 2 === 0) {
      connection.send(mute)
      return null
    }
    return leaveAmid(connection, endless, 1 + Math.floor(Math.random() * 30))
  })
  await Promise.all(gone)
  await until(mock, (counts) => counts.requests >= requests + count)
  for (const connection of connections) connection.cut()
  await drained(mock)
}

function leaveAmid(connection: Connection, request: Buffer, pieces: number): Promise<void> {
  let seen = 0
  return new Promise((resolve) => {
    connection.watch = () => {
      if (++seen < pieces) return
      connection.cut()
      resolve()
    }
    connection.send(request)
  })
}

function drained(mock: Mock): Promise<void> {
  return until(mock, ({ open }) => open === 0)
}

/** What has not come true by the limit shows in the figures. */
async function until(mock: Mock, isSo: (counts: MockCounts) => boolean): Promise<void> {
  const startedAt = performance.now()
  while (!isSo(await mock.counts()) && performance.now() - startedAt < closeLimitMs) await delay(5)
}
