import type { Loosened } from './loosened.ts'
import { decimalBody, integerBody, type NumberBounds } from './numbers.ts'
import type { RuleSet } from './rule-set.ts'
import { type Conjunction, keyword, type SchemaNode } from './schema-node.ts'

/** The rule of a number that meets the conjunction. */
export function numberRule(rules: RuleSet, conjunction: Conjunction, isInteger: boolean, loosened: Loosened): string {
  const steps = conjunction.map((node) => keyword(node, 'multipleOf')).filter((step) => step !== undefined)
  const whole = isInteger || steps.some((step) => Number.isInteger(step))
  for (const node of conjunction) {
    const step = keyword(node, 'multipleOf')
    if (step !== undefined && step !== 1) loosened.add(node.pointer, 'multipleOf')
  }
  const bounds = boundsOf(conjunction)
  if (bounds.min === Number.NEGATIVE_INFINITY && bounds.max === Number.POSITIVE_INFINITY) {
    return whole ? 'integer' : 'number'
  }
  const body = whole ? integerBody(bounds) : decimalBody(bounds)
  if (body !== null) return shareByBounds(rules, whole ? 'integer' : 'number', bounds, body)
  noteBounds(conjunction, loosened)
  if (whole) return 'integer'
  // Of bounds that are not whole numbers the next whole ones hold.
  const wider = { min: Math.floor(bounds.min), minExclusive: false, max: Math.ceil(bounds.max), maxExclusive: false }
  const widerBody = decimalBody(wider)
  return widerBody === null ? 'number' : shareByBounds(rules, 'number', wider, widerBody)
}

function shareByBounds(rules: RuleSet, stem: string, bounds: NumberBounds, body: string): string {
  const low = `${bounds.minExclusive ? 'above' : 'from'}-${nameOf(bounds.min)}`
  const high = `${bounds.maxExclusive ? 'below' : 'to'}-${nameOf(bounds.max)}`
  return rules.share(`${stem}-${low}-${high}-range`, () => body)
}

/** Rule names hold letters, digits and dashes only. */
function nameOf(bound: number): string {
  return String(bound).replace('-', 'minus-').replace('+', 'plus-').replace('.', '-point-')
}

function boundsOf(conjunction: Conjunction): NumberBounds {
  let bounds: NumberBounds = {
    min: Number.NEGATIVE_INFINITY,
    minExclusive: false,
    max: Number.POSITIVE_INFINITY,
    maxExclusive: false,
  }
  for (const node of conjunction) {
    for (const low of limitsOf(node, 'minimum', 'exclusiveMinimum')) {
      if (low.value > bounds.min || (low.value === bounds.min && low.exclusive)) {
        bounds = { ...bounds, min: low.value, minExclusive: low.exclusive }
      }
    }
    for (const high of limitsOf(node, 'maximum', 'exclusiveMaximum')) {
      if (high.value < bounds.max || (high.value === bounds.max && high.exclusive)) {
        bounds = { ...bounds, max: high.value, maxExclusive: high.exclusive }
      }
    }
  }
  return bounds
}

interface Limit {
  readonly value: number
  readonly exclusive: boolean
}

/** Draft 4 and OpenAPI 3.0 write `exclusiveMinimum: true` beside `minimum`; later drafts give it the number. */
function limitsOf(node: SchemaNode, inclusiveName: string, exclusiveName: string): readonly Limit[] {
  const inclusive = keyword(node, inclusiveName)
  const exclusive = keyword(node, exclusiveName)
  const limits: Limit[] = []
  if (isFiniteNumber(inclusive)) limits.push({ value: inclusive, exclusive: exclusive === true })
  if (isFiniteNumber(exclusive)) limits.push({ value: exclusive, exclusive: true })
  return limits
}

function isFiniteNumber(value: unknown): value is number {
  return Number.isFinite(value)
}

function noteBounds(conjunction: Conjunction, loosened: Loosened): void {
  for (const node of conjunction) {
    for (const name of ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum']) {
      if (keyword(node, name) !== undefined) loosened.add(node.pointer, name)
    }
  }
}
