import Anthropic from '@anthropic-ai/sdk'
import { resolveConfig } from '../../src/config.ts'
import { createLog } from '../../src/observe/log.ts'
import { createServer, type Server } from '../../src/server.ts'

export interface RunningServer extends Server {
  readonly client: Anthropic
}

/**
 * A whole server on a free port, as `headend serve` with these flags and variables would be.
 * @param fileText of a config file, YAML or JSON
 */
export async function startServer(
  flags: Record<string, unknown> = {},
  env: NodeJS.ProcessEnv = {},
  fileText: string | null = null,
): Promise<RunningServer> {
  const file = fileText === null ? null : { path: 'headend.yaml', text: fileText }
  const { config } = resolveConfig({ flags: { port: '0', ...flags }, env, file })
  const server = await createServer(config, createLog({ level: 'silent', format: 'json' }), 4)
  const client = new Anthropic({ baseURL: server.url, apiKey: 'not-needed', maxRetries: 0 })
  return { ...server, client }
}

/** Transports that this machine can run; uWebSockets.js has no binary for every Node. */
export async function transports(): Promise<readonly ('uws' | 'node')[]> {
  try {
    const server = await startServer({ backend: 'echo', transport: 'uws' })
    await server.destroy()
    return ['uws', 'node']
  } catch {
    return ['node']
  }
}

/** Asks `/status` until it says so; every answer is an event of its own, so nothing here waits for time to pass. */
export async function untilStatus(server: Server, holds: (status: ServerStatus) => boolean): Promise<ServerStatus> {
  for (let attempt = 0; attempt < 2000; attempt++) {
    const status = (await (await fetch(`${server.url}/status`)).json()) as ServerStatus
    if (holds(status)) return status
  }
  throw new Error('the server never came to the state that the test waits for')
}

export interface ServerStatus {
  readonly queue: { readonly running: number; readonly waiting: number }
  readonly models: readonly {
    readonly id: string
    readonly ready: boolean
    readonly workers: readonly { readonly id: number; readonly ready: boolean; readonly busySlots: number }[]
  }[]
}

export function busySlots(status: ServerStatus): number {
  return status.models.flatMap(({ workers }) => workers).reduce((sum, { busySlots }) => sum + busySlots, 0)
}
