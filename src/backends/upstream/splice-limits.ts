import { findMembers, replaceSpans, type Span } from './json-members.ts'

/** The body as it came, but for a `max_tokens` that is too large, and with the preset before the client's own system text. */
export function spliceLimits(body: Uint8Array, system: string | null, outputTokensMax: number | null): Uint8Array {
  const limited = outputTokensMax === null ? body : lowerMaxTokens(body, outputTokensMax)
  return system === null ? limited : putSystem(limited, system)
}

function lowerMaxTokens(body: Uint8Array, maximum: number): Uint8Array {
  const spans = findMembers(body, startOf(body), 'max_tokens').filter((span) => Number(textOf(body, span)) > maximum)
  return spans.length === 0 ? body : replaceSpans(body, spans, Buffer.from(String(maximum)))
}

/** Only the system text is written anew. Of several the last one counts, as it does for whoever parses the body. */
function putSystem(body: Uint8Array, preset: string): Uint8Array {
  const spans = findMembers(body, startOf(body), 'system')
  const last = spans.at(-1)
  const own: unknown = last === undefined ? null : JSON.parse(textOf(body, last))
  const value = JSON.stringify(withPreset(own, preset))
  if (last !== undefined) return replaceSpans(body, spans, Buffer.from(value))
  const brace = body.indexOf(openBrace, startOf(body))
  return replaceSpans(body, [{ start: brace + 1, end: brace + 1 }], Buffer.from(`"system":${value},`))
}

function withPreset(own: unknown, preset: string): unknown {
  if (!Array.isArray(own)) return typeof own === 'string' && own !== '' ? `${preset}\n\n${own}` : preset
  // The hosted API takes the attribution away by its place, which is the first.
  const place = isAttribution(own[0]) ? 1 : 0
  return [...own.slice(0, place), { type: 'text', text: preset }, ...own.slice(place)]
}

function isAttribution(block: unknown): boolean {
  const text = (block as { readonly text?: unknown } | undefined)?.text
  return typeof text === 'string' && text.startsWith('x-anthropic-billing-header:')
}

const openBrace = 0x7b

/** Behind a byte order mark. */
function startOf(body: Uint8Array): number {
  return body[0] === 0xef ? 3 : 0
}

function textOf(body: Uint8Array, { start, end }: Span): string {
  return Buffer.from(body.buffer, body.byteOffset + start, end - start).toString()
}
