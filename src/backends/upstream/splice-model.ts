import { findMembers, replaceSpans, type Span } from './json-members.ts'

/**
 * The body as it came, but for the value of its top-level `model`: nothing is serialised again, so that key order, spacing, unknown
 * fields and spellings of numbers stay what the upstream's prompt cache has seen before. Of several such keys all are replaced:
 * a second one must not choose a model that headend did not. A body that has none is returned as it is.
 */
export function spliceModel(body: Uint8Array, model: string): Uint8Array {
  const spans = findMembers(body, afterByteOrderMark(body), 'model', (from) => mayNameModel(body, from))
  return replaceUnlessEqual(body, spans, model)
}

/**
 * As `spliceModel`, for the data of a `message_start` event: the name that stands in its `message`.
 * @param from where the data begins
 */
export function spliceMessageModel(event: Uint8Array, from: number, model: string): Uint8Array {
  const spans = findMembers(event, from, 'message').flatMap(({ start }) => findMembers(event, start, 'model'))
  return replaceUnlessEqual(event, spans, model)
}

/** Most models are served under the name that the upstream has for them: then nothing is copied. */
function replaceUnlessEqual(bytes: Uint8Array, spans: readonly Span[], model: string): Uint8Array {
  const replacement = Buffer.from(JSON.stringify(model))
  const isEqual = spans.every(({ start, end }) => replacement.equals(bytes.subarray(start, end)))
  return isEqual ? bytes : replaceSpans(bytes, spans, replacement)
}

/** `JSON.parse` does not take it, but the decoder in front of it does. */
function afterByteOrderMark(body: Uint8Array): number {
  return body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf ? 3 : 0
}

/** A search for a short text looks at each place where its first byte stands: up to 6 ns a byte, where a scan takes 1 ns. */
const searchBytesMax = 1024 * 1024

/**
 * Whether a key `model` may stand behind `from`. Most bodies begin with theirs and have no other: that shows in a native search, a
 * quarter of the time of a scan. Any escape of one of its letters is spelled \u006 and a digit; these three digits alone are rarer than
 * backslashes in most bodies, so that they are looked for first, but ids and numbers have them, too.
 */
function mayNameModel(body: Uint8Array, from: number): boolean {
  if (body.length - from > searchBytesMax) return true
  const rest = Buffer.from(body.buffer, body.byteOffset + from, body.byteLength - from)
  if (rest.includes('model"', 0, 'latin1')) return true
  return rest.includes('006', 0, 'latin1') && rest.includes('\\u006', 0, 'latin1')
}
