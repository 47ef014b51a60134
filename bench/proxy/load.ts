import { setTimeout as delay } from 'node:timers/promises'
import { Connection } from './connection.ts'
import type { Target } from './targets.ts'

export interface LoadResult {
  readonly seconds: number
  /** Of the server's process, all threads. */
  readonly cpuMicros: number
  /** Reads of the client, in all. */
  readonly pieces: number
}

/**
 * As many requests as `count` on `connections` kept open, each sending its next when it has its answer. Each connection has had one
 * answer before the clock starts, so that no connecting is timed on either side of the server.
 */
export async function closedLoop(
  target: Target,
  request: Buffer,
  connections: number,
  count: number,
): Promise<LoadResult> {
  const open = await openConnections(target, connections)
  await Promise.all(open.map((connection) => exchange(connection, request)))
  const [cpuBefore, piecesBefore, startedAt] = [target.process.cpuMicros(), piecesOf(open), performance.now()]
  await drive(open, request, count)
  const seconds = (performance.now() - startedAt) / 1000
  const cpuMicros = target.process.cpuMicros() - cpuBefore
  close(open)
  return { seconds, cpuMicros, pieces: piecesOf(open) - piecesBefore }
}

/** Requests at fixed times whatever the answers do; milliseconds from each sending to its first `marker`, or to its end. */
export async function paced(
  target: Target,
  request: Buffer,
  perSecond: number,
  seconds: number,
  marker: Buffer | null,
): Promise<number[]> {
  const idle = await openConnections(target, 50) // half a second's requests: more wait only where the server stands still
  await Promise.all(idle.map((connection) => exchange(connection, request)))
  const samples: number[] = []
  const total = Math.round(perSecond * seconds)
  const done = new Promise<void>((resolve, reject) => {
    for (const connection of idle) {
      let isSeen = false
      connection.watch = (_, piece) => {
        if (marker === null || isSeen || !piece.includes(marker)) return
        isSeen = true
        samples.push(performance.now() - connection.sentAt)
      }
      connection.onLost = () => reject(new Error(`${target.name} cut a connection`))
      connection.onEnd = () => {
        if (connection.status !== 200) reject(new Error(`${target.name} answered ${connection.status}`))
        if (marker === null) samples.push(performance.now() - connection.sentAt)
        else if (!isSeen) reject(new Error(`${target.name}: no ${marker} came`))
        isSeen = false
        idle.push(connection)
        if (samples.length === total) resolve()
      }
    }
  })
  const all = [...idle]
  const startedAt = performance.now()
  for (let sent = 0; sent < total; sent++) {
    const dueAt = startedAt + (sent * 1000) / perSecond
    const wait = dueAt - performance.now()
    if (wait > 0) await delay(wait)
    const connection = idle.shift()
    if (connection === undefined) throw new Error(`${target.name} has answered none of ${all.length} requests in time`)
    connection.send(request)
  }
  await done
  close(all)
  return samples
}

export async function openConnections(target: Target, count: number): Promise<Connection[]> {
  const connections: Connection[] = []
  // In turns of 50: the queue of connections that a server has not accepted yet is short.
  while (connections.length < count) {
    const some = Array.from({ length: Math.min(50, count - connections.length) }, () =>
      Connection.open(target.process.url),
    )
    connections.push(...(await Promise.all(some)))
  }
  return connections
}

/** One request and its whole answer. */
export async function exchange(connection: Connection, request: Buffer): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    connection.onLost = () => reject(new Error('the connection was lost'))
    connection.onEnd = () => resolve()
    connection.send(request)
  })
  if (connection.status !== 200) throw new Error(`the answer was ${connection.status}`)
}

function close(connections: readonly Connection[]): void {
  for (const connection of connections) connection.cut()
}

function piecesOf(connections: readonly Connection[]): number {
  return connections.reduce((sum, { pieces }) => sum + pieces, 0)
}

function drive(connections: readonly Connection[], request: Buffer, count: number): Promise<void> {
  let toSend = count
  let toEnd = count
  return new Promise((resolve, reject) => {
    const next = (connection: Connection): void => {
      if (connection.status !== 200) reject(new Error(`the answer was ${connection.status}`))
      if (--toEnd === 0) resolve()
      else if (toSend > 0) send(connection)
    }
    const send = (connection: Connection): void => {
      toSend--
      connection.send(request)
    }
    for (const connection of connections) {
      connection.onEnd = next
      connection.onLost = () => reject(new Error('a connection was lost'))
      if (toSend > 0) send(connection)
    }
  })
}
