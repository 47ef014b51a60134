/** A subschema at its place. The same object is the same node, however it is reached: that is how recursion is noticed. */
export interface SchemaNode {
  readonly id: number
  /** `false`: the schema that nothing meets. */
  readonly schema: Readonly<Record<string, unknown>> | false
  /** JSON pointer as a URI fragment, after the label of its schema. */
  readonly pointer: string
  readonly depth: number
  readonly document: SchemaDocument
}

/** A conjunction: every one of these must be met. Empty: any JSON. */
export type Conjunction = readonly SchemaNode[]
/** One of these conjunctions must be met. */
export type Goal = readonly Conjunction[]

export interface SchemaDocument {
  readonly root: unknown
  readonly label: string
}

/** Gives subschemas their identity, for all schemas of one grammar. */
export class SchemaNodes {
  readonly #nodes = new Map<object, SchemaNode>()
  readonly #patterns = new Map<string, object>()
  #nextId = 0
  /** What every key of an object is. */
  readonly anyString: SchemaNode = this.#make({ type: 'string' }, '#', 0, { root: {}, label: '' })

  root(schema: unknown, label: string): SchemaNode | null {
    return this.#nodeOf(schema, `${label}#`, 0, { root: schema, label })
  }

  /** @returns `null` for what constrains nothing: `true`, and what is no schema at all */
  child(parent: SchemaNode, schema: unknown, ...path: readonly (string | number)[]): SchemaNode | null {
    const pointer = path.reduce<string>(
      (before, segment) => `${before}/${escapeSegment(String(segment))}`,
      parent.pointer,
    )
    return this.#nodeOf(schema, pointer, parent.depth + 1, parent.document)
  }

  /** The target of a `$ref` within its own document; `null` for any other. A target that constrains nothing is an empty schema. */
  resolve(from: SchemaNode, reference: string): SchemaNode | null {
    const { root, label } = from.document
    if (reference !== '#' && !reference.startsWith('#/')) return null
    let target: unknown = root
    for (const segment of reference.split('/').slice(1)) {
      const key = decodeSegment(segment)
      if (!isObject(target) && !Array.isArray(target)) return null
      if (!Object.hasOwn(target, key)) return null
      target = (target as Readonly<Record<string, unknown>>)[key]
    }
    if (target !== true && target !== false && !isObject(target)) return null
    return this.#nodeOf(target === true ? {} : target, `${label}${reference}`, 0, from.document)
  }

  /** For the keys that a `patternProperties` is about. */
  stringWithPattern(parent: SchemaNode, pattern: string): SchemaNode {
    const schema = this.#patterns.get(pattern) ?? { type: 'string', pattern }
    this.#patterns.set(pattern, schema)
    const pointer = `${parent.pointer}/patternProperties`
    return this.#nodes.get(schema) ?? this.#make(schema, pointer, parent.depth, parent.document)
  }

  #nodeOf(schema: unknown, pointer: string, depth: number, document: SchemaDocument): SchemaNode | null {
    if (schema === false) return { id: this.#nextId++, schema, pointer, depth, document }
    if (!isObject(schema)) return null
    return this.#nodes.get(schema) ?? this.#make(schema, pointer, depth, document)
  }

  #make(schema: object, pointer: string, depth: number, document: SchemaDocument): SchemaNode {
    const node = { id: this.#nextId++, schema: schema as Readonly<Record<string, unknown>>, pointer, depth, document }
    this.#nodes.set(schema, node)
    return node
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** A keyword's own value: a schema may have come with keys such as `constructor` missing. */
export function keyword(node: SchemaNode, name: string): unknown {
  return node.schema !== false && Object.hasOwn(node.schema, name) ? node.schema[name] : undefined
}

export function keyOfConjunction(conjunction: Conjunction): string {
  return conjunction
    .map(({ id }) => id)
    .sort((one, other) => one - other)
    .join('&')
}

export function keyOfGoal(goal: Goal): string {
  return [...new Set(goal.map(keyOfConjunction))].join('|')
}

function escapeSegment(segment: string): string {
  return segment.replaceAll('~', '~0').replaceAll('/', '~1')
}

function decodeSegment(segment: string): string {
  let decoded = segment
  try {
    decoded = decodeURIComponent(segment)
  } catch {
    // Not percent-encoded after all.
  }
  return decoded.replaceAll('~1', '/').replaceAll('~0', '~')
}
