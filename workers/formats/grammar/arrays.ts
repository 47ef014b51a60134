import type { Loosened } from './loosened.ts'
import type { Places } from './objects.ts'
import { repeat } from './repetition.ts'
import type { RuleSet } from './rule-set.ts'
import { type Conjunction, type Goal, keyword, type SchemaNode, type SchemaNodes } from './schema-node.ts'

/** Items that can be counted: each costs the engine a rule. */
const itemsMax = 256

/** How a grammar sees the arrays of one conjunction. */
export interface ArrayForm {
  /** What stands at the first positions. */
  readonly prefix: readonly Conjunction[]
  /** What may follow them; `null`: nothing. */
  readonly rest: Conjunction | null
  readonly min: number
  /** `null`: no maximum. */
  readonly max: number | null
}

export function arrayForm(conjunction: Conjunction, nodes: SchemaNodes, loosened: Loosened): ArrayForm {
  for (const node of conjunction) {
    if (keyword(node, 'uniqueItems') === true) loosened.add(node.pointer, 'uniqueItems')
    if (keyword(node, 'contains') !== undefined) loosened.add(node.pointer, 'contains')
  }
  const length = Math.max(0, ...conjunction.map((node) => tupleOf(node).length))
  const rest = restOf(conjunction, nodes)
  const bounds = itemBounds(conjunction, loosened)
  const prefix: Conjunction[] = []
  for (let index = 0; index < Math.min(length, itemsMax); index++) {
    const item = itemAt(conjunction, index, nodes)
    if (item === null) break
    prefix.push(item)
  }
  const isEndless = prefix.length === length
  // Like properties: what a tuple does not declare is not asked for, unless its length says so.
  const restIsDeclared = length === 0 || conjunction.some((node) => restKeyword(node).schema !== undefined)
  const form = { prefix, rest: isEndless && (restIsDeclared || bounds.min > length) ? rest : null, ...bounds }
  if (form.rest !== null || form.min <= prefix.length) return form
  for (const node of conjunction) if (keyword(node, 'minItems') !== undefined) loosened.add(node.pointer, 'minItems')
  return { ...form, min: prefix.length }
}

/** An array that has one of these forms. Of several with like items only the items are kept: see `objectRule`. */
export function arrayRule(
  rules: RuleSet,
  name: string,
  forms: readonly ArrayForm[],
  places: Places,
): { readonly body: string; readonly isLoosened: boolean; readonly repetitions: number } {
  const [form] = forms
  if (form !== undefined && forms.length === 1) return { ...formBody(rules, name, form, places), isLoosened: false }
  const items: Goal = forms.flatMap(({ prefix, rest }) => (rest === null ? prefix : [...prefix, rest]))
  const merged = { prefix: [], rest: [], min: 0, max: items.length === 0 ? 0 : null }
  const { body, repetitions } = listBody(rules, name, places.ruleFor(items), merged)
  return { body, repetitions, isLoosened: true }
}

function formBody(
  rules: RuleSet,
  name: string,
  form: ArrayForm,
  places: Places,
): { body: string; repetitions: number } {
  const { prefix, rest, min, max } = form
  if (max === 0 || (prefix.length === 0 && rest === null)) return { body: '"[]"', repetitions: 0 }
  if (prefix.length === 0 && rest !== null) return listBody(rules, name, places.ruleFor([rest]), form)
  const left = max === null ? null : Math.max(0, max - prefix.length)
  const following = { min: Math.max(0, min - prefix.length), max: left }
  let tail = ''
  if (rest !== null) tail = repeat(rules.define(`${name}-more`, `comma ${places.ruleFor([rest])}`), following)
  for (let index = Math.min(prefix.length, max ?? prefix.length) - 1; index >= 0; index--) {
    const item = places.ruleFor([prefix[index] ?? []])
    const own = `${index === 0 ? '' : 'comma '}${item} ${tail}`.trimEnd()
    tail = index >= min ? rules.define(`${name}-from${index}`, `${own} | ""`) : own
  }
  return { body: `"[" ${tail} "]"`, repetitions: left ?? following.min }
}

function listBody(
  rules: RuleSet,
  name: string,
  item: string,
  { min, max }: ArrayForm,
): { body: string; repetitions: number } {
  if (max === 0) return { body: '"[]"', repetitions: 0 }
  const more = rules.define(`${name}-more`, `comma ${item}`)
  const following = repeat(more, { min: Math.max(0, min - 1), max: max === null ? null : max - 1 })
  const items = `${item} ${following}`.trimEnd()
  return { body: min === 0 ? `"[" ( ${items} )? "]"` : `"[" ${items} "]"`, repetitions: max ?? min }
}

/** `prefixItems`, or `items` as a list, which is how it was written before 2020. */
function tupleOf(node: SchemaNode): readonly unknown[] {
  const prefix = keyword(node, 'prefixItems')
  if (Array.isArray(prefix)) return prefix
  const items = keyword(node, 'items')
  return Array.isArray(items) ? items : []
}

function restKeyword(node: SchemaNode): { readonly name: string; readonly schema: unknown } {
  const name = Array.isArray(keyword(node, 'items')) ? 'additionalItems' : 'items'
  return { name, schema: keyword(node, name) }
}

/** What all of the conjunction ask of the item at this place; `null`: there must be none. */
function itemAt(conjunction: Conjunction, index: number, nodes: SchemaNodes): Conjunction | null {
  const item: SchemaNode[] = []
  for (const node of conjunction) {
    const tuple = tupleOf(node)
    const { name, schema } = restKeyword(node)
    const isInTuple = index < tuple.length
    const own = isInTuple ? tuple[index] : schema
    if (own === false) return null
    const prefixName = keyword(node, 'prefixItems') === undefined ? 'items' : 'prefixItems'
    const child = isInTuple ? nodes.child(node, own, prefixName, index) : nodes.child(node, own, name)
    if (child !== null) item.push(child)
  }
  return item
}

function restOf(conjunction: Conjunction, nodes: SchemaNodes): Conjunction | null {
  return itemAt(conjunction, Number.POSITIVE_INFINITY, nodes)
}

function itemBounds(
  conjunction: Conjunction,
  loosened: Loosened,
): { readonly min: number; readonly max: number | null } {
  const lower = conjunction.filter((node) => Number.isInteger(keyword(node, 'minItems')))
  const upper = conjunction.filter((node) => Number.isInteger(keyword(node, 'maxItems')))
  const min = Math.max(0, ...lower.map((node) => Number(keyword(node, 'minItems'))))
  const max = Math.min(...upper.map((node) => Number(keyword(node, 'maxItems'))))
  if (min > itemsMax) for (const node of lower) loosened.add(node.pointer, 'minItems')
  const isUsable = max >= min && max >= 0 && max <= itemsMax
  if (!isUsable && upper.length > 0) for (const node of upper) loosened.add(node.pointer, 'maxItems')
  return { min: Math.min(min, itemsMax), max: isUsable ? max : null }
}
