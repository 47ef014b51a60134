import type { RuleSet } from './rule-set.ts'

/** The engine turns `x{0,n}` into n rules. Blocks keep long texts short. */
const blockSize = 16

export interface Bounds {
  readonly min: number
  /** `null`: no maximum. */
  readonly max: number | null
}

/** `unit` repeated, exactly as `{min,max}` means it: one rule per possible repetition. */
export function repeat(unit: string, { min, max }: Bounds): string {
  if (max === null) return min === 0 ? `${unit}*` : min === 1 ? `${unit}+` : `${unit}{${min},}`
  if (max === 0) return ''
  if (min === max) return min === 1 ? unit : `${unit}{${min}}`
  return min === 0 && max === 1 ? `${unit}?` : `${unit}{${min},${max}}`
}

/**
 * The same for a unit that holds no nested values (a character), with rules that all users share. A text of 1,000 characters is
 * 62 blocks and a rest, so the engine follows two readings at a time: one that is in a block and one that is in the rest.
 * @param unit the name of a rule
 */
export function repeatShared(rules: RuleSet, unit: string, { min, max }: Bounds): string {
  const needed = exactly(rules, unit, min)
  const more = max === null ? `${unit}*` : max > min ? atMost(rules, unit, max - min) : ''
  return `${needed} ${more}`.trim()
}

function exactly(rules: RuleSet, unit: string, count: number): string {
  if (count <= blockSize) return count === 0 ? '' : `${unit}{${count}}`
  const rest = count % blockSize
  const blocks = `${block(rules, unit)}{${(count - rest) / blockSize}}`
  return rest === 0 ? blocks : `${blocks} ${unit}{${rest}}`
}

function atMost(rules: RuleSet, unit: string, count: number): string {
  if (count < blockSize) return rules.share(`${unit}-${count}-max`, () => `${unit}{0,${count}}`, count)
  const rest = count % blockSize
  let name = rest === 0 ? '""' : atMost(rules, unit, rest)
  const partial = atMost(rules, unit, blockSize - 1)
  const whole = block(rules, unit)
  for (let reached = rest + blockSize; reached <= count; reached += blockSize) {
    const after = name
    name = rules.share(`${unit}-${reached}-max`, () => `${whole} ${after} | ${partial}`)
  }
  return name
}

function block(rules: RuleSet, unit: string): string {
  return rules.share(`${unit}-block`, () => `${unit}{${blockSize}}`)
}
