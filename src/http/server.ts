import { StartError } from '../contract/errors.ts'
import { type LoadedUws, loadUws, type UwsBinding } from './load-uws.ts'
import { listenNode } from './node.ts'
import { readTls } from './tls-files.ts'
import type { Hooks, Transport, TransportOptions } from './transport.ts'
import { listenUws } from './uws.ts'

export type { Finished, Hooks, IncomingExchange, Transport, TransportOptions } from './transport.ts'

export interface Listening {
  readonly transport: Transport
  /** Why node:http serves although uWebSockets.js would be faster, and what to do about it. */
  readonly note: string | null
}

/**
 * `auto` takes uWebSockets.js where its native binary loads, else node:http.
 * @throws StartError one line for the person who started the server: port in use, no such address, bad certificate, uWS forced but missing
 */
export async function listen(
  choice: 'auto' | 'uws' | 'node',
  options: TransportOptions,
  hooks: Hooks,
): Promise<Listening> {
  const tls = options.tls === null ? null : readTls(options.tls)
  const { binding, note } = choice === 'node' ? { binding: null, note: null } : chooseTransport(choice, loadUws())
  const transport = binding === null ? await listenNode(options, hooks, tls) : await listenUws(binding, options, hooks)
  return { transport, note }
}

export interface TransportChoice {
  /** `null`: node:http. */
  readonly binding: UwsBinding | null
  readonly note: string | null
}

const remedy = 'node scripts/install-uws.mjs'

export function chooseTransport(choice: 'auto' | 'uws', uws: LoadedUws): TransportChoice {
  if (uws.binding !== null) return { binding: uws.binding, note: null }
  if (choice === 'uws') throw new StartError(`--transport uws: ${uws.reason}; run ${remedy}, or use --transport auto`)
  return { binding: null, note: `${uws.reason}, so node:http answers; for the faster transport run ${remedy}` }
}
