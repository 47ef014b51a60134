import type { Budget } from './budget.ts'

/**
 * JSON as every grammar needs it. A comma or a colon may be followed by one space and nothing else: models were trained on both
 * forms, and a model that may write white space without end does. Numbers stay finite and integers exact in a double. Escaped
 * surrogates come in pairs only, so a character of the grammar is a character of the text.
 */
const jsonRules = String.raw`
value ::= object | array | string | number | boolean | "null"
object ::= "{" ( pair ( comma pair )* )? "}"
pair ::= string colon value
array ::= "[" ( value ( comma value )* )? "]"
string ::= "\"" char* "\""
char ::= [\x20-\x21\x23-\x5B\x5D-\uD7FF\uE000-\U0010FFFF] | "\\" escape
escape ::= ["\\/bfnrt] | "u" unicode
unicode ::= [0-9A-CE-Fa-ce-f] hex hex hex | [Dd] [0-7] hex hex | [Dd] [89ABab] hex hex "\\u" [Dd] [C-Fc-f] hex hex
hex ::= [0-9A-Fa-f]
number ::= "-"? natural fraction? ( [eE] [-+]? [0-9]{1,2} )?
integer ::= "0" | "-"? [1-9] [0-9]{0,14}
natural ::= "0" | [1-9] [0-9]{0,14}
fraction ::= "." [0-9]{1,15}
boolean ::= "true" | "false"
comma ::= "," | ", "
colon ::= ":" | ": "
next ::= ",\"" | ", \""
`

const jsonRuleNames = [...jsonRules.matchAll(/^(\w+) ::=/gm)].map((match) => match[1] ?? '')

/** The rules of one grammar. A rule may be named before it has a body, which is how recursion closes. */
export class RuleSet {
  readonly #budget: Budget
  readonly #bodies = new Map<string, string>()
  /** `root` is defined last, and neither its name nor those of the JSON rules may be taken. */
  readonly #names = new Set<string>(['root', ...jsonRuleNames])

  constructor(budget: Budget) {
    this.#budget = budget
  }

  /** A name that no other rule has; `define` must follow. */
  reserve(stem: string): string {
    let name = `${stem}${this.#names.size}`
    while (this.#names.has(name)) name += 'x'
    this.#names.add(name)
    this.#budget.spendRules(1)
    return name
  }

  /** @param repetitions rules that `{m,n}` in this body costs the engine */
  define(name: string, body: string, repetitions = 0): string {
    this.#names.add(name)
    this.#bodies.set(name, body)
    this.#budget.spendRules(impliedRules(body) + repetitions)
    this.#budget.spendCharacters(name.length + body.length + 6)
    return name
  }

  /** A rule that many may use, made by the first who does. `name` ends in a letter, so it is never a reserved one. */
  share(name: string, body: () => string, repetitions = 0): string {
    return this.#bodies.has(name) ? name : this.define(name, body(), repetitions)
  }

  print(rootBody: string): string {
    let text = `root ::= ${rootBody}\n`
    for (const [name, body] of this.#bodies) text += `${name} ::= ${body}\n`
    return text + jsonRules.trimStart()
  }
}

/** The engine makes a rule of every group and of every `?`, `*` and `+`. Those inside literals are counted too; that errs on the safe side. */
function impliedRules(body: string): number {
  let count = 0
  for (let index = 0; index < body.length; index++) {
    const unit = body.charCodeAt(index)
    if (unit === 0x28 || unit === 0x3f || unit === 0x2a || unit === 0x2b) count++
  }
  return count
}
