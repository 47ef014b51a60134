import type { Authorize } from './admission/authorize.ts'
import type { Identify } from './admission/identity.ts'
import type { Admission, Permit } from './admission/permits.ts'
import type { Call } from './contract/backend.ts'
import { errorKinds, toHeadendError } from './contract/errors.ts'
import type { Exchange } from './contract/exchange.ts'
import type { Protocol, Reply } from './contract/protocol.ts'
import type { GenerateRequest } from './contract/request.ts'
import type { Router, Target } from './router.ts'

/** What the life of a request needs of the house. */
export interface Services {
  /** Whether this client may ask at all. @throws HeadendError unauthenticated, forbidden */
  readonly authorize: Authorize
  /** Refuses everything while the server starts or drains. @throws HeadendError unavailable */
  readonly guard: () => void
  readonly identify: Identify
  readonly resolve: Router['resolve']
  readonly admit: Admission['admit']
  /** For the log: what went wrong with this exchange. */
  readonly failed: (exchange: Exchange, cause: unknown) => void
}

/** The life of one request. Each line may refuse, with the status beside it. */
export async function generate(exchange: Exchange, protocol: Protocol, services: Services): Promise<void> {
  try {
    const caller = services.authorize(exchange) // 401, 403
    services.guard() // 503
    const draft = protocol.parse(await exchange.body(), exchange) // 400, 408, 413
    const { targets } = services.resolve(draft.model) // 404
    const request = draft.complete() // 400
    const session = services.identify(caller, exchange, request.sessionHint)
    const reply = protocol.openReply(exchange, request) // sends nothing yet
    await answer(reply, request, targets, { id: exchange.id, session, signal: exchange.signal }, exchange, services)
  } catch (cause) {
    services.failed(exchange, cause)
    protocol.refuse(exchange, toHeadendError(cause))
  }
}

async function answer(
  reply: Reply,
  request: GenerateRequest,
  targets: readonly Target[],
  call: Call,
  exchange: Exchange,
  services: Services,
): Promise<void> {
  for (const [index, { backend, model }] of targets.entries()) {
    let permit: Permit | null = null
    try {
      const prepared = await backend.prepare({ ...request, model }, call) // 400: the prompt is too long
      permit = await services.admit(call, backend) // 429, 529
      return await backend.generate(prepared, reply, call)
    } catch (cause) {
      const error = toHeadendError(cause)
      // `started`: the first event is out, a second backend would contradict it. A status line and pings alone do not bind.
      const mayRetry = !reply.started && errorKinds[error.kind].retry && index + 1 < targets.length
      services.failed(exchange, cause)
      if (!mayRetry) return reply.fail(error) // a JSON body while nothing is committed, else the stream's own error event
    } finally {
      permit?.release()
    }
  }
}

/** Counts the prompt of a request as `generate` would. Never waits for a slot. */
export async function count(exchange: Exchange, protocol: Protocol, services: Services): Promise<void> {
  try {
    const caller = services.authorize(exchange)
    services.guard()
    const draft = protocol.parseCount(await exchange.body(), exchange)
    const [target] = services.resolve(draft.model).targets
    const request = draft.complete()
    const session = services.identify(caller, exchange, request.sessionHint)
    const call = { id: exchange.id, session, signal: exchange.signal }
    const { backend, model } = target as Target
    protocol.replyCount(exchange, await backend.countTokens({ ...request, model }, call))
  } catch (cause) {
    services.failed(exchange, cause)
    protocol.refuse(exchange, toHeadendError(cause))
  }
}
