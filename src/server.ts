import { openAccess } from './admission/access.ts'
import { createIdentify } from './admission/identity.ts'
import { createAdmission } from './admission/permits.ts'
import { createLoadReports } from './backends/load-reports.ts'
import { openBackends, openUpstreams, type ServedModel } from './backends/registry.ts'
import type { Upstream } from './backends/upstream/upstream.ts'
import { describeServer } from './banner.ts'
import type { Config } from './config.ts'
import { HeadendError, StartError } from './contract/errors.ts'
import type { Exchange } from './contract/exchange.ts'
import { pause } from './contract/pause.ts'
import type { Services } from './generate.ts'
import { createApp } from './http/app.ts'
import { listen, type Transport } from './http/server.ts'
import type { Log } from './observe/log.ts'
import { createProtocols } from './protocols/registry.ts'
import { createRequestLog } from './request-log.ts'
import type { Router } from './router.ts'
import { createRoutes, protocolAt } from './routes.ts'
import { createDispatcher } from './routing/dispatcher.ts'
import { createModelRouter } from './routing/model-router.ts'
import { version } from './version.ts'

export interface Server {
  readonly url: string
  readonly banner: string
  /** Refuses new requests, lets running ones end within the drain timeout, then ends the rest with an error. */
  drain(): Promise<void>
  /** Ends everything now. */
  destroy(): Promise<void>
}

/** node:http's default is 16 KiB; agents send more than a few beta names and cookies. */
const headerBytesMax = 64 * 1024

/** How long cut-off streams get to take their error event. */
const farewellMs = 2000

type Phase = 'starting' | 'serving' | 'draining'

/**
 * Composition root: builds every part, listens, then loads the models; until they are there `/ready` says no.
 * @param nativeThreads size of libuv's pool, which is fixed before this program runs
 */
export async function createServer(config: Config, log: Log, nativeThreads: number): Promise<Server> {
  let phase: Phase = 'starting'
  let models: readonly ServedModel[] = []
  let upstreams: readonly Upstream[] = []
  let router: Router | null = null
  const failures = new WeakMap<Exchange, unknown>()
  const logRequest = createRequestLog(log)

  const access = openAccess(config, (message) => log.warn(message))
  const protocols = createProtocols(config)
  const admission = createAdmission(config)
  const dispatcher = createDispatcher(config, {
    estimateWaitMs: admission.estimateWaitMs,
    now: () => performance.now(),
    random: Math.random,
    pause,
  })
  const guard = (): void => {
    if (phase === 'serving') return
    const message = phase === 'starting' ? 'The server is starting: its model is still loading' : shuttingDown
    throw new HeadendError('unavailable', message, { retryAfterSeconds: phase === 'starting' ? 2 : restartSeconds })
  }
  const services: Services = {
    authorize: access.authorize,
    guard,
    identify: createIdentify(config.trustedProxy),
    resolve: (model) => (router as Router).resolve(model), // guarded: there is one as soon as it serves
    admit: admission.admit,
    dispatch: dispatcher.plan,
    retried: (exchange, target, error) =>
      log.warn(
        { requestId: exchange.id, target: target.id, error: error.kind, message: error.message },
        'trying again',
      ),
    failed: (exchange, cause) => failures.set(exchange, cause),
  }
  const app = createApp({
    routes: createRoutes({
      protocols,
      services,
      entries: () => (router as Router).entries(),
      notReady: () => whyNotReady(phase, models),
      status: () => ({
        ...describeStatus(phase, models, admission.status()),
        upstreams: upstreams.map((upstream) => upstream.status()),
        targets: dispatcher.status(),
      }),
    }),
    prefixes: config.pathPrefix,
    refuse(exchange, error) {
      failures.set(exchange, error)
      protocolAt(exchange.path, protocols).refuse(exchange, error)
    },
  })

  const { transport, note } = await listen(config.transport, transportOptions(config), {
    handle(exchange) {
      exchange.extraHeaders = access.browsers.answer(exchange)
      const preflight = access.browsers.preflight(exchange)
      if (preflight === null) app(exchange)
      else exchange.respond(204, preflight, '')
    },
    refuseRaw: (status, message, requestId) =>
      protocols.anthropic.errorBody(
        new HeadendError(status === 408 ? 'body-timeout' : 'invalid-request', message),
        requestId,
      ),
    finished(report) {
      logRequest(report, access.keyName(report.exchange), failures.get(report.exchange))
    },
  })
  if (note !== null) log.info(note)

  const warn = (message: string): void => log.warn(message)
  const destroyAll = async (): Promise<void> => {
    await Promise.all([...models.map(({ backend }) => backend), ...upstreams].map((each) => each.destroy()))
  }
  const reports = createLoadReports(log)
  try {
    ;[models, upstreams] = await Promise.all([openBackends(config, reports), openUpstreams(config, warn)])
    for (const { watchHealth, lane } of upstreams) watchHealth((up) => dispatcher.noteHealth(lane, up))
    router = createModelRouter({
      served: models,
      models: config.models,
      openUpstreams: upstreams,
      openTarget: ({ upstream, model, quirks }) => findUpstream(upstreams, upstream).open(model, quirks),
      modelAlias: config.modelAlias,
      defaultModel: config.defaultModel,
    })
    warnOfMissing(log, config, upstreams)
    if (config.backend === 'local') warnOfFewThreads(log, models, nativeThreads)
  } catch (cause) {
    transport.destroy()
    await destroyAll()
    throw cause
  } finally {
    reports.end()
  }
  phase = 'serving'

  const url = urlOf(config, transport)
  return {
    url,
    banner: describeServer({ config, transport, models, upstreams, router, url, needsKey: access.needsKey }),
    async drain() {
      phase = 'draining'
      transport.stopListening()
      const closed = transport.close()
      if (!(await settlesWithin(closed, config.drainTimeoutMs))) {
        log.warn({ running: transport.openCount }, 'The drain timeout has passed: ending what still runs')
        const cutOff = new HeadendError('unavailable', shuttingDown, { retryAfterSeconds: restartSeconds })
        transport.cancelAll(cutOff)
        await settlesWithin(closed, farewellMs)
      }
      transport.destroy()
      await Promise.all([...models.map(({ backend }) => backend), ...upstreams].map((each) => each.close()))
    },
    async destroy() {
      phase = 'draining'
      transport.destroy()
      await destroyAll()
    },
  }
}

/** Every slot may keep one thread of libuv's pool busy, and files and name look-ups need some, too. */
function warnOfFewThreads(log: Log, models: readonly ServedModel[], nativeThreads: number): void {
  const wanted = models.reduce((sum, { backend }) => sum + backend.lane.capacity, 4)
  if (wanted <= nativeThreads) return
  log.warn(`${nativeThreads} threads for ${wanted - 4} slots: set UV_THREADPOOL_SIZE=${wanted} in the environment`)
}

/** A name that is spelt wrong is found out at the start, where its upstream says what it has. */
function warnOfMissing(log: Log, { models }: Config, upstreams: readonly Upstream[]): void {
  for (const { id, targets } of models) {
    for (const target of targets) {
      if (target.kind === 'local' || findUpstream(upstreams, target.upstream).open(target.model).exists !== false)
        continue
      log.warn(`model ${id}: upstream ${target.upstream} does not list ${target.model}`)
    }
  }
}

/** @throws StartError */
function findUpstream(upstreams: readonly Upstream[], name: string): Upstream {
  const upstream = upstreams.find((candidate) => candidate.name === name)
  if (upstream !== undefined) return upstream
  throw new StartError(`no upstream is named ${name}; there is ${upstreams.map((each) => each.name).join(', ')}`)
}

const shuttingDown = 'The server is shutting down'

/** For clients that come back: whoever stopped the server may be starting it anew. */
const restartSeconds = 5

function whyNotReady(phase: Phase, models: readonly ServedModel[]): string | null {
  if (phase !== 'serving') return phase
  const down = models.filter(({ backend }) => !backend.ready).map(({ id }) => id)
  return down.length === 0 ? null : `no worker is up for ${down.join(', ')}`
}

function describeStatus(phase: Phase, models: readonly ServedModel[], queue: unknown): object {
  return {
    version,
    phase,
    queue,
    models: models.map(({ id, backend }) => ({
      id,
      ready: backend.ready,
      capacity: backend.lane.capacity,
      ...backend.status(),
    })),
  }
}

function transportOptions(config: Config): Parameters<typeof listen>[1] {
  const { tlsCert, tlsKey } = config
  const tls = tlsCert === null || tlsKey === null ? null : { certFile: tlsCert, keyFile: tlsKey }
  return { ...config, tls, headerBytesMax }
}

async function settlesWithin(promise: Promise<void>, durationMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), durationMs)
  })
  try {
    return await Promise.race([promise.then(() => true), late])
  } finally {
    clearTimeout(timer)
  }
}

function urlOf(config: Config, transport: Transport): string {
  const scheme = config.tlsCert === null ? 'http' : 'https'
  const wildcards = new Set(['0.0.0.0', '::'])
  const host = wildcards.has(config.host) ? 'localhost' : config.host
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${transport.port}`
}
