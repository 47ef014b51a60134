import { type DestinationStream, destination, type Logger, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { gatheringOutput, gatherLines } from './gathered-lines.ts'
import { isoTime } from './iso-time.ts'

export type Log = Logger

export interface LogOptions {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent'
  /** `auto` is `pretty` on a terminal, else `json`. */
  readonly format: 'auto' | 'json' | 'pretty'
}

/** Credentials, wherever a header object is logged: at the top, under `headers`, or one level deeper. */
const secretHeaders = ['authorization', 'x-api-key', 'proxy-authorization', 'cookie']
const secretPaths = ['', 'headers', '*.headers'].flatMap((parent) =>
  secretHeaders.map((header) => (parent === '' ? `["${header}"]` : `${parent}["${header}"]`)),
)

/** Lines go to standard output unless told otherwise, asynchronously: a full pipe must not hold up the event loop. */
export function createLog(options: LogOptions, target?: DestinationStream): Log {
  const isPretty = resolveLogFormat(options.format) === 'pretty'
  const lines = target ?? (isPretty ? destination({ dest: 1, sync: false }) : gatherLines(destination(gatheringOutput)))
  return pino(
    {
      level: options.level,
      base: null, // neither process id nor host name: who collects logs adds both
      timestamp: isoTime,
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
