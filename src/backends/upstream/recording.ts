import { readFileSync, statSync } from 'node:fs'
import { errorKinds, StartError } from '../../contract/errors.ts'
import type { AnswerOptions } from './answer-options.ts'
import {
  type RecordedFailure,
  type RecordedPiece,
  type Recording,
  type RecordingHead,
  recordingVersion,
} from './recorder.ts'

/** A recording with everything escaped stays below. */
const fileBytesMax = 64 * 1024 * 1024

const thinkTagModes: readonly unknown[] = ['auto', 'on', 'off'] satisfies AnswerOptions['thinkTags']['mode'][]

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads what a recorder wrote.
 * @throws StartError naming the file, the line and what is wrong with it
 */
export function readRecording(path: string): Recording {
  const lines = readText(path).split('\n')
  if (lines.at(-1) === '') lines.pop()
  const refuse = (index: number, problem: string): StartError => new StartError(`${path}:${index + 1}: ${problem}`)
  const values = lines.map((line, index) => {
    const value = parseObject(line)
    if (value === null) throw refuse(index, 'expected a JSON object')
    return value
  })
  const head = toHead(values[0] ?? {})
  if (typeof head === 'string') throw refuse(0, head)
  const pieces = values.slice(1, -1).map((value, index) => {
    const piece = toPiece(value)
    if (piece === null)
      throw refuse(index + 1, 'expected {"atMs": number, "text": string} or "base64" in place of "text"')
    return piece
  })
  const last = values.length - 1
  const end = last < 1 ? null : toEnd(values[last] as Fields)
  if (end === null)
    throw refuse(Math.max(0, last), 'expected {"failure": ..., "isTruncated": boolean} at the end: the file was cut')
  return { head, pieces, ...end }
}

function readText(path: string): string {
  try {
    if (statSync(path).size <= fileBytesMax) return readFileSync(path, 'utf8')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new StartError(`cannot read ${path} (${code}): check the path and its permissions`, { cause })
  }
  throw new StartError(`${path}: too large to be a recording`)
}

function parseObject(line: string): Fields | null {
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : null
  } catch {
    return null
  }
}

/** @returns what is wrong, where something is */
function toHead(fields: Fields): RecordingHead | string {
  const { version, protocol, target, requestId, upstreamRequestId, status, contentType, options } = fields
  if (version === undefined) return 'not a recording: "version" is missing'
  if (version !== recordingVersion)
    return `recorded in version ${version}; this headend reads version ${recordingVersion}`
  if (protocol !== 'openai' && protocol !== 'anthropic') return '"protocol": expected openai or anthropic'
  if (typeof target !== 'string') return '"target": expected a string'
  if (typeof requestId !== 'string') return '"requestId": expected a string'
  if (!isNullableString(upstreamRequestId)) return '"upstreamRequestId": expected a string or null'
  if (typeof status !== 'number') return '"status": expected a number'
  if (!isNullableString(contentType)) return '"contentType": expected a string or null'
  const told = options === null ? null : toOptions(options)
  if (told === undefined) return '"options": expected null, or how the answer was decoded'
  return { protocol, target, requestId, upstreamRequestId, status, contentType, options: told }
}

function toOptions(value: unknown): AnswerOptions | undefined {
  if (!isObject(value)) return undefined
  const { stopSequences, stopsReported, parallelCalls, toolNames, discardsThinking, thinkTags, promptTokens } = value
  const isWhole =
    Array.isArray(stopSequences) &&
    stopSequences.every((sequence) => typeof sequence === 'string') &&
    typeof stopsReported === 'boolean' &&
    typeof parallelCalls === 'boolean' &&
    Array.isArray(toolNames) &&
    toolNames.every(isPairOfTexts) &&
    typeof discardsThinking === 'boolean' &&
    isThinkTags(thinkTags) &&
    typeof promptTokens === 'number'
  if (!isWhole) return undefined
  const names = new Map<string, string>(toolNames)
  return { stopSequences, stopsReported, parallelCalls, toolNames: names, discardsThinking, thinkTags, promptTokens }
}

function isPairOfTexts(value: unknown): value is [string, string] {
  return Array.isArray(value) && value.length === 2 && value.every((text) => typeof text === 'string')
}

function isThinkTags(value: unknown): value is AnswerOptions['thinkTags'] {
  if (!isObject(value)) return false
  const { mode, pairs } = value
  return (mode === undefined || thinkTagModes.includes(mode)) && (pairs === undefined || Array.isArray(pairs))
}

function toPiece({ atMs, text, base64 }: Fields): RecordedPiece | null {
  if (typeof atMs !== 'number') return null
  if (typeof text === 'string') return { atMs, bytes: Buffer.from(text) }
  return typeof base64 === 'string' ? { atMs, bytes: Buffer.from(base64, 'base64') } : null
}

function toEnd({ failure, isTruncated }: Fields): Pick<Recording, 'failure' | 'isTruncated'> | null {
  if (typeof isTruncated !== 'boolean') return null
  if (failure === null) return { failure, isTruncated }
  return isFailure(failure) ? { failure, isTruncated } : null
}

function isFailure(value: unknown): value is RecordedFailure {
  return isObject(value) && Object.hasOwn(errorKinds, String(value.kind)) && typeof value.message === 'string'
}

function isNullableString(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
