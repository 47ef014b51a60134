import { connect as connectPlain, isIP, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { HeadendError } from '../../contract/errors.ts'
import type { UpstreamSettings } from './settings.ts'
import { explainSlowConnect, explainUnreachable } from './transport-failure.ts'

/** Opens a socket; `ready` is called once, with what was in the way or `null`. */
export type Dial = (ready: (problem: HeadendError | null) => void) => Socket

/** What the stream of a paused socket holds before it stops reading. Pieces of answers are far smaller. */
const readAheadBytes = 16 * 1024
/** TCP looks after peers that went away without a word. */
const probeAfterMs = 60_000

/**
 * Sockets to the one origin of an upstream. undici's own connector would do, but for three things: its timer is off by up to a
 * second, it does not tell a failed connection from a failed request, and it gives nobody the socket, which has to be closed when a
 * request is given up before it is open.
 */
export function createDial({ name, url, connectTimeoutMs }: UpstreamSettings): Dial {
  const { protocol, hostname, port } = new URL(url)
  const isTls = protocol === 'https:'
  const host = hostname.replace(/^\[|\]$/g, '') // of an IPv6 address
  const common = { host, port: Number(port) || (isTls ? 443 : 80), highWaterMark: readAheadBytes }
  // An address is no server name: RFC 6066, section 3.
  const tls = { ...common, servername: isIP(host) === 0 ? host : '', ALPNProtocols: ['http/1.1'] }
  let session: Buffer | undefined // spares half of the next handshake

  return (ready) => {
    const socket = isTls ? connectTls(session === undefined ? tls : { ...tls, session }) : connectPlain(common)
    const settle = (problem: HeadendError | null): void => {
      clearTimeout(timer)
      socket.off('error', failed).off('close', closed) // nothing of this is kept for as long as the socket lives
      ready(problem)
    }
    const failed = (cause: Error): void => settle(explainUnreachable(name, cause))
    const closed = (): void => settle(explainUnreachable(name, new Error('The socket was closed')))
    const timer = setTimeout(() => {
      settle(explainSlowConnect(name, connectTimeoutMs))
      socket.destroy()
    }, connectTimeoutMs)
    socket.setNoDelay(true).setKeepAlive(true, probeAfterMs)
    socket.once(isTls ? 'secureConnect' : 'connect', () => settle(null))
    socket.once('error', failed).once('close', closed)
    if (isTls) {
      socket.on('session', (fresh: Buffer) => {
        session = fresh
      })
    }
    return socket
  }
}
