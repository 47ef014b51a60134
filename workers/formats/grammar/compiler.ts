import { arrayForm, arrayRule } from './arrays.ts'
import type { Budget } from './budget.ts'
import { Expander } from './expand.ts'
import { quoteChoice } from './literals.ts'
import type { Loosened } from './loosened.ts'
import { numberRule } from './number-rule.ts'
import { objectForm } from './object-form.ts'
import { objectRule, type Places } from './objects.ts'
import { Overlap } from './overlap.ts'
import type { RuleSet } from './rule-set.ts'
import {
  type Conjunction,
  type Goal,
  keyOfConjunction,
  keyOfGoal,
  keyword,
  type SchemaNode,
  SchemaNodes,
} from './schema-node.ts'
import { stringRule } from './strings.ts'
import { type Alternative, declaredTypes, describeAlternative, hasKeywordsFor, type JsonType, typeOf } from './types.ts'

/** More members of a `oneOf` are not compared pair by pair. */
const comparedMembersMax = 64

/** Values that are longer together are data, not choices. */
const literalCharactersMax = 50_000

/** An object or an array that has a name and no rules yet. */
interface Composite {
  readonly kind: 'object' | 'array'
  readonly name: string
  readonly conjunctions: readonly Conjunction[]
}

/** Subschemas to rules. A place in the schemas is a goal; the same goal is the same rule, which is how recursion ends. */
export class Compiler implements Places {
  readonly #rules: RuleSet
  readonly #loosened: Loosened
  readonly #budget: Budget
  readonly #nodes = new SchemaNodes()
  readonly #expander: Expander
  readonly #overlap: Overlap
  readonly #known = new Map<string, string>()
  /** Worked off one by one instead of by recursion: a schema may be nested deeper than the stack. */
  readonly #open: Composite[] = []

  constructor(rules: RuleSet, loosened: Loosened, budget: Budget) {
    this.#rules = rules
    this.#loosened = loosened
    this.#budget = budget
    this.#expander = new Expander(this.#nodes, loosened, budget)
    this.#overlap = new Overlap(this.#expander, this.#nodes, budget)
  }

  addSchema(schema: unknown, label: string): string {
    const node = this.#nodes.root(schema, label)
    const name = this.ruleFor([node === null ? [] : [node]])
    for (let next = this.#open.shift(); next !== undefined; next = this.#open.shift()) this.#defineComposite(next)
    for (const [owner, members] of this.#expander.takeExclusive()) this.#checkExclusive(owner, members)
    return name
  }

  ruleFor(goal: Goal): string {
    return this.#once(keyOfGoal(goal), () => this.#compile(goal))
  }

  areApart(one: Goal, other: Goal): boolean {
    return this.#overlap.areApart(one, other)
  }

  signatureOf(goal: Goal): string {
    return this.#overlap.signatureOf(goal)
  }

  #once(key: string, make: () => string): string {
    const known = this.#known.get(key)
    if (known !== undefined) return known
    const name = make()
    this.#known.set(key, name)
    return name
  }

  #compile(goal: Goal): string {
    const deep = goal.flat().find(({ depth }) => depth > this.#budget.limits.depthMax)
    if (deep !== undefined) return this.#giveUp(goal, 'depth')
    const expansions = goal.map((conjunction) => this.#expander.expand(conjunction))
    if (this.#budget.exhausted) return this.#giveUp(goal, 'size')
    const alternatives = expansions.flatMap((expansion) => expansion.alternatives)
    if (alternatives.some(({ types, literals }) => types === null && literals === null)) return 'value'
    const names = this.#alternativeRules(alternatives)
    if (expansions.some(({ orNull }) => orNull)) names.add('"null"')
    const [only] = names
    if (only === undefined) return this.#giveUp(goal, 'false')
    if (names.size === 1 && /^[\w-]+$/.test(only)) return only
    return this.#rules.define(this.#rules.reserve('choice'), [...names].join(' | '))
  }

  /** Rule names and bodies, one for each kind of value. Alternatives that contradict themselves are left out. */
  #alternativeRules(alternatives: readonly Alternative[]): Set<string> {
    const names = this.#literalRules(alternatives)
    const open = alternatives.filter((alternative) => alternative.literals === null)
    for (const { types, conjunction } of open) {
      for (const type of types ?? []) {
        if (type === 'boolean') names.add('boolean')
        else if (type === 'null') names.add('"null"')
        else if (type === 'string') names.add(this.#stringRule(conjunction))
        else if (type === 'number' || type === 'integer') names.add(this.#numberRule(conjunction, type))
      }
    }
    for (const kind of ['object', 'array'] as const) {
      const composites = open.filter(({ types }) => types?.has(kind)).map(({ conjunction }) => conjunction)
      if (composites.length > 0) names.add(this.#compositeRule(kind, composites))
    }
    return names
  }

  #literalRules(alternatives: readonly Alternative[]): Set<string> {
    const literals = this.#literalsOf(alternatives)
    const size = literals.reduce((sum, text) => sum + text.length, 0)
    if (literals.length === 0) return new Set()
    if (size < literalCharactersMax && this.#budget.hasRoomFor(size * 2)) return new Set([quoteChoice(literals)])
    this.#note(
      alternatives.filter((alternative) => alternative.literals !== null).map(({ conjunction }) => conjunction),
      'enum',
    )
    return new Set(literals.map((text) => typeOf(JSON.parse(text))).map((type) => (type === 'null' ? '"null"' : type)))
  }

  #literalsOf(alternatives: readonly Alternative[]): readonly string[] {
    const texts = new Set<string>()
    for (const { literals, conjunction } of alternatives) {
      if (literals === null) continue
      const types = new Set(literals.map((text) => typeOf(JSON.parse(text))))
      for (const node of conjunction) {
        if ([...types].some((type) => hasKeywordsFor(node, type))) this.#loosened.add(node.pointer, 'enum')
      }
      for (const text of literals) texts.add(text)
    }
    return [...texts]
  }

  #stringRule(conjunction: Conjunction): string {
    return this.#once(`string ${keyOfConjunction(conjunction)}`, () =>
      stringRule(this.#rules, conjunction, this.#loosened),
    )
  }

  #numberRule(conjunction: Conjunction, type: 'number' | 'integer'): string {
    return numberRule(this.#rules, conjunction, type === 'integer', this.#loosened)
  }

  #compositeRule(kind: Composite['kind'], conjunctions: readonly Conjunction[]): string {
    if (conjunctions.some((conjunction) => isPlain(conjunction, kind))) return kind
    return this.#once(`${kind} ${keyOfGoal(conjunctions)}`, () => {
      const name = this.#rules.reserve(kind)
      this.#open.push({ kind, name, conjunctions: distinct(conjunctions) })
      return name
    })
  }

  #defineComposite({ kind, name, conjunctions }: Composite): void {
    if (this.#budget.exhausted) {
      this.#note(conjunctions, 'size')
      this.#rules.define(name, kind)
    } else if (kind === 'object') {
      const forms = conjunctions.map((conjunction) => objectForm(conjunction, this.#nodes, this.#loosened))
      const { body, isLoosened } = objectRule(this.#rules, name, forms, this)
      if (isLoosened) this.#note(conjunctions, 'alternatives')
      this.#rules.define(name, body)
    } else {
      const forms = conjunctions.map((conjunction) => arrayForm(conjunction, this.#nodes, this.#loosened))
      const { body, isLoosened, repetitions } = arrayRule(this.#rules, name, forms, this)
      if (isLoosened) this.#note(conjunctions, 'alternatives')
      this.#rules.define(name, body, repetitions)
    }
  }

  /** Any JSON; of the right type, where the schema names one. */
  #giveUp(goal: Goal, reason: string): string {
    this.#note(goal, reason)
    const types = goal.map(typeByDeclaration)
    const [type] = types
    if (type === null || type === undefined || types.some((other) => other !== type)) return 'value'
    return type === 'null' ? this.#rules.share('null', () => '"null"') : type
  }

  #checkExclusive(owner: SchemaNode, members: readonly SchemaNode[]): void {
    if (!this.#areExclusive(members)) this.#loosened.add(owner.pointer, 'oneOf')
  }

  #areExclusive(members: readonly SchemaNode[]): boolean {
    if (members.length > comparedMembersMax) {
      const texts = members.map((member) => describeAlternative([member]).literals)
      return texts.every((list) => list !== null) && new Set(texts.flat()).size === texts.flat().length
    }
    return members.every((member, index) =>
      members.slice(index + 1).every((other) => this.#overlap.areExclusive([member], [other])),
    )
  }

  #note(goal: Goal, reason: string): void {
    for (const conjunction of goal) for (const node of conjunction) this.#loosened.add(node.pointer, reason)
  }
}

function distinct(conjunctions: readonly Conjunction[]): readonly Conjunction[] {
  return [...new Map(conjunctions.map((conjunction) => [keyOfConjunction(conjunction), conjunction])).values()]
}

function isPlain(conjunction: Conjunction, kind: Composite['kind']): boolean {
  const hasUnevaluated = conjunction.some((node) => keyword(node, 'unevaluatedProperties') !== undefined)
  return !hasUnevaluated && !conjunction.some((node) => hasKeywordsFor(node, kind))
}

function typeByDeclaration(conjunction: Conjunction): JsonType | null {
  for (const node of conjunction) {
    const [type, ...others] = declaredTypes(node) ?? []
    if (type !== undefined && others.length === 0) return type
  }
  return null
}
