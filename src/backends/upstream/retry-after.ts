/** Quotas are given anew each day: whoever is told to wait longer had better ask again before. */
const secondsMax = 86_400

/**
 * How long an upstream asks to be left alone, in whole seconds; `null`: it does not say.
 * @param retryAfter the header `retry-after`: seconds or a date (https://www.rfc-editor.org/rfc/rfc9110#field.retry-after)
 * @param retryAfterMs the header `retry-after-ms`, which is the more exact of the two
 */
export function parseRetryAfter(
  retryAfter: string | null,
  retryAfterMs: string | null,
  nowMs: number = Date.now(),
): number | null {
  const ms = parseNumber(retryAfterMs) ?? scaled(parseNumber(retryAfter)) ?? untilDate(retryAfter, nowMs)
  return ms === null ? null : Math.min(secondsMax, Math.max(1, Math.ceil(ms / 1000)))
}

function parseNumber(text: string | null): number | null {
  return text !== null && /^\s*\d+(?:\.\d+)?\s*$/.test(text) ? Number(text) : null
}

function scaled(seconds: number | null): number | null {
  return seconds === null ? null : seconds * 1000
}

function untilDate(text: string | null, nowMs: number): number | null {
  // Date.parse takes `-5` for a year; an HTTP date begins with the name of a day.
  const ms = text === null || !/^\s*[a-z]{3}/i.test(text) ? Number.NaN : Date.parse(text) - nowMs
  return Number.isNaN(ms) ? null : Math.max(0, ms)
}
