/** Bytes from `start` up to, but not including, `end`. */
export interface Span {
  readonly start: number
  readonly end: number
}

const quote = 0x22
const backslash = 0x5c
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const comma = 0x2c
const colon = 0x3a

/**
 * The values of one key of an object, in order, without parsing what stands between: about half the time of `JSON.parse`, and
 * nothing is allocated but the result. The keys of objects inside do not count; an escaped spelling of the key does. Of
 * bytes that are no JSON it finds what it can, or nothing.
 * @param from where the object begins, white space aside
 * @param mayRecur asked after each value that was found: `false` ends the search. Only the caller knows what makes that cheap to tell
 */
export function findMembers(
  json: Uint8Array,
  from: number,
  key: string,
  mayRecur: (from: number) => boolean = always,
): readonly Span[] {
  const spans: Span[] = []
  let index = skipSpace(json, from)
  if (json[index] !== openBrace) return spans
  index = skipSpace(json, index + 1)
  while (json[index] === quote) {
    const keyEnd = endOfString(json, index)
    const isMatch = isKey(json, index, keyEnd, key)
    index = skipSpace(json, keyEnd)
    if (json[index] !== colon) break
    const start = skipSpace(json, index + 1)
    const end = endOfValue(json, start)
    if (isMatch) {
      spans.push({ start, end })
      if (!mayRecur(end)) break
    }
    index = skipSpace(json, end)
    if (json[index] !== comma) break
    index = skipSpace(json, index + 1)
  }
  return spans
}

function always(): boolean {
  return true
}

/** The same bytes but for those at `spans`. */
export function replaceSpans(bytes: Uint8Array, spans: readonly Span[], replacement: Uint8Array): Uint8Array {
  const parts: Uint8Array[] = []
  let from = 0
  for (const { start, end } of spans) {
    parts.push(bytes.subarray(from, start), replacement)
    from = end
  }
  parts.push(bytes.subarray(from))
  return Buffer.concat(parts)
}

/** @param start of the quote that opens it */
function isKey(json: Uint8Array, start: number, end: number, key: string): boolean {
  const length = end - start - 2
  if (length < key.length) return false
  if (length === key.length) return isSpelled(json, start + 1, key)
  return json.subarray(start, end).includes(backslash) && decodeString(json, start, end) === key
}

/** `key` is ASCII. */
function isSpelled(json: Uint8Array, start: number, key: string): boolean {
  for (let index = 0; index < key.length; index++) {
    if (json[start + index] !== key.charCodeAt(index)) return false
  }
  return true
}

function decodeString(json: Uint8Array, start: number, end: number): unknown {
  try {
    return JSON.parse(Buffer.from(json.subarray(start, end)).toString())
  } catch {
    return null // not JSON: no key of anybody
  }
}

function endOfValue(json: Uint8Array, start: number): number {
  const first = json[start]
  if (first === quote) return endOfString(json, start)
  if (first === openBrace || first === openBracket) return endOfNested(json, start)
  let index = start
  while (index < json.length && !endsScalar(json[index] as number)) index++
  return index
}

function endsScalar(byte: number): boolean {
  return byte === comma || byte === closeBrace || byte === closeBracket || isSpace(byte)
}

/** @param start of the quote that opens it */
function endOfString(json: Uint8Array, start: number): number {
  const { length } = json
  let index = start + 1
  while (index < length) {
    const byte = json[index++]
    if (byte === quote) return index
    if (byte === backslash) index++
  }
  return length
}

/** @param start of the brace or bracket that opens it */
function endOfNested(json: Uint8Array, start: number): number {
  const { length } = json
  let depth = 0
  let index = start
  while (index < length) {
    const byte = json[index] as number
    if (byte === quote) {
      index = endOfString(json, index)
      continue
    }
    index++
    if (byte === openBrace || byte === openBracket) depth++
    else if ((byte === closeBrace || byte === closeBracket) && --depth === 0) return index
  }
  return length
}

function skipSpace(json: Uint8Array, from: number): number {
  let index = from
  while (isSpace(json[index])) index++
  return index
}

/** The white space of JSON. */
function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}
