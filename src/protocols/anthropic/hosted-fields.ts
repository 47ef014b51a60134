import { HeadendError } from '../../contract/errors.ts'
import type { CountRequest } from '../../wire/anthropic.ts'
import { refuseField } from '../schema-error.ts'

/** These need the hosted service, or a beta of it. */
export const hostedKeys = ['container', 'mcp_servers', 'thread'] as const

/**
 * Ignoring one of them would change what the answer means.
 * @throws HeadendError invalid-request
 */
export function refuseHosted(wire: CountRequest): void {
  const key = hostedKeys.find((name) => isAsked(wire[name]))
  if (key === 'thread') throw new ThreadRefusal()
  if (key !== undefined) throw refuseField(key, sentence(key))
}

/** Clients that know these fields send them empty, too. */
export function isAsked(value: unknown): boolean {
  return value != null && !(Array.isArray(value) && value.length === 0)
}

/**
 * `thread` asks the server to keep the conversation. The tool runner of the TypeScript SDK always asks; this code makes it go on
 * without a thread, with the whole conversation in each request. Any other refusal would reach its user.
 */
export class ThreadRefusal extends HeadendError {
  readonly details = { error_code: 'thread_unsupported_request', unsupported: ['thread'] }

  constructor() {
    super('invalid-request', `thread: ${sentence('thread')}`, { field: 'thread' })
  }
}

function sentence(key: string): string {
  return `\`${key}\` is not supported by this server; leave it out`
}
