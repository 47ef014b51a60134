/** Fifteen digits are exact in a double; longer numbers are noise from a model. */
const magnitudeMax = 999_999_999_999_999

export interface NumberBounds {
  readonly min: number
  readonly minExclusive: boolean
  readonly max: number
  readonly maxExclusive: boolean
}

/** GBNF for the integers within the bounds; `null` when there are none that have fifteen digits or fewer. */
export function integerBody(bounds: NumberBounds): string | null {
  const low = bounds.minExclusive ? Math.floor(bounds.min) + 1 : Math.ceil(bounds.min)
  const high = bounds.maxExclusive ? Math.ceil(bounds.max) - 1 : Math.floor(bounds.max)
  const min = Math.max(low, -magnitudeMax)
  const max = Math.min(high, magnitudeMax)
  if (min > max) return null
  const negative = min < 0 ? `"-" ( ${naturals(Math.max(1, -max), -min)} )` : ''
  const positive = max >= 0 ? naturals(Math.max(0, min), max) : ''
  return joinAlternatives([negative, positive])
}

/**
 * GBNF for decimal numbers within bounds; `null` for bounds that are not whole numbers, or that nothing meets. No exponents: a
 * grammar cannot compare them.
 */
export function decimalBody(bounds: NumberBounds): string | null {
  const min = Math.max(bounds.min, -magnitudeMax)
  const max = Math.min(bounds.max, magnitudeMax)
  if (!Number.isInteger(min) || !Number.isInteger(max) || min > max) return null
  const upper = magnitudes(Math.max(0, min), bounds.minExclusive && min >= 0, max, bounds.maxExclusive)
  const lower = magnitudes(Math.max(0, -max), bounds.maxExclusive && max <= 0, -min, bounds.minExclusive)
  const positive = max >= 0 ? upper : ''
  const negative = min < 0 && lower !== '' ? `"-" ( ${lower} )` : ''
  const body = joinAlternatives([negative, positive])
  return body === '' ? null : body
}

/** Unsigned decimals from `low` to `high`, whole numbers both; '' for none. */
function magnitudes(low: number, lowExclusive: boolean, high: number, highExclusive: boolean): string {
  if (high < low) return ''
  const firstWhole = lowExclusive ? low + 1 : low
  const isEndless = high === magnitudeMax
  return joinAlternatives([
    lowExclusive && low < high ? `"${low}." [0-9]{0,14} [1-9]` : '',
    firstWhole < high ? `( ${naturals(firstWhole, isEndless ? high : high - 1)} ) fraction?` : '',
    firstWhole <= high && !highExclusive && !isEndless ? `"${high}" ".0"?` : '',
  ])
}

function joinAlternatives(bodies: readonly string[]): string {
  return bodies.filter((body) => body !== '').join(' | ')
}

/** Whole numbers from `low` to `high`, at least 0, without leading zeros. */
function naturals(low: number, high: number): string {
  if (high === magnitudeMax && low <= 1) return low === 0 ? 'natural' : '[1-9] [0-9]{0,14}'
  const parts: string[] = []
  for (let length = String(low).length; length <= String(high).length; length++) {
    const from = Math.max(low, length === 1 ? 0 : 10 ** (length - 1))
    parts.push(digitRange(String(from), String(Math.min(high, 10 ** length - 1))))
  }
  return parts.join(' | ')
}

/** Digit strings from `low` to `high`, which are equally long. */
function digitRange(low: string, high: string): string {
  if (low === high) return `"${low}"`
  let shared = 0
  while (low[shared] === high[shared]) shared++
  const rest = splitRange(low.slice(shared), high.slice(shared))
  return shared === 0 ? rest : `"${low.slice(0, shared)}" ( ${rest} )`
}

/** Digit strings whose first digits differ: a partial first group, whole groups, a partial last one. */
function splitRange(low: string, high: string): string {
  const length = low.length - 1
  const lowRest = low.slice(1)
  const highRest = high.slice(1)
  const lowIsWhole = lowRest === '0'.repeat(length)
  const highIsWhole = highRest === '9'.repeat(length)
  const from = Number(low[0]) + (lowIsWhole ? 0 : 1)
  const to = Number(high[0]) - (highIsWhole ? 0 : 1)
  return joinAlternatives([
    lowIsWhole ? '' : `"${low[0]}" ( ${digitRange(lowRest, '9'.repeat(length))} )`,
    from <= to ? `${digits(from, to)}${length === 0 ? '' : ` [0-9]{${length}}`}` : '',
    highIsWhole ? '' : `"${high[0]}" ( ${digitRange('0'.repeat(length), highRest)} )`,
  ])
}

function digits(from: number, to: number): string {
  return from === to ? `"${from}"` : `[${from}-${to}]`
}
