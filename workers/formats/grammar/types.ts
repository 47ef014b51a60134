import { type Conjunction, isObject, keyword, type SchemaNode } from './schema-node.ts'

export type JsonType = 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null'

/** A list that a model cannot know by heart; as a grammar it would be larger than all tools together. */
const enumValuesMax = 2000

const jsonTypes: ReadonlySet<unknown> = new Set<JsonType>([
  'object',
  'array',
  'string',
  'number',
  'integer',
  'boolean',
  'null',
])

/** Keywords that assert something about one type only. They also tell what an untyped schema is about. */
export const typeKeywords = {
  object: [
    'properties',
    'required',
    'additionalProperties',
    'patternProperties',
    'propertyNames',
    'minProperties',
    'maxProperties',
  ],
  array: ['items', 'prefixItems', 'minItems', 'maxItems', 'uniqueItems', 'contains'],
  string: ['pattern', 'minLength', 'maxLength', 'format'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum', 'multipleOf'],
} as const satisfies Partial<Record<JsonType, readonly string[]>>

/** The types that a node names, OpenAPI's `nullable` included; `null` when it names none that exists. */
export function declaredTypes(node: SchemaNode): ReadonlySet<JsonType> | null {
  const type = keyword(node, 'type')
  const names = (Array.isArray(type) ? type : [type]).filter(isJsonType)
  if (names.length === 0) return null
  const types = new Set(names)
  if (types.has('number')) types.delete('integer')
  if (isNullable(node)) types.add('null')
  return types
}

/** `type` holds a name that JSON Schema does not know. */
export function hasUnknownType(node: SchemaNode): boolean {
  const type = keyword(node, 'type')
  return type !== undefined && !(Array.isArray(type) ? type : [type]).every(isJsonType)
}

/** OpenAPI's `nullable`, which without a `type` beside it speaks of the whole schema. */
export function isNullable(node: SchemaNode): boolean {
  return keyword(node, 'nullable') === true
}

/** One way to meet a schema, and what every user of it asks first. */
export interface Alternative {
  readonly conjunction: Conjunction
  /** What it may be. `null`: anything. Empty: it contradicts itself. */
  readonly types: ReadonlySet<JsonType> | null
  /** `enum` and `const` as JSON texts, those that the declared types allow; `null` without either. */
  readonly literals: readonly string[] | null
}

export function describeAlternative(conjunction: Conjunction): Alternative {
  return { conjunction, types: typesOf(conjunction), literals: literalsOf(conjunction) }
}

function typesOf(conjunction: Conjunction): ReadonlySet<JsonType> | null {
  const declared = conjunction.map(declaredTypes).filter((types) => types !== null)
  if (declared.length > 0) return declared.reduce(intersect)
  return conjunction.some((node) => valueLists(node).length > 0) ? null : inferredTypes(conjunction)
}

function literalsOf(conjunction: Conjunction): readonly string[] | null {
  const lists = conjunction.flatMap(valueLists)
  const [first, ...others] = lists
  if (first === undefined) return null
  const declared = conjunction.map(declaredTypes).filter((types) => types !== null)
  const texts = textsOf(first.filter((value) => declared.every((types) => isOfType(value, types))))
  for (const values of others) {
    const allowed = textsOf(values)
    for (const text of texts) if (!allowed.has(text)) texts.delete(text)
  }
  return [...texts]
}

/** The list is left out of the grammar. */
export function hasOversizedEnum(node: SchemaNode): boolean {
  const values = keyword(node, 'enum')
  return Array.isArray(values) && (values.length > enumValuesMax || values.length === 0)
}

function valueLists(node: SchemaNode): readonly (readonly unknown[])[] {
  const values = keyword(node, 'enum')
  const lists = Array.isArray(values) && !hasOversizedEnum(node) ? [values] : []
  return node.schema !== false && Object.hasOwn(node.schema, 'const') ? [...lists, [node.schema.const]] : lists
}

function textsOf(values: readonly unknown[]): Set<string> {
  const texts = new Set<string>()
  for (const value of values) {
    try {
      texts.add(JSON.stringify(value))
    } catch {
      // Nested so deeply that it cannot be written. A model could not either.
    }
  }
  return texts
}

function isOfType(value: unknown, types: ReadonlySet<JsonType>): boolean {
  const type = typeOf(value)
  return types.has(type) || (type === 'number' && types.has('integer') && Number.isInteger(value))
}

export function typeOf(value: unknown): Exclude<JsonType, 'integer'> {
  if (value === null || value === undefined) return 'null'
  if (Array.isArray(value)) return 'array'
  const type = typeof value
  return type === 'string' || type === 'number' || type === 'boolean' ? type : 'object'
}

/** An untyped schema with `properties` means objects; the letter of the standard would let a string pass. */
function inferredTypes(conjunction: Conjunction): ReadonlySet<JsonType> | null {
  const types = new Set<JsonType>()
  for (const [type, names] of Object.entries(typeKeywords)) {
    if (isJsonType(type) && conjunction.some((node) => names.some((name) => keyword(node, name) !== undefined))) {
      types.add(type)
    }
  }
  return types.size === 0 ? null : types
}

function intersect(one: ReadonlySet<JsonType>, other: ReadonlySet<JsonType>): ReadonlySet<JsonType> {
  const shared = new Set<JsonType>()
  for (const type of one) {
    if (other.has(type) || (type === 'integer' && other.has('number'))) shared.add(type)
  }
  if (other.has('integer') && one.has('number')) shared.add('integer')
  return shared
}

function isJsonType(value: unknown): value is JsonType {
  return jsonTypes.has(value)
}

/** Whether any of these keywords, beside an `enum` of this type, asks for more than the grammar of its values checks. */
export function hasKeywordsFor(node: SchemaNode, type: Exclude<JsonType, 'integer'>): boolean {
  if (type === 'boolean' || type === 'null' || !isObject(node.schema)) return false
  return typeKeywords[type].some((name) => keyword(node, name) !== undefined)
}
