import type { Call } from '../contract/backend.ts'
import { errorKinds, HeadendError } from '../contract/errors.ts'
import type { Route, Target } from '../router.ts'
import { closedForMs, conclude, isPassable, pass } from './breaker.ts'
import { type Candidate, chooseTarget, type Reluctance } from './choose-target.ts'
import type { Dispatch } from './dispatch.ts'
import { failureRules } from './failure-rules.ts'
import { earn, spend } from './retry-budget.ts'
import { retryPauseMs, waitMaxMs } from './retry-pause.ts'
import { noteEnd, noteStart, type TargetHealth } from './target-health.ts'

/** A target that is asked now. */
interface Attempt {
  readonly stop: Stop
  /** Of its breaker when it was asked; see breaker.ts. */
  generation: number
  readonly askedAtMs: number
}

/** One target of the route, and how it went with this request. */
interface Stop {
  readonly target: Target
  readonly health: TargetHealth
  attempts: number
  pauseMs: number
  /** When it may be asked once more; `null`: not at all. */
  againAtMs: number | null
}

/** A request is not sent once more when its client has waited so long already. */
const retryWithinMs = 60_000

/** One request's way through the targets of its route. */
export class Journey {
  readonly #dispatch: Dispatch
  readonly #route: Route
  readonly #call: Call
  readonly #stops: readonly Stop[]
  readonly #conversation: string | null
  readonly #setOutAtMs: number
  readonly #open: Attempt[] = []
  #attempts = 0
  #hasBegun = false
  /** The target that it belongs to was left because it was busy: the conversation returns there. */
  #isGuest = false
  /** Targets whose context is no larger have refused this prompt, or would. */
  #contextAbove = 0

  /** @param conversation asked only when there is a choice: it costs a hash of the prompt's beginning */
  constructor(dispatch: Dispatch, route: Route, call: Call, conversation: () => string | null) {
    this.#dispatch = dispatch
    this.#route = route
    this.#call = call
    this.#stops = route.targets.map((target) => {
      const health = dispatch.health.of(target)
      return { target, health, attempts: 0, pauseMs: 0, againAtMs: null }
    })
    this.#conversation = route.targets.length > 1 ? conversation() : null
    this.#setOutAtMs = dispatch.now()
  }

  /** Targets asked so far, the same one twice counts twice. */
  get attempts(): number {
    return this.#attempts
  }

  /** A second target is to be asked when the first has not begun by then, milliseconds; `null`: never. */
  get hedgeAfterMs(): number | null {
    const afterMs = this.#route.hedgeAfterMs ?? this.#dispatch.hedgeAfterMs
    return afterMs === 0 || this.#stops.length < 2 ? null : afterMs
  }

  /**
   * Who is asked next, after the pause that a retry needs; `null`: nobody, the failure is the client's answer.
   * @param failure how it ended with the target before, also when nobody can take its place: it is noted; `null` at first
   * @throws HeadendError of the kind of their last failure: all have failed lately; or the signal's reason
   */
  async next(failure: HeadendError | null): Promise<Target | null> {
    if (this.#call.signal.aborted) this.end() // whatever failed then failed because of that
    this.#call.signal.throwIfAborted()
    if (failure !== null) for (const attempt of [...this.#open]) this.#fail(attempt, failure)
    if (failure === null) return this.#ask(this.#choose() ?? this.#refuse())
    if (this.#hasBegun || !errorKinds[failure.kind].retry) return null
    const stop = this.#choose() ?? (await this.#waitForRetry())
    return stop === null ? null : this.#ask(stop)
  }

  /** For hedging: one more target beside the one that is asked; `null`: none is fit, or there were too many already. */
  beside(): Target | null {
    const [attempt] = this.#open
    if (attempt === undefined || this.#hasBegun) return null
    const stop = this.#choose(0)
    if (stop === null || !this.#pays(attempt.stop)) return null
    return this.#ask(stop)
  }

  /** Of two that were asked, this one is out. `null`: through no fault of its own. */
  lost(target: Target, failure: HeadendError | null): void {
    const attempt = this.#attemptOf(target)
    if (attempt === null) return
    if (failure === null) this.#abandon(attempt)
    else this.#fail(attempt, failure)
  }

  /** It has begun to answer: it is up, and from now on nobody else can take its place. Idempotent, whoever is named later. */
  started(target: Target): void {
    const attempt = this.#attemptOf(target)
    if (attempt === null || this.#hasBegun) return
    this.#hasBegun = true
    const { health } = attempt.stop
    noteStart(health, this.#dispatch.now() - attempt.askedAtMs)
    if (health.breaker.kind === 'half-open') {
      // The probe has shown enough. What becomes of the answer counts for the closed breaker.
      health.breaker = conclude(health.breaker, attempt.generation, 'answered', this.#dispatch.now(), 0)
      attempt.generation = health.breaker.generation
    }
    this.#remember(target)
  }

  /** The target has answered to the end. */
  succeeded(): void {
    for (const attempt of [...this.#open]) {
      this.#close(attempt)
      const { health, target } = attempt.stop
      noteEnd(health, attempt.generation, null, this.#dispatch.now(), this.#dispatch.random())
      this.#remember(target)
    }
  }

  /** In any case: a request that ends without an outcome, as when its client leaves, gives back what it holds. */
  end(): void {
    for (const attempt of [...this.#open]) this.#abandon(attempt)
  }

  /** One that has not been asked. @param reluctanceMax better nobody than one that there is more reason to leave */
  #choose(reluctanceMax: Reluctance = 3): Stop | null {
    const nowMs = this.#dispatch.now()
    const [only] = this.#stops
    if (only !== undefined && this.#stops.length === 1) {
      const reluctance = this.#reluctance(only, nowMs)
      return reluctance === null || reluctance > reluctanceMax ? null : only
    }
    const remembered = this.#conversation === null ? null : this.#dispatch.conversations.get(this.#conversation)
    const candidates = this.#stops.map((stop): Candidate => {
      const reluctance = this.#reluctance(stop, nowMs)
      return {
        weight: stop.target.weight,
        outstanding: stop.health.outstanding,
        reluctance: reluctance === null || reluctance > reluctanceMax ? null : reluctance,
        remembered: stop.target.id === remembered,
      }
    })
    const index = chooseTarget(candidates, this.#dispatch.random)
    if (index === null) return null
    this.#isGuest ||= candidates.some(({ reluctance, remembered: isHome }) => isHome && reluctance === 1)
    return this.#stops[index] ?? null
  }

  #reluctance(stop: Stop, nowMs: number): Reluctance | null {
    const { health, target } = stop
    if (stop.attempts > 0 || !isPassable(health.breaker, nowMs) || !this.#holds(target)) return null
    if (!target.backend.ready) return 3
    if (nowMs < health.restsUntilMs) return 2
    return this.#spills(target) ? 1 : 0
  }

  #holds({ backend }: Target): boolean {
    return this.#contextAbove === 0 || (backend.facts().contextTokens ?? Number.POSITIVE_INFINITY) > this.#contextAbove
  }

  #spills({ backend }: Target): boolean {
    const afterMs = this.#route.spillAfterMs ?? this.#dispatch.spillAfterMs
    return afterMs > 0 && this.#stops.length > 1 && this.#dispatch.estimateWaitMs(backend.lane) > afterMs
  }

  /** All have been asked: the one that may be asked again soonest, or whoever has become fit while we waited. */
  async #waitForRetry(): Promise<Stop | null> {
    for (let stop = this.#retryable(); stop !== null; stop = this.#retryable()) {
      this.#pays(stop)
      await this.#dispatch.pause(Math.max(this.#retryAtMs(stop) - this.#dispatch.now(), 0), this.#call.signal)
      const other = this.#choose()
      if (other !== null) return other
      if (isPassable(stop.health.breaker, this.#dispatch.now())) return stop
    }
    return null
  }

  #retryable(): Stop | null {
    const nowMs = this.#dispatch.now()
    let soonest: Stop | null = null
    for (const stop of this.#stops) {
      const { health, target } = stop
      const atMs = this.#retryAtMs(stop)
      if (atMs - this.#setOutAtMs > retryWithinMs || health.restsUntilMs - nowMs > waitMaxMs) continue
      if (!isPassable(health.breaker, nowMs) || spend(health.budget, nowMs) === null || !this.#holds(target)) continue
      if (soonest === null || atMs < this.#retryAtMs(soonest)) soonest = stop
    }
    return soonest
  }

  #retryAtMs({ againAtMs, health }: Stop): number {
    return againAtMs === null ? Number.POSITIVE_INFINITY : Math.max(againAtMs, health.restsUntilMs)
  }

  /** Takes a retry out of the target's budget. */
  #pays({ health }: Stop): boolean {
    const budget = spend(health.budget, this.#dispatch.now())
    if (budget === null) return false
    health.budget = budget
    return true
  }

  #ask(stop: Stop): Target {
    const nowMs = this.#dispatch.now()
    const { health, target } = stop
    if (stop.attempts === 0) health.budget = earn(health.budget, nowMs)
    health.breaker = pass(health.breaker, nowMs)
    health.outstanding++
    health.requests++
    stop.attempts++
    this.#attempts++
    this.#open.push({ stop, generation: health.breaker.generation, askedAtMs: nowMs })
    return target
  }

  #fail(attempt: Attempt, failure: HeadendError): void {
    this.#close(attempt)
    const nowMs = this.#dispatch.now()
    const { stop } = attempt
    // The repetitions of one request tell nothing new of the target.
    noteEnd(stop.health, attempt.generation, failure, nowMs, this.#dispatch.random(), stop.attempts === 1)
    if (failure.kind === 'context-overflow') {
      this.#contextAbove = Math.max(this.#contextAbove, stop.target.backend.facts().contextTokens ?? 0)
    }
    // An account that is empty does not fill while we wait; another target may be asked all the same.
    const isFinal = failure.headers['x-should-retry'] === 'false'
    const repeat = isFinal ? 'never' : failureRules[failure.kind].repeat
    const repeatsMax = { never: 0, once: 1, often: this.#dispatch.upstreamRetries }[repeat]
    const pauseMs = retryPauseMs(stop.pauseMs, failure.retryAfterSeconds, this.#dispatch.random())
    const isRepeated = stop.attempts <= repeatsMax && pauseMs !== null
    stop.pauseMs = pauseMs ?? 0
    stop.againAtMs = isRepeated ? nowMs + stop.pauseMs : null
  }

  #abandon(attempt: Attempt): void {
    this.#close(attempt)
    const { health } = attempt.stop
    health.breaker = conclude(health.breaker, attempt.generation, 'none', this.#dispatch.now(), 0)
  }

  #close(attempt: Attempt): void {
    this.#open.splice(this.#open.indexOf(attempt), 1)
    attempt.stop.health.outstanding--
  }

  #attemptOf(target: Target): Attempt | null {
    return this.#open.find(({ stop }) => stop.target === target) ?? null
  }

  #remember(target: Target): void {
    if (this.#conversation !== null && !this.#isGuest) this.#dispatch.conversations.set(this.#conversation, target.id)
  }

  /** Every breaker is open: to ask all the same would cost time and help nobody. */
  #refuse(): never {
    const nowMs = this.#dispatch.now()
    const waitMs = Math.min(...this.#stops.map(({ health }) => closedForMs(health.breaker, nowMs)))
    const retryAfterSeconds = Math.max(Math.ceil(waitMs / 1000), 1)
    const message = `Whatever answers for this model has failed too often lately and is left alone; try again in ${retryAfterSeconds} s`
    const kinds = this.#stops.flatMap(({ health }) => health.lastFailure?.kind ?? [])
    const kind = kinds.find((each) => failureRules[each].health === 'failed') ?? 'upstream-overloaded'
    throw new HeadendError(kind, message, { retryAfterSeconds })
  }
}
