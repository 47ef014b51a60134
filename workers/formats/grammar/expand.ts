import type { Budget } from './budget.ts'
import type { Loosened } from './loosened.ts'
import { type Conjunction, keyOfConjunction, keyword, type SchemaNode, type SchemaNodes } from './schema-node.ts'
import { type Alternative, describeAlternative, hasOversizedEnum, hasUnknownType, isNullable } from './types.ts'

/** Alternatives of one place. A union of more is a generated list of objects, and as good as any JSON. */
const alternativesMax = 256
/** Subschemas looked at for one place. */
const stepsMax = 5000

/** Assertions that no grammar can make, or that would cost more than they give. */
const ignoredAssertions = [
  'not',
  'dependentRequired',
  'dependentSchemas',
  'dependencies',
  'unevaluatedItems',
  '$dynamicRef',
  '$recursiveRef',
]

/** Keywords that lead to other schemas of the same place, and words that assert nothing. */
const silentKeywords: ReadonlySet<string> = new Set([
  ...ignoredAssertions,
  '$ref',
  'allOf',
  'anyOf',
  'oneOf',
  'if',
  'then',
  'else',
  '$defs',
  'definitions',
  '$schema',
  '$id',
  '$anchor',
  '$comment',
  'title',
  'description',
  'default',
  'examples',
  'deprecated',
  'readOnly',
  'writeOnly',
  'nullable',
])

export interface Expansion {
  /** Without `$ref`, `allOf`, `anyOf` and `oneOf`. Empty: nothing meets the schema. */
  readonly alternatives: readonly Alternative[]
  /** OpenAPI: `nullable` beside a `$ref` or a union. */
  readonly orNull: boolean
}

interface Draft {
  /** Nodes that assert something of their own. */
  readonly nodes: SchemaNode[]
  readonly seen: Set<number>
  readonly todo: SchemaNode[]
  /** One way through a union is taken already. */
  readonly isBranch: boolean
  /** Unions not yet decided. */
  readonly choices: (readonly SchemaNode[])[]
}

/** Multiplies a place out: everything that must hold together, for each way through its unions. */
export class Expander {
  readonly #nodes: SchemaNodes
  readonly #loosened: Loosened
  readonly #budget: Budget
  readonly #known = new Map<string, Expansion>()
  readonly #exclusive = new Map<SchemaNode, readonly SchemaNode[]>()
  #steps = 0

  constructor(nodes: SchemaNodes, loosened: Loosened, budget: Budget) {
    this.#nodes = nodes
    this.#loosened = loosened
    this.#budget = budget
  }

  /** Every `oneOf` that was followed as if it were an `anyOf`, once. */
  takeExclusive(): ReadonlyMap<SchemaNode, readonly SchemaNode[]> {
    const taken = new Map(this.#exclusive)
    this.#exclusive.clear()
    return taken
  }

  expand(conjunction: Conjunction): Expansion {
    const key = keyOfConjunction(conjunction)
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const expansion = this.#expand(conjunction)
    this.#budget.spendSteps(this.#steps)
    this.#known.set(key, expansion)
    return expansion
  }

  #expand(conjunction: Conjunction): Expansion {
    this.#steps = 0
    const alternatives: Alternative[] = []
    const drafts: Draft[] = [{ nodes: [], seen: new Set(), todo: [...conjunction], isBranch: false, choices: [] }]
    for (let draft = drafts.pop(); draft !== undefined; draft = drafts.pop()) {
      if (!this.#fold(draft)) continue
      const choice = draft.choices.shift()
      if (choice === undefined) alternatives.push(describeAlternative(draft.nodes))
      else for (const member of [...choice].reverse()) drafts.push(this.#fork(draft, member))
      if (this.#steps > stepsMax || alternatives.length > alternativesMax) return this.#giveUp(conjunction)
    }
    const orNull = conjunction.some((node) => isNullable(node) && keyword(node, 'type') === undefined)
    return { alternatives, orNull }
  }

  /** Takes in all that must hold whatever the unions decide. @returns `false` when nothing can meet it */
  #fold(draft: Draft): boolean {
    for (let node = draft.todo.shift(); node !== undefined; node = draft.todo.shift()) {
      this.#steps++
      if (node.schema === false) return false
      if (this.#steps > stepsMax) continue
      if (draft.seen.has(node.id)) {
        // It holds already, so it asks for nothing more. A union that contains itself would mean nothing at all.
        if (draft.isBranch) this.#loosened.add(node.pointer, 'recursion')
        continue
      }
      draft.seen.add(node.id)
      this.#note(node)
      if (Object.keys(node.schema).some((name) => !silentKeywords.has(name))) draft.nodes.push(node)
      this.#follow(node, draft)
    }
    return true
  }

  #follow(node: SchemaNode, draft: Draft): void {
    const reference = keyword(node, '$ref')
    if (typeof reference === 'string') {
      const target = this.#nodes.resolve(node, reference)
      if (target === null) this.#loosened.add(node.pointer, '$ref')
      else draft.todo.push(target)
    }
    for (const member of this.#members(node, 'allOf')) if (member !== null) draft.todo.push(member)
    for (const name of ['anyOf', 'oneOf']) {
      const members = this.#members(node, name)
      const constraining = members.filter((member) => member !== null)
      // `true` among the members: the union allows everything.
      if (members.length === 0) continue
      if (constraining.length === members.length) draft.choices.push(constraining)
      else if (name === 'oneOf') this.#loosened.add(node.pointer, name)
      if (name === 'oneOf') this.#exclusive.set(node, constraining)
    }
  }

  #members(node: SchemaNode, name: string): readonly (SchemaNode | null)[] {
    const members = keyword(node, name)
    if (!Array.isArray(members)) return []
    return members.map((member, index) => this.#nodes.child(node, member, name, index))
  }

  #note(node: SchemaNode): void {
    for (const name of ignoredAssertions) if (keyword(node, name) !== undefined) this.#loosened.add(node.pointer, name)
    const hasBranch = keyword(node, 'then') !== undefined || keyword(node, 'else') !== undefined
    if (keyword(node, 'if') !== undefined && hasBranch) this.#loosened.add(node.pointer, 'if')
    if (hasOversizedEnum(node)) this.#loosened.add(node.pointer, 'enum')
    if (hasUnknownType(node)) this.#loosened.add(node.pointer, 'type')
  }

  /** Only what the schemas say themselves holds. */
  #giveUp(conjunction: Conjunction): Expansion {
    for (const node of conjunction) this.#loosened.add(node.pointer, 'alternatives')
    return { alternatives: [describeAlternative(conjunction)], orNull: false }
  }

  #fork(draft: Draft, member: SchemaNode): Draft {
    this.#steps += draft.seen.size / 8
    return {
      nodes: [...draft.nodes],
      seen: new Set(draft.seen),
      todo: [member],
      isBranch: true,
      choices: [...draft.choices],
    }
  }
}
