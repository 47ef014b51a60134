import { constants } from 'node:os'
import { hashKey, hashLine, newKey } from './admission/api-keys.ts'
import { readKeyFile } from './admission/key-file.ts'
import { parseCommandLine, type RunCommand } from './cli.ts'
import { readConfigFile } from './config/config-file.ts'
import { optionNames } from './config/options.ts'
import { summarizeModel, summarizeUpstream } from './config/structure-summary.ts'
import { type Config, configPath, type ResolvedConfig, redacted, resolveConfig } from './config.ts'
import { HeadendError } from './contract/errors.ts'
import { createLog, type Log, resolveLogFormat } from './observe/log.ts'
import type { Server } from './server.ts'
import { version } from './version.ts'

/** A terminal's Ctrl+C and a process manager's stop. Windows has no SIGTERM, but Ctrl+Break. */
const stopSignals: readonly NodeJS.Signals[] =
  process.platform === 'win32' ? ['SIGINT', 'SIGBREAK'] : ['SIGINT', 'SIGTERM']

const libuvThreadsDefault = 4

let isVerbose = false

try {
  const exitCode = await main(process.argv.slice(2))
  // Left to end by itself, a process loses nothing that is still on its way to a pipe; a stopped server must not wait for stray handles.
  if (exitCode === null) process.exitCode = 0
  else process.exit(exitCode)
} catch (cause) {
  process.stderr.write(`${describeFailure(cause)}\n`)
  process.exit(1)
}

/** Returns the exit code of a server that was stopped, or `null` for a command that is simply done. */
async function main(words: readonly string[]): Promise<number | null> {
  const invocation = parseCommandLine(words)
  switch (invocation.kind) {
    case 'help':
      process.stdout.write(invocation.text)
      return null
    case 'version':
      process.stdout.write(`${version}\n`)
      return null
    case 'key':
      process.stdout.write(describeNewKey(invocation.name, invocation.json))
      return null
    case 'replay':
      await showRecording(invocation.path)
      return null
    case 'run':
      return run(invocation.command, resolve(invocation.flags), invocation.json)
    default:
      throw invocation satisfies never
  }
}

function resolve(flags: Readonly<Record<string, unknown>>): ResolvedConfig {
  const { env } = process
  const path = configPath({ flags, env })
  const resolved = resolveConfig({ flags, env, file: path === null ? null : readConfigFile(path) })
  isVerbose = resolved.config.logLevel === 'debug' || resolved.config.logLevel === 'trace'
  return resolved
}

async function run(command: RunCommand, resolved: ResolvedConfig, json: boolean): Promise<number | null> {
  switch (command) {
    case 'serve':
      return serve(resolved.config)
    case 'check':
      process.stdout.write(await check(resolved, json))
      return null
    case 'models':
      process.stdout.write(await describeModels(resolved.config, json))
      return null
    default:
      throw command satisfies never
  }
}

async function serve(config: Config): Promise<number> {
  const log = createLog({ level: config.logLevel, format: config.logFormat })
  // Loaded only here: `--help` and `check` need no native code.
  const { createServer } = await import('./server.ts')
  const server = await createServer(config, log, Number(process.env.UV_THREADPOOL_SIZE) || libuvThreadsDefault)
  const stopped = untilStopped(server, log) // before the banner: whoever waits for it may send a signal at once
  if (resolveLogFormat(config.logFormat) === 'pretty') process.stdout.write(`${server.banner}\n`)
  else log.info({ url: server.url, banner: server.banner }, `Listening on ${server.url}`)
  return stopped
}

/** The first signal drains, the second ends at once, and a third does not even wait for that. Returns the exit code. */
function untilStopped(server: Server, log: Log): Promise<number> {
  return new Promise((fulfil, reject) => {
    let signalCount = 0
    let exitCode = 0
    // Destroying the server also ends a drain that is under way: whichever comes first reports what the last signal asked for.
    const stopped = (): void => fulfil(exitCode)
    const stop = (signal: NodeJS.Signals): void => {
      signalCount += 1
      if (signalCount === 1) {
        log.info(`${signal}: no new requests; running ones may end. Once more ends them now`)
        server.drain().then(stopped, reject)
        return
      }
      exitCode = 128 + constants.signals[signal]
      if (signalCount > 2) process.exit(exitCode)
      log.warn(`${signal}: ending at once`)
      server.destroy().then(stopped, reject)
    }
    for (const signal of stopSignals) process.on(signal, stop)
  })
}

/**
 * One line per option: name, value, origin; then upstreams, models by their targets, and how local models are held. The file of
 * keys is looked into, too, as its mistakes would end a start.
 */
async function check({ config, origins }: ResolvedConfig, json: boolean): Promise<string> {
  if (config.apiKeyFile !== null) readKeyFile(config.apiKeyFile)
  const { upstreams, models: routes, ...shown } = redacted(config)
  const plans = config.backend === 'local' && config.model.length > 0 ? await plansOf(config) : []
  if (json) return `${JSON.stringify({ config: shown, origins, upstreams, routes, models: plans }, null, 2)}\n`
  const rows = optionNames.map((name) => [name, inWords(shown[name]), origins[name]] as const)
  const summaries = [
    ...config.upstreams.map(summarizeUpstream),
    ...config.models.map(summarizeModel),
    ...plans.map(({ id, reasons }) => ({ heading: id, lines: reasons })),
  ]
  const sections = summaries.map(({ heading, lines }) => `\n${[heading, ...lines].join('\n  ')}\n`)
  return table([['option', 'value', 'from'], ...rows]) + sections.join('')
}

/** How each model would be held, and why. A model that is still to be fetched is not fetched for this. */
async function plansOf(config: Config): Promise<readonly { id: string; reasons: readonly string[] }[]> {
  const { planModels } = await import('./backends/registry.ts')
  const { isFetched } = await import('../workers/models/resolve.ts')
  const fetched = await Promise.all(config.model.map((spec) => isFetched(spec, config.cacheDir)))
  const planned = await planModels({ ...config, model: config.model.filter((_, index) => fetched[index]) }, () => {})
  const missing = config.model.filter((_, index) => !fetched[index])
  return [
    ...planned.map(({ file, plan }) => ({ id: file.id, reasons: plan.reasons })),
    ...missing.map((spec) => ({ id: spec, reasons: ['not downloaded yet: planned at the first start'] })),
  ]
}

async function showRecording(path: string): Promise<void> {
  process.stdout.on('error', () => process.exit(0)) // whoever reads this may have seen enough, as head has
  const { readRecording } = await import('./backends/upstream/recording.ts')
  const { replay } = await import('./backends/upstream/replay.ts')
  for (const line of replay(readRecording(path))) process.stdout.write(`${line}\n`)
}

function inWords(value: unknown): string {
  if (value === null) return '-'
  return Array.isArray(value) ? value.join(', ') || '-' : String(value)
}

/** The only place where a key is ever shown. */
function describeNewKey(name: string | null, json: boolean): string {
  const key = newKey()
  const line = hashLine({ name, hash: hashKey(key) })
  if (json) return `${JSON.stringify({ key, line }, null, 2)}\n`
  return [
    'The key, for the client; it is kept nowhere and not shown again:',
    '',
    `  ${key}`,
    '',
    'Its line for the file of --api-key-file:',
    '',
    `  ${line}`,
    '',
  ].join('\n')
}

async function describeModels(config: Config, json: boolean): Promise<string> {
  const { listModels } = await import('../workers/models/resolve.ts')
  const models = await listModels(config.cacheDir)
  if (json) return `${JSON.stringify({ models, configured: config.model }, null, 2)}\n`
  const rows = models.map(({ id, bytes, source, path }) => [id, `${Math.ceil(bytes / 1e6)} MB`, source, path])
  return `${table([['id', 'size', 'source', 'file'], ...rows])}\nConfigured: ${config.model.join(', ') || 'none'}\n`
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '))
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

/** What the user can mend is one clear sentence; the rest is ours, and its stack is for who asks for it. */
function describeFailure(cause: unknown): string {
  if (!(cause instanceof Error)) return `headend: ${String(cause)}`
  const isExpected = cause instanceof HeadendError || ('expected' in cause && cause.expected === true)
  if (isVerbose && !isExpected) return cause.stack ?? cause.message
  const lines = cause.message.split('\n').map((line) => `headend: ${line}`)
  return (isExpected ? lines : [...lines, 'headend: this is a bug of ours; --log-level debug shows where']).join('\n')
}
