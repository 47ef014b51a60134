import type { Loosened } from './loosened.ts'
import type { Bounds } from './repetition.ts'
import { type Conjunction, type Goal, isObject, keyword, type SchemaNode, type SchemaNodes } from './schema-node.ts'

/** More properties than any tool has; the object becomes any JSON object. */
const membersMax = 1000

/** How a grammar sees the objects of one conjunction. */
export type ObjectForm =
  /** The declared properties in their order, and no others: agents' models fill whatever they may. */
  | { readonly kind: 'members'; readonly members: readonly Member[]; readonly mayBeEmpty: boolean }
  /** Nothing declared: any keys. */
  | { readonly kind: 'map'; readonly keys: Goal; readonly values: Goal; readonly bounds: Bounds }

export interface Member {
  readonly key: string
  readonly required: boolean
  readonly value: Conjunction
}

/** `false` among the schemas of a property: it must be absent. */
type Property = Conjunction | false

export function objectForm(conjunction: Conjunction, nodes: SchemaNodes, loosened: Loosened): ObjectForm {
  const required = requiredKeys(conjunction)
  const keys = new Set([...conjunction.flatMap((node) => Object.keys(propertiesOf(node))), ...required])
  const bounds = propertyBounds(conjunction, loosened)
  if (keys.size > membersMax) {
    noteKeyword(conjunction, 'properties', loosened)
    return { kind: 'map', keys: [[nodes.anyString]], values: [[]], bounds: { min: 0, max: null } }
  }
  if (keys.size === 0) return mapForm(conjunction, bounds, nodes, loosened)
  for (const name of ['patternProperties', 'propertyNames']) noteKeyword(conjunction, name, loosened)
  if (bounds.max !== null && bounds.max < keys.size) noteKeyword(conjunction, 'maxProperties', loosened)
  const members: Member[] = []
  for (const key of keys) {
    const value = propertyOf(conjunction, key, nodes, loosened)
    if (value !== false) members.push({ key, required: required.has(key), value })
    else if (required.has(key)) members.push(impossibleMember(conjunction, key, loosened))
  }
  const certain = Math.max(members.length === 0 ? 0 : 1, required.size)
  if (bounds.min > certain) noteKeyword(conjunction, 'minProperties', loosened)
  return { kind: 'members', members, mayBeEmpty: required.size === 0 && (bounds.min === 0 || members.length === 0) }
}

/** A property that must and must not be there can only be left open. */
function impossibleMember(conjunction: Conjunction, key: string, loosened: Loosened): Member {
  noteKeyword(conjunction, 'required', loosened)
  return { key, required: true, value: [] }
}

/** Everything that the conjunction asks of one property. */
function propertyOf(conjunction: Conjunction, key: string, nodes: SchemaNodes, loosened: Loosened): Property {
  const value: SchemaNode[] = []
  const isDeclaredAnywhere = conjunction.some((node) => Object.hasOwn(propertiesOf(node), key))
  for (const node of conjunction) {
    const properties = propertiesOf(node)
    const isDeclared = Object.hasOwn(properties, key)
    const additional = isDeclaredAnywhere ? keyword(node, 'additionalProperties') : additionalTo(node)
    const schema = isDeclared ? properties[key] : additional
    if (schema === false && !isDeclared) {
      // Closed schemas joined by `allOf` exclude each other's properties. Nobody means that.
      loosened.add(node.pointer, 'additionalProperties')
      continue
    }
    if (schema === false) return false
    const path = isDeclared ? ['properties', key] : ['additionalProperties']
    const child = nodes.child(node, schema, ...path)
    if (child !== null) value.push(child)
  }
  return value
}

function mapForm(conjunction: Conjunction, bounds: Bounds, nodes: SchemaNodes, loosened: Loosened): ObjectForm {
  const keys: SchemaNode[] = [nodes.anyString]
  const values: SchemaNode[] = []
  let isClosed = false
  const addTo = (list: SchemaNode[], node: SchemaNode | null): void => {
    if (node !== null) list.push(node)
  }
  for (const node of conjunction) {
    addTo(keys, nodes.child(node, keyword(node, 'propertyNames'), 'propertyNames'))
    const entry = patternEntry(node, loosened)
    if (entry !== null) {
      keys.push(nodes.stringWithPattern(node, entry.pattern))
      addTo(values, nodes.child(node, entry.schema, 'patternProperties', entry.pattern))
    } else {
      const additional = additionalTo(node)
      isClosed ||= additional === false
      addTo(values, nodes.child(node, additional, 'additionalProperties'))
    }
  }
  if (isClosed && bounds.min > 0) noteKeyword(conjunction, 'minProperties', loosened)
  if (isClosed) return { kind: 'members', members: [], mayBeEmpty: true }
  // A key written twice counts once, so no more than one member can be asked for.
  if (bounds.min > 1) noteKeyword(conjunction, 'minProperties', loosened)
  return { kind: 'map', keys: [keys], values: [values], bounds: { min: Math.min(1, bounds.min), max: bounds.max } }
}

/** What a schema says of properties that are declared nowhere. */
function additionalTo(node: SchemaNode): unknown {
  return keyword(node, 'additionalProperties') ?? keyword(node, 'unevaluatedProperties')
}

/** A single pattern is followed: all keys match it. With several, a key may match two of them. */
function patternEntry(
  node: SchemaNode,
  loosened: Loosened,
): { readonly pattern: string; readonly schema: unknown } | null {
  const patterns = keyword(node, 'patternProperties')
  if (!isObject(patterns)) return null
  const entries = Object.entries(patterns)
  const [entry] = entries
  if (entries.length === 1 && entry !== undefined) return { pattern: entry[0], schema: entry[1] }
  if (entries.length > 1) loosened.add(node.pointer, 'patternProperties')
  return null
}

export function propertiesOf(node: SchemaNode): Readonly<Record<string, unknown>> {
  const properties = keyword(node, 'properties')
  return isObject(properties) ? properties : {}
}

export function requiredKeys(conjunction: Conjunction): ReadonlySet<string> {
  const lists = conjunction.map((node) => keyword(node, 'required')).filter((list) => Array.isArray(list))
  return new Set(lists.flat().filter((key) => typeof key === 'string'))
}

function propertyBounds(conjunction: Conjunction, loosened: Loosened): Bounds {
  const numbers = (name: string): readonly number[] =>
    conjunction.map((node) => Number(keyword(node, name))).filter((value) => Number.isInteger(value) && value >= 0)
  const min = Math.max(0, ...numbers('minProperties'))
  const max = Math.min(...numbers('maxProperties'))
  if (max < min) noteKeyword(conjunction, 'maxProperties', loosened)
  return { min, max: max < min || !Number.isFinite(max) ? null : max }
}

function noteKeyword(conjunction: Conjunction, name: string, loosened: Loosened): void {
  for (const node of conjunction) if (keyword(node, name) !== undefined) loosened.add(node.pointer, name)
}
