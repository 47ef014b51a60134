import { openAccess } from './admission/access.ts'
import { createIdentify } from './admission/identity.ts'
import { createAdmission } from './admission/permits.ts'
import { createLoadReports } from './backends/load-reports.ts'
import { openBackends, type ServedModel } from './backends/registry.ts'
import type { Config } from './config.ts'
import { errorKinds, HeadendError, toHeadendError } from './contract/errors.ts'
import type { Exchange } from './contract/exchange.ts'
import type { Services } from './generate.ts'
import { createApp } from './http/app.ts'
import { type Finished, listen, type Transport } from './http/server.ts'
import type { Log } from './observe/log.ts'
import { createProtocols } from './protocols/registry.ts'
import { createModelRouter, type Router } from './router.ts'
import { createRoutes, probePaths } from './routes.ts'
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
  let router: Router | null = null
  const running = new Set<Exchange>()
  const failures = new WeakMap<Exchange, unknown>()

  const access = openAccess(config, (message) => log.warn(message))
  const protocols = createProtocols(config)
  const admission = createAdmission(config)
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
    failed: (exchange, cause) => failures.set(exchange, cause),
  }
  const app = createApp({
    routes: createRoutes({
      protocols,
      services,
      entries: () => (router as Router).entries(),
      notReady: () => whyNotReady(phase, models),
      status: () => describeStatus(phase, models, admission.status()),
    }),
    prefixes: config.pathPrefix,
    refuse(exchange, error) {
      failures.set(exchange, error)
      protocols.anthropic.refuse(exchange, error)
    },
  })

  const { transport, note } = await listen(config.transport, transportOptions(config), {
    handle(exchange) {
      running.add(exchange)
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
      running.delete(report.exchange)
      logFinished(log, report, access.keyName(report.exchange), failures.get(report.exchange))
    },
  })
  if (note !== null) log.info(note)

  const reports = createLoadReports(log)
  try {
    models = await openBackends(config, reports)
    router = createModelRouter(models, config.modelAlias, config.defaultModel)
    if (config.backend === 'local') warnOfFewThreads(log, models, nativeThreads)
  } catch (cause) {
    transport.destroy()
    await Promise.all(models.map(({ backend }) => backend.destroy()))
    throw cause
  } finally {
    reports.end()
  }
  phase = 'serving'

  const url = urlOf(config, transport)
  return {
    url,
    banner: describe(config, transport, models, url, access.needsKey),
    async drain() {
      phase = 'draining'
      transport.stopListening()
      const closed = transport.close()
      if (!(await settlesWithin(closed, config.drainTimeoutMs))) {
        log.warn({ running: running.size }, 'The drain timeout has passed: ending what still runs')
        const cutOff = new HeadendError('unavailable', shuttingDown, { retryAfterSeconds: restartSeconds })
        for (const exchange of running) exchange.cancel(cutOff)
        await settlesWithin(closed, farewellMs)
      }
      transport.destroy()
      await Promise.all(models.map(({ backend }) => backend.close()))
    },
    async destroy() {
      phase = 'draining'
      transport.destroy()
      await Promise.all(models.map(({ backend }) => backend.destroy()))
    },
  }
}

/** Every slot may keep one thread of libuv's pool busy, and files and name look-ups need some, too. */
function warnOfFewThreads(log: Log, models: readonly ServedModel[], nativeThreads: number): void {
  const wanted = models.reduce((sum, { backend }) => sum + backend.capacity, 4)
  if (wanted <= nativeThreads) return
  log.warn(`${nativeThreads} threads for ${wanted - 4} slots: set UV_THREADPOOL_SIZE=${wanted} in the environment`)
}

const shuttingDown = 'The server is shutting down'

/** For clients that come back: whoever stopped the server may be starting it anew. */
const restartSeconds = 5

function whyNotReady(phase: Phase, models: readonly ServedModel[]): string | null {
  if (phase !== 'serving') return phase
  const down = models.filter(({ backend }) => !backend.ready).map(({ id }) => id)
  return down.length === 0 ? null : `no worker is up for ${down.join(', ')}`
}

function describeStatus(phase: Phase, models: readonly ServedModel[], queue: unknown): unknown {
  return {
    version,
    phase,
    queue,
    models: models.map(({ id, backend }) => ({
      id,
      ready: backend.ready,
      capacity: backend.capacity,
      ...backend.status(),
    })),
  }
}

function transportOptions(config: Config): Parameters<typeof listen>[1] {
  const { tlsCert, tlsKey } = config
  const tls = tlsCert === null || tlsKey === null ? null : { certFile: tlsCert, keyFile: tlsKey }
  return { ...config, tls, headerBytesMax }
}

/** One line per request, at its end. A fault of ours brings its cause. */
function logFinished(log: Log, report: Finished, keyName: string | null, failure: unknown): void {
  const { exchange, status, bytesSent, durationMs, aborted } = report
  const line = {
    requestId: exchange.id,
    method: exchange.method,
    path: exchange.path,
    ...(keyName === null ? {} : { key: keyName }),
    status,
    durationMs: Math.round(durationMs * 10) / 10,
    bytesSent,
    aborted,
    traceparent: exchange.header('traceparent') ?? undefined, // https://www.w3.org/TR/trace-context
  }
  if (failure === undefined) {
    if (probePaths.has(exchange.path)) log.debug(line, 'request')
    else log.info(line, 'request')
    return
  }
  const error = toHeadendError(failure)
  const failed = { ...line, error: error.kind, message: error.message }
  if (errorKinds[error.kind].source === 'client') log.info(failed, 'request')
  else if (error.cause === undefined)
    log.warn(failed, 'request') // refused, as when the queue is full: no fault to look into
  else log.error({ ...failed, err: error.cause }, 'request')
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

function describe(
  config: Config,
  transport: Transport,
  models: readonly ServedModel[],
  url: string,
  needsKey: boolean,
): string {
  const engine = transport.name === 'uws' ? 'uWebSockets.js' : 'node:http'
  const body = `{"model":"${models[0]?.id}","max_tokens":100,"messages":[{"role":"user","content":"Hello!"}]}`
  const insecure = config.tlsCert === null ? '' : ' -k'
  const key = needsKey ? " -H 'x-api-key: YOUR-KEY'" : ''
  return [
    `headend ${version} on ${engine}, Node ${process.versions.node}`,
    ...models.map(({ summary }) => `  model  ${summary}`),
    `  url    ${url}`,
    `  try    curl${insecure} ${url}/v1/messages${key} -H 'content-type: application/json' -d '${body}'`,
  ].join('\n')
}
