import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { head } from '../bad-upstream.ts'

/** A server that has its say as soon as the head of a request is here, and reads no further. */
export async function startHasty(t: TestContext, say: (socket: Socket) => void): Promise<string> {
  const { url } = await startLine(t, (socket) => {
    socket.once('data', (bytes: Buffer) => {
      socket.pause()
      if (bytes.toString('latin1').startsWith('POST ')) say(socket)
      else socket.end(head(404, ['content-length: 0', 'connection: close']))
    })
  })
  return url
}

/** The way to a server, as long as it is not cut. */
export interface Line {
  readonly url: string
  /** Connections are refused from now on, and those there are end. */
  cut(): Promise<void>
  mend(): Promise<void>
}

export function startLineTo(t: TestContext, server: { readonly port: number }): Promise<Line> {
  return startLine(t, (socket) => {
    const onward = connect(server.port, '127.0.0.1').on('error', () => socket.destroy())
    socket.pipe(onward).pipe(socket)
    socket.on('close', () => onward.destroy())
  })
}

async function startLine(t: TestContext, serve: (socket: Socket) => void): Promise<Line> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}) // many end in the middle of something
    socket.on('close', () => sockets.delete(socket))
    serve(socket)
  })
  const port = await listen(server, 0)
  const close = async (): Promise<void> => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  t.after(() => (server.listening ? close() : undefined))
  return {
    url: `http://127.0.0.1:${port}`,
    cut: close,
    mend: async () => void (await listen(server, port)),
  }
}

async function listen(server: Server, port: number): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening')
  return (server.address() as AddressInfo).port
}
