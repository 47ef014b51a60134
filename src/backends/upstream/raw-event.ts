import { HeadendError } from '../../contract/errors.ts'

/** One event of a stream, as bytes that are going to be passed on. */
export interface RawEvent {
  readonly bytes: Uint8Array
  /** Its name, else the `type` of its data; `null`: it has neither. */
  readonly type: string | null
  readonly data: string
  /** Where its data begins in the bytes; `null`: it stands in several lines. */
  readonly dataStart: number | null
}

interface Field {
  readonly name: string
  readonly start: number
  readonly end: number
}

const lineEnd = /\r\n|\n|\r/g
const byteOrderMark = '\xef\xbb\xbf' // the first event of a stream may have it; UTF-8, read as Latin-1

/** @returns `null`: it has no data (a comment, a blank line), so clients do not see it */
export function readRawEvent(bytes: Uint8Array): RawEvent | null {
  const buffer = bufferOf(bytes)
  const text = latin1(buffer)
  const fields = fieldsOf(text, text.startsWith(byteOrderMark) ? byteOrderMark.length : 0)
  const values = fields.filter(({ name }) => name === 'data')
  const first = values[0]
  if (first === undefined) return null
  const data = values.map(({ start, end }) => buffer.toString('utf8', start, end)).join('\n')
  const named = fields.findLast(({ name }) => name === 'event')
  const name = named === undefined ? '' : text.slice(named.start, named.end)
  // Whoever writes no name means `message`: https://html.spec.whatwg.org/multipage/server-sent-events.html#dispatchMessage
  const type = name === '' || name === 'message' ? typeOf(data) : name
  return { bytes, type, data, dataStart: values.length === 1 ? first.start : null }
}

function fieldsOf(text: string, from: number): Field[] {
  const fields: Field[] = []
  let start = from
  for (const {
    index,
    0: { length },
  } of text.slice(from).matchAll(lineEnd)) {
    pushField(fields, text, start, from + index)
    start = from + index + length
  }
  pushField(fields, text, start, text.length)
  return fields
}

function pushField(fields: Field[], text: string, start: number, end: number): void {
  const line = text.slice(start, end)
  if (line === '' || line.startsWith(':')) return
  const colon = line.indexOf(':')
  const name = colon === -1 ? line : line.slice(0, colon)
  const valueStart = colon === -1 ? end : start + colon + (line[colon + 1] === ' ' ? 2 : 1)
  fields.push({ name, start: valueStart, end })
}

const deltaData = '{"type":"content_block_delta"'

function typeOf(data: string): string | null {
  if (data.startsWith(deltaData)) return 'content_block_delta' // nearly all: not parsed
  const value = parseJson(data)
  if (typeof value !== 'object' || value === null) return null
  const { type, error } = value as Readonly<Record<string, unknown>>
  if (typeof type === 'string') return type
  return error === undefined ? null : 'error'
}

/** @throws HeadendError upstream-malformed: its data are something else */
export function objectOf({ data, type }: RawEvent): Readonly<Record<string, unknown>> {
  const value = parseJson(data)
  if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  throw new HeadendError('upstream-malformed', `the upstream sent a ${type} event whose data is no JSON object`)
}

/** One character a byte, so that positions in the text are positions in the bytes. */
export function latin1(bytes: Uint8Array): string {
  return bufferOf(bytes).toString('latin1')
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** @returns `undefined`: it is no JSON */
export function parseJson(data: string): unknown {
  try {
    return JSON.parse(data)
  } catch {
    return undefined
  }
}
