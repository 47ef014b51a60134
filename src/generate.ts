import type { Authorize } from './admission/authorize.ts'
import type { Identify } from './admission/identity.ts'
import type { Admission, Permit } from './admission/permits.ts'
import type { Call, RawRequest, Relay } from './contract/backend.ts'
import { conversationKey } from './contract/conversation.ts'
import { errorKinds, type HeadendError, toHeadendError } from './contract/errors.ts'
import type { Exchange } from './contract/exchange.ts'
import { pause } from './contract/pause.ts'
import type { CountingProtocol, Draft, Protocol } from './contract/protocol.ts'
import type { Reply } from './contract/reply.ts'
import type { GenerateRequest } from './contract/request.ts'
import type { Route, Router, Target } from './router.ts'
import type { Dispatcher } from './routing/dispatcher.ts'
import { hedge } from './routing/hedge.ts'
import type { Journey } from './routing/journey.ts'

/** What the life of a request needs of the house. */
export interface Services {
  /** Whether this client may ask at all. @throws HeadendError unauthenticated, forbidden */
  readonly authorize: Authorize
  /** Refuses everything while the server starts or drains. @throws HeadendError unavailable */
  readonly guard: () => void
  readonly identify: Identify
  readonly resolve: Router['resolve']
  readonly admit: Admission['admit']
  readonly dispatch: Dispatcher['plan']
  /** For the log: another target is tried, or the same once more. */
  readonly retried: (exchange: Exchange, target: Target, error: HeadendError) => void
  /** For the log: what went wrong with this exchange. */
  readonly failed: (exchange: Exchange, cause: unknown) => void
}

/** The life of one request. Each line may refuse, with the status beside it. */
export async function generate(exchange: Exchange, protocol: Protocol, services: Services): Promise<void> {
  try {
    const caller = services.authorize(exchange) // 401, 403
    services.guard() // 503
    const body = await exchange.body() // 408, 413
    const draft = protocol.parse(body, exchange) // 400
    const question = understand(draft, resolve(draft, services), body, protocol) // 404, 400
    const session = services.identify(caller, exchange, draft.sessionHint)
    const reply = protocol.openReply(exchange, draft) // sends nothing yet
    await answer(
      reply,
      question,
      { id: exchange.id, session, signal: exchange.signal, client: exchange },
      exchange,
      services,
    )
  } catch (cause) {
    services.failed(exchange, cause)
    protocol.refuse(exchange, toHeadendError(cause))
  }
}

/** An unknown model is told after what is wrong with the request's shape, and before what is wrong with its meaning. */
function resolve(draft: Draft, services: Services): Route {
  try {
    return services.resolve(draft.model)
  } catch (cause) {
    throw draft.fault ?? cause
  }
}

/** A request and who may answer it. */
interface Question {
  readonly route: Route
  /** Those of the targets that are given the client's own bytes. */
  readonly relayed: readonly Target[]
  readonly draft: Draft
  readonly raw: RawRequest
  /** `null`: only upstreams that are given the client's own bytes can answer. */
  readonly request: GenerateRequest | null
}

/**
 * What headend cannot translate may still be passed on to an upstream that speaks the client's protocol: it may know more.
 * @throws HeadendError invalid-request: nobody could answer this
 */
function understand(draft: Draft, route: Route, body: Uint8Array, protocol: Protocol): Question {
  const { system, outputTokensMax } = route
  const raw = { body, model: draft.model, stream: draft.stream, system, outputTokensMax }
  const relayed = route.targets.filter(({ backend }) => backend.relay?.protocol === protocol.name)
  if (relayed.length === route.targets.length) return { route, draft, relayed, raw, request: null }
  try {
    return { route, draft, relayed, raw, request: preset(draft.complete(), route) }
  } catch (refusal) {
    if (relayed.length === 0) throw refusal
    return { route: { ...route, targets: relayed }, draft, relayed, raw, request: null }
  }
}

function preset(request: GenerateRequest, { system, outputTokensMax }: Route): GenerateRequest {
  if (system === null && outputTokensMax === null) return request
  const { maxTokens } = request
  return {
    ...request,
    system: system === null ? request.system : [{ text: system, cacheMark: null }, ...request.system],
    maxTokens: outputTokensMax === null ? maxTokens : Math.min(maxTokens ?? outputTokensMax, outputTokensMax),
  }
}

async function answer(
  reply: Reply,
  question: Question,
  call: Call,
  exchange: Exchange,
  services: Services,
): Promise<void> {
  const journey = services.dispatch(question.route, call, () => conversationOf(question, call))
  try {
    let target = (await journey.next(null)) as Target // the first one is there, or this throws: 529
    reply.onStarted = () => journey.started(target)
    let earlier: unknown = null
    for (;;) {
      try {
        await ask(target, journey, question, reply, call, services)
        return journey.succeeded()
      } catch (cause) {
        const error = toHeadendError(cause)
        // Nobody, once the first event is out: a second answer would contradict it. A status line and pings alone do not bind.
        const next = await journey.next(error)
        // That a stand-in's context is too small says nothing of the prompt: whoever could have held it has failed otherwise.
        if (next === null) throw error.kind === 'context-overflow' ? (earlier ?? cause) : cause
        if (error.kind !== 'context-overflow') earlier = cause
        services.retried(exchange, target, error)
        target = next
      }
    }
  } catch (cause) {
    services.failed(exchange, cause)
    reply.fail(toHeadendError(cause)) // a JSON body while nothing is committed, else the stream's own error event
  } finally {
    journey.end()
  }
}

/** One target; and, where the route says so, a second one beside it when the first is slow to begin. */
function ask(
  target: Target,
  journey: Journey,
  question: Question,
  reply: Reply,
  call: Call,
  services: Services,
): Promise<void> {
  const run = (asked: Target, ownReply: Reply, ownCall: Call): Promise<void> => {
    ownCall.client.addHeader('x-headend-target', asked.id)
    ownCall.client.addHeader('x-headend-attempts', String(journey.attempts))
    if (journey.attempts > 1) ownCall.client.addHeader('x-upstream-request-id', '') // of the attempt before
    return attempt(asked, question, ownReply, ownCall, services)
  }
  const afterMs = journey.hedgeAfterMs
  return afterMs === null ? run(target, reply, call) : hedge({ journey, target, afterMs, reply, call, pause, run })
}

async function attempt(
  target: Target,
  question: Question,
  reply: Reply,
  call: Call,
  { admit }: Services,
): Promise<void> {
  const { backend, model } = target
  const { request, raw } = question
  let permit: Permit | null = null
  try {
    if (request === null || question.relayed.includes(target)) {
      permit = await admit(call, backend.lane) // 429, 529
      await (backend.relay as Relay).generate(raw, model, reply, call)
    } else {
      const prepared = await backend.prepare(request.model === model ? request : { ...request, model }, call) // 400: the prompt is too long
      permit = await admit(call, backend.lane)
      await backend.generate(prepared, reply, call)
    }
  } finally {
    permit?.release()
  }
}

/** Of this model, as the targets of another one are others. */
function conversationOf({ route, draft }: Question, { session }: Call): string {
  return `${route.entry.id} ${conversationKey(draft.opening(), session)}`
}

/** Counts the prompt of a request as `generate` would. Never waits for a slot. */
export async function count(exchange: Exchange, protocol: CountingProtocol, services: Services): Promise<void> {
  try {
    const caller = services.authorize(exchange)
    services.guard()
    const body = await exchange.body()
    const draft = protocol.parseCount(body, exchange)
    const question = understand(draft, resolve(draft, services), body, protocol)
    const session = services.identify(caller, exchange, draft.sessionHint)
    const call = { id: exchange.id, session, signal: exchange.signal, client: exchange }
    const tokens = await countTokens(question, call)
    protocol.replyCount(exchange, tokens)
  } catch (cause) {
    services.failed(exchange, cause)
    protocol.refuse(exchange, toHeadendError(cause))
  }
}

/** By the first target that can be asked: their counts differ little, and a count is no answer that could be given twice. */
async function countTokens(question: Question, call: Call): Promise<number> {
  let failure: unknown = null
  for (const target of question.route.targets) {
    try {
      return await countAt(target, question, call)
    } catch (cause) {
      if (!errorKinds[toHeadendError(cause).kind].retry) throw cause
      failure ??= cause
    }
  }
  throw failure
}

async function countAt(target: Target, { relayed, raw, request, draft }: Question, call: Call): Promise<number> {
  const { backend, model } = target
  if (!relayed.includes(target)) return backend.countTokens({ ...(request as GenerateRequest), model }, call)
  const counted = await (backend.relay as Relay).countTokens(raw, model, call)
  return counted ?? backend.countTokens({ ...(request ?? draft.complete()), model }, call)
}
