import { once } from 'node:events'
import { createServer } from 'node:net'

/** What `listen` reports, as one line for the person who started the server. */
export function explainListenError(code: string, host: string, port: number): string {
  switch (code) {
    case 'EADDRINUSE':
      return `Port ${port} on ${host} is in use: stop the program that holds it, or choose another one with --port`
    case 'EACCES':
      return `No permission to listen on port ${port}: choose one above 1023 with --port`
    case 'EADDRNOTAVAIL':
      return `This machine has no address ${host}: set --host to one of its own, or to 0.0.0.0 for all`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `The host name ${host} is not known: set --host to an address of this machine`
    default:
      return `Cannot listen on ${host} port ${port} (${code}): check --host and --port`
  }
}

/** uWebSockets.js says only that listening failed: the same attempt through node:net tells why. */
export async function findListenError(host: string, port: number): Promise<string> {
  const probe = createServer()
  try {
    probe.listen({ host, port, exclusive: true })
    await once(probe, 'listening')
    return 'the reason is unknown'
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code ?? 'the reason is unknown'
  } finally {
    probe.close()
  }
}
