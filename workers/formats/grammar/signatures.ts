import type { Budget } from './budget.ts'
import type { SchemaDocument, SchemaNode } from './schema-node.ts'
import type { Alternative } from './types.ts'

/** What a schema says to people. */
const annotations: ReadonlySet<string> = new Set(['description', 'title', '$comment'])

/** Tells whether two places ask for the same, wherever they stand and whatever is said about them. */
export class Signatures {
  readonly #budget: Budget
  readonly #ofNode = new Map<SchemaNode, number>()
  readonly #ofText = new Map<SchemaDocument, Map<string, number>>()
  #next = 0

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** Equal for alternatives that allow the same by the same words. */
  of(alternatives: readonly Alternative[]): string {
    const each = alternatives.map(({ conjunction }) =>
      [...new Set(conjunction.map((node) => this.#numberOf(node)))].sort((one, other) => one - other).join('&'),
    )
    return [...new Set(each)].sort().join('|')
  }

  #numberOf(node: SchemaNode): number {
    const known = this.#ofNode.get(node)
    if (known !== undefined) return known
    const number = this.#numberOfText(node)
    this.#ofNode.set(node, number)
    return number
  }

  /** References are relative to their document, so equal words mean the same only within one. */
  #numberOfText(node: SchemaNode): number {
    const texts = this.#ofText.get(node.document) ?? new Map<string, number>()
    this.#ofText.set(node.document, texts)
    const text = this.#textOf(node)
    const known = text === null ? undefined : texts.get(text)
    if (known !== undefined) return known
    if (text !== null) texts.set(text, this.#next)
    return this.#next++
  }

  /** `null`: too deep to be written. */
  #textOf({ schema }: SchemaNode): string | null {
    if (this.#budget.exhausted) return null
    try {
      const text = JSON.stringify(schema, withoutAnnotations)
      this.#budget.spendSteps(text.length / 64)
      return text
    } catch {
      return null
    }
  }
}

/** A property may be called `description`, but then it is no text. Literal values are kept whole. */
function withoutAnnotations(key: string, value: unknown): unknown {
  if (key === 'const' || key === 'enum') return JSON.stringify(value)
  return typeof value === 'string' && annotations.has(key) ? undefined : value
}
