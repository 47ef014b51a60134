import { Budget, defaultLimits, type GrammarLimits } from './grammar/budget.ts'
import { Compiler } from './grammar/compiler.ts'
import { quote } from './grammar/literals.ts'
import { Loosened } from './grammar/loosened.ts'
import { RuleSet } from './grammar/rule-set.ts'

export interface GrammarOptions {
  readonly limits?: Partial<GrammarLimits>
}

export interface Grammar {
  /** Its first rule is `root`. */
  readonly gbnf: string
  /** Where it allows more than the schema: a JSON pointer and a keyword each. Empty: all that it allows is valid. */
  readonly loosened: readonly string[]
}

/** One grammar of several schemas and what stands around them. Whatever it returns can be put into a body. */
export interface GrammarBuilder {
  /** @param label put before the pointers of what is loosened @returns the name of the rule for JSON of this schema */
  addSchema(schema: unknown, label?: string): string
  /** The text itself, as GBNF. */
  addLiteral(text: string): string
  /** @param name letters and dashes; a number is added @returns the name of the rule */
  addRule(name: string, body: string): string
  finish(rootBody: string): Grammar
}

/**
 * JSON Schema as a grammar of the engine (https://github.com/ggml-org/llama.cpp/tree/master/grammars), for parsed JSON of any
 * kind: what a grammar cannot say is left open and named. Objects have their declared properties in the declared order; optional
 * ones may be left out, others do not come in. A schema that needs itself inside itself has a grammar without end.
 *
 * What the engine does with it (llama.cpp as bundled with node-llama-cpp 3.22.1; the tests pin the first three):
 * - Where a grammar ends, only end-of-generation tokens are allowed.
 * - Tokens are matched by their text, control tokens too: inside a string the model may write `<|im_start|>`, of which
 *   detokenising leaves nothing. Ban control tokens by a token bias while a grammar is on.
 * - A state that was never used can be cloned, which is 15 to 20 times cheaper than a new one: the text is parsed again for each
 *   new state (3.3 ms for 65 KB, the grammar of 40 tools, against 0.2 ms). A clone in the midst of an answer may take 10 ms,
 *   because every stack is searched for in all rules. So keep one untouched state per grammar and model, and clone that.
 * - Each alternative is a stack that is tried on the whole vocabulary when the sampled token does not fit. That is why literals
 *   are tries, keys share their comma, and a union of objects is one automaton.
 */
export function schemaToGbnf(schema: unknown, options: GrammarOptions = {}): Grammar {
  const builder = createGrammarBuilder(options)
  return builder.finish(builder.addSchema(schema))
}

export function createGrammarBuilder({ limits = {} }: GrammarOptions = {}): GrammarBuilder {
  const budget = new Budget({ ...defaultLimits, ...limits })
  const rules = new RuleSet(budget)
  const loosened = new Loosened()
  const compiler = new Compiler(rules, loosened, budget)
  return {
    addSchema: (schema, label = '') => compiler.addSchema(schema, label),
    addLiteral: quote,
    addRule: (name, body) => rules.define(rules.reserve(name.replace(/[^A-Za-z-]/g, '-')), body),
    finish: (rootBody) => ({ gbnf: rules.print(rootBody), loosened: loosened.list() }),
  }
}
