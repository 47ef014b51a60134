import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino'
import { prettyFactory } from 'pino-pretty'

export type Log = Logger

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  readonly format: 'auto' | 'json' | 'pretty'
}

/** Credentials, wherever a header object is logged: at the top, under `headers`, or one level deeper. */
const secretHeaders = ['authorization', 'x-api-key', 'proxy-authorization', 'cookie']
const secretPaths = ['', 'headers', '*.headers'].flatMap((parent) =>
  secretHeaders.map((header) => (parent === '' ? `["${header}"]` : `${parent}["${header}"]`)),
)

/**
 * Asynchronous, as a full pipe must not hold up the event loop, and not line by line: a write costs a thread's waking, which is more than
 * all else that a small request costs. Pino writes what is left when the process exits.
 */
const gathered = { dest: 1, sync: false, minLength: 12_288, periodicFlush: 100 }

/** Lines go to standard output unless told otherwise. `auto` is `pretty` on a terminal, else `json`. */
export function createLog(options: LogOptions, target?: DestinationStream): Log {
  const isPretty = resolveLogFormat(options.format) === 'pretty'
  const lines = target ?? destination(isPretty ? { dest: 1, sync: false } : gathered)
  return pino(
    {
      level: options.level,
      base: null, // neither process id nor host name: who collects logs adds both
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretPaths, censor: '[redacted]' },
    },
    isPretty ? prettyLines(lines) : lines,
  )
}

export function resolveLogFormat(format: LogOptions['format']): 'json' | 'pretty' {
  if (format !== 'auto') return format
  return process.stdout.isTTY ? 'pretty' : 'json'
}

function prettyLines(target: DestinationStream): DestinationStream {
  const format = prettyFactory({
    colorize: process.stdout.isTTY,
    translateTime: 'SYS:HH:MM:ss.l',
    singleLine: true,
  })
  return { write: (line) => target.write(format(line)) }
}
