import { median } from '../support/median.ts'
import type { Figures } from './cost-cases.ts'
import { type Row, type RowName, rows } from './rows.ts'
import type { TargetName } from './targets.ts'

const titleWidth = 34
const cellWidth = 30

/** Figures of all rounds, round by round, so that what is set off against the mock is of the same round. */
export class Results {
  readonly #values = new Map<string, number[]>()

  add(target: TargetName, figures: Figures): void {
    for (const [row, value] of Object.entries(figures)) {
      const key = `${target} ${row}`
      const values = this.#values.get(key)
      if (values === undefined) this.#values.set(key, [value])
      else values.push(value)
    }
  }

  of(target: TargetName, row: RowName): readonly number[] {
    const values = this.#values.get(`${target} ${row}`) ?? []
    const direct = this.#values.get(`mock ${row}`)
    if (!rows[row].isAdded || target === 'mock' || direct === undefined) return values
    return values.map((value, round) => value - (direct[round] ?? Number.NaN))
  }
}

/** Medians over the rounds, least and largest beside them, then the ratio to the floor and what is asked of headend. */
export function printReport(results: Results, targets: readonly TargetName[]): void {
  console.log(`\n${''.padEnd(titleWidth)}${targets.map((name) => name.padStart(cellWidth)).join('')}`)
  for (const name of Object.keys(rows) as RowName[]) {
    if (targets.every((target) => results.of(target, name).length === 0)) continue
    const cells = targets.map((target) => cell(rows[name], results.of(target, name)).padStart(cellWidth))
    console.log(`${rows[name].title.padEnd(titleWidth)}${cells.join('')}${verdicts(results, targets, name)}`)
  }
  console.log(
    '\nMedian (least to largest round). The column of the mock is the mock itself, asked without a server between.',
  )
}

function cell({ digits, unit }: Row, values: readonly number[]): string {
  if (values.length === 0) return ''
  const [least, most] = [Math.min(...values).toFixed(digits), Math.max(...values).toFixed(digits)]
  const spread = values.length === 1 ? '' : ` (${least} to ${most})`
  return `${median(values).toFixed(digits)} ${unit}${spread}`
}

function verdicts(results: Results, targets: readonly TargetName[], name: RowName): string {
  const { bar }: Row = rows[name]
  if (bar === null) return ''
  const floor = results.of('floor', name)
  const judged = targets.filter((target) => target === 'headend' || target === 'relay')
  const words = judged.map((target) => {
    const values = results.of(target, name)
    const held = median(
      bar.kind === 'ratio' ? values.map((value, round) => value / (floor[round] ?? Number.NaN)) : values,
    )
    if (Number.isNaN(held)) return ''
    return `  ${target} ${held.toFixed(bar.kind === 'ratio' ? 2 : 0)} ${held <= bar.max ? 'pass' : 'FAIL'}`
  })
  return `   bar ${bar.kind === 'ratio' ? `${bar.max} x floor` : bar.max}${words.join('')}`
}
