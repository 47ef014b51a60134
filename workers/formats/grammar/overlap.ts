import type { Budget } from './budget.ts'
import type { Expander } from './expand.ts'
import { propertiesOf, requiredKeys } from './object-form.ts'
import { type Conjunction, type Goal, keyword, type SchemaNodes } from './schema-node.ts'
import { Signatures } from './signatures.ts'
import { type Alternative, type JsonType, typeOf } from './types.ts'

/** Tells whether values of two schemas can be confused. When in doubt, they can. */
export class Overlap {
  readonly #expander: Expander
  readonly #nodes: SchemaNodes
  readonly #budget: Budget
  readonly #signatures: Signatures

  constructor(expander: Expander, nodes: SchemaNodes, budget: Budget) {
    this.#expander = expander
    this.#nodes = nodes
    this.#budget = budget
    this.#signatures = new Signatures(budget)
  }

  /** Equal for goals that ask for the same. */
  signatureOf(goal: Goal): string {
    return this.#signatures.of(this.#alternativesOf(goal))
  }

  /** By type or by literal: what a reader sees before it is inside an object or an array. */
  areApart(one: Goal, other: Goal): boolean {
    return this.#everyPair(one, other, areApartAtFirst)
  }

  /** No value that the grammar makes for one of them meets the other: then `oneOf` is as good as `anyOf`. */
  areExclusive(one: Conjunction, other: Conjunction): boolean {
    const areExclusive = (first: Alternative, second: Alternative): boolean =>
      areApartAtFirst(first, second) || (this.#keepsOut(first, second) && this.#keepsOut(second, first))
    return this.#everyPair([one], [other], areExclusive)
  }

  #everyPair(one: Goal, other: Goal, test: (first: Alternative, second: Alternative) => boolean): boolean {
    const others = this.#alternativesOf(other)
    return this.#alternativesOf(one).every((first) => {
      this.#budget.spendSteps(others.length)
      return !this.#budget.exhausted && others.every((second) => test(first, second))
    })
  }

  #alternativesOf(goal: Goal): readonly Alternative[] {
    return goal.flatMap((conjunction) => this.#expander.expand(conjunction).alternatives)
  }

  /** Only objects could be both, and `reader` accepts none that the grammar makes for `writer`. */
  #keepsOut(reader: Alternative, writer: Alternative): boolean {
    const shared = sharedTypes(reader, writer)
    if (shared === null || shared.some((type) => type !== 'object')) return false
    if (reader.literals !== null || writer.literals !== null) return false
    return this.#refuses(reader.conjunction, writer.conjunction)
  }

  #refuses(reader: Conjunction, writer: Conjunction): boolean {
    const written = declaredKeys(writer)
    const demanded = requiredKeys(reader)
    if (written.size === 0) return false
    if ([...demanded].some((key) => !written.has(key))) return true
    const certain = requiredKeys(writer)
    const isClosed = (node: Conjunction[number]): boolean => keyword(node, 'additionalProperties') === false
    const closed = reader.filter((node) => isClosed(node) && keyword(node, 'patternProperties') === undefined)
    if (closed.some((node) => [...certain].some((key) => !Object.hasOwn(propertiesOf(node), key)))) return true
    return [...certain].some((key) => this.#isDiscriminator(key, reader, writer))
  }

  #isDiscriminator(key: string, reader: Conjunction, writer: Conjunction): boolean {
    const read = this.#valueOf(reader, key)
    return read.length > 0 && this.areApart([read], [this.#valueOf(writer, key)])
  }

  #valueOf(conjunction: Conjunction, key: string): Conjunction {
    return conjunction.flatMap((node) => {
      const properties = propertiesOf(node)
      const child = Object.hasOwn(properties, key) ? this.#nodes.child(node, properties[key], 'properties', key) : null
      return child === null ? [] : [child]
    })
  }
}

function declaredKeys(conjunction: Conjunction): ReadonlySet<string> {
  return new Set([...conjunction.flatMap((node) => Object.keys(propertiesOf(node))), ...requiredKeys(conjunction)])
}

function areApartAtFirst(one: Alternative, other: Alternative): boolean {
  const { literals } = other
  if (one.literals !== null && literals !== null) return !one.literals.some((text) => literals.includes(text))
  return sharedTypes(one, other)?.length === 0
}

/** `null`: any. */
function sharedTypes(one: Alternative, other: Alternative): readonly JsonType[] | null {
  const oneTypes = writtenTypes(one)
  const otherTypes = writtenTypes(other)
  if (oneTypes === null || otherTypes === null) return null
  return [...oneTypes].filter((type) => otherTypes.has(type))
}

/** As the text shows them: an integer is a number. */
function writtenTypes({ literals, types }: Alternative): ReadonlySet<JsonType> | null {
  if (literals !== null) return new Set(literals.map((text) => typeOf(JSON.parse(text))))
  return types === null ? null : new Set([...types].map((type) => (type === 'integer' ? 'number' : type)))
}
