import { quote } from './literals.ts'
import type { Member, ObjectForm } from './object-form.ts'
import { repeat } from './repetition.ts'
import type { RuleSet } from './rule-set.ts'
import type { Goal } from './schema-node.ts'

/** Steps of the automaton of a union; beyond, the union is any JSON object. */
const stepsMax = 3000

/** The rules of the places below, as the objects need them. */
export interface Places {
  ruleFor(goal: Goal): string
  /** No text begins as both, except for values without anything inside. */
  areApart(one: Goal, other: Goal): boolean
  /** Equal for goals that ask for the same. */
  signatureOf(goal: Goal): string
}

export interface ObjectRule {
  readonly body: string
  /** Which value belongs to which alternative was given up somewhere. */
  readonly isLoosened: boolean
}

type MembersForm = ObjectForm & { readonly kind: 'members' }

/**
 * An object that has one of these forms. The text of a grammar can be read only forwards, and the engine follows every reading
 * that is still possible: two alternatives with the same nested property would double the readings at each level of a recursive
 * schema, until memory ends. So a union becomes one automaton over keys that is always in one state.
 */
export function objectRule(rules: RuleSet, name: string, forms: readonly ObjectForm[], places: Places): ObjectRule {
  const [form] = forms
  if (form !== undefined && forms.length === 1) {
    const body = form.kind === 'map' ? mapBody(rules, name, form, places) : chainBody(rules, name, form, places)
    return { body, isLoosened: false }
  }
  const members = forms.filter((one) => one.kind === 'members')
  if (members.length < forms.length) return { body: 'object', isLoosened: true }
  return new UnionAutomaton(rules, name, members, places).build()
}

function mapBody(rules: RuleSet, name: string, form: ObjectForm & { readonly kind: 'map' }, places: Places): string {
  const { bounds } = form
  if (bounds.max === 0) return '"{}"'
  const pair = rules.define(`${name}-pair`, `${places.ruleFor(form.keys)} colon ${places.ruleFor(form.values)}`)
  const more = rules.define(`${name}-more`, `comma ${pair}`)
  const rest = repeat(more, { min: 0, max: bounds.max === null ? null : bounds.max - 1 })
  return bounds.min === 0 ? `"{" ( ${pair} ${rest} )? "}"` : `"{" ${pair} ${rest} "}"`
}

/**
 * Linear in the number of properties: `-key3` is the rest of the object from the third key on (its quote is read already), `-rest3`
 * the same with a comma in front, or the end.
 */
function chainBody(rules: RuleSet, name: string, { members, mayBeEmpty }: MembersForm, places: Places): string {
  if (members.length === 0) return '"{}"'
  const bodies = members.map(({ key, value }) => memberBody(key, [value], places))
  let keys = ''
  let rest = ''
  for (let index = members.length - 1; index >= 0; index--) {
    const member = members[index]
    if (member === undefined) continue
    const own = `${bodies[index]} ${rest}`.trimEnd()
    const isLast = index === members.length - 1
    const isAlternative = index > 0 && members[index - 1]?.required === false
    keys = member.required || isLast ? own : `${own} | ${keys}`
    // Used twice, by the key before and by the rest after it, or a choice: then it is a rule of its own.
    if (isAlternative || !member.required) keys = rules.define(`${name}-key${index}`, keys)
    const mayEnd = members.slice(index).every(({ required }) => !required)
    rest = mayEnd ? rules.define(`${name}-rest${index}`, `next ${keys} | ""`) : `next ${keys}`
  }
  return mayBeEmpty ? `"{\\"" ${keys} "}" | "{}"` : `"{\\"" ${keys} "}"`
}

/** A member from behind the quote that opens its key. */
function memberBody(key: string, value: Goal, places: Places): string {
  return `${quote(JSON.stringify(key).slice(1))} colon ${places.ruleFor(value)}`
}

/** For each form, how many of its members are passed; `null`: it is ruled out. */
type State = readonly (number | null)[]

/** A form that has a certain key next. */
interface Option {
  readonly form: number
  readonly member: Member
  readonly passed: number
}

/** Options whose values cannot be told apart by their beginning. */
interface Group {
  readonly value: Goal
  readonly options: readonly Option[]
}

/** One way to go on after a certain key. */
interface Step {
  readonly value: Goal
  readonly state: State
}

class UnionAutomaton {
  readonly #rules: RuleSet
  readonly #name: string
  readonly #forms: readonly MembersForm[]
  readonly #places: Places
  /** States that have a name, and of those the ones still without rules. */
  readonly #names = new Map<string, string>()
  readonly #open: State[] = []
  #steps = 0
  #isLoosened = false

  constructor(rules: RuleSet, name: string, forms: readonly MembersForm[], places: Places) {
    this.#rules = rules
    this.#name = name
    this.#forms = forms
    this.#places = places
  }

  build(): ObjectRule {
    const start = this.#forms.map(() => 0)
    const hasMembers = this.#forms.some(({ members }) => members.length > 0)
    const keys = hasMembers ? this.#keysOf(start) : ''
    for (let state = this.#open.pop(); state !== undefined; state = this.#open.pop()) {
      this.#defineKeys(state)
      if (this.#steps > stepsMax) return this.#giveUp()
    }
    const alternatives = [
      hasMembers ? `"{\\"" ${keys} "}"` : '',
      this.#forms.some(({ mayBeEmpty }) => mayBeEmpty) ? '"{}"' : '',
    ]
    return { body: alternatives.filter((body) => body !== '').join(' | '), isLoosened: this.#isLoosened }
  }

  /** Rules that were named but not reached stay behind, as any object's rest. */
  #giveUp(): ObjectRule {
    for (const name of this.#names.values()) this.#rules.define(name, '"}"')
    return { body: 'object', isLoosened: true }
  }

  #keysOf(state: State): string {
    const key = state.join()
    const known = this.#names.get(key)
    if (known !== undefined) return known
    const name = `${this.#name}-key${this.#names.size}`
    this.#names.set(key, name)
    this.#open.push(state)
    return name
  }

  #defineKeys(state: State): void {
    const bodies = [...this.#optionsFrom(state)].flatMap(([key, options]) =>
      this.#stepsWithKey(options).map(({ value, state: after }) =>
        `${memberBody(key, value, this.#places)} ${this.#restOf(after)}`.trimEnd(),
      ),
    )
    this.#rules.define(this.#keysOf(state), bodies.join(' | '))
  }

  #restOf(state: State): string {
    const hasNext = this.#forms.some(({ members }, form) => (state[form] ?? members.length) < members.length)
    const mayEnd = this.#forms.some(({ members }, form) => {
      const passed = state[form] ?? null
      return passed !== null && members.slice(passed).every(({ required }) => !required)
    })
    if (!hasNext) return ''
    const keys = this.#keysOf(state)
    return mayEnd ? this.#rules.share(`${keys}-rest`, () => `next ${keys} | ""`) : `next ${keys}`
  }

  #optionsFrom(state: State): ReadonlyMap<string, readonly Option[]> {
    const byKey = new Map<string, Option[]>()
    for (const [form, { members }] of this.#forms.entries()) {
      for (let index = state[form] ?? members.length; index < members.length; index++) {
        const member = members[index]
        if (member === undefined) break
        this.#steps++
        const options = byKey.get(member.key)
        if (options === undefined) byKey.set(member.key, [{ form, member, passed: index + 1 }])
        else options.push({ form, member, passed: index + 1 })
        if (member.required) break
      }
    }
    return byKey
  }

  /** The forms that have this key next, told apart by its value where values are: that is what a discriminator does. */
  #stepsWithKey(options: readonly Option[]): readonly Step[] {
    let groups: Group[] = []
    for (const option of options) {
      const value: Goal = [option.member.value]
      const overlapping = groups.filter((group) => !this.#places.areApart(group.value, value))
      const others = groups.filter((group) => !overlapping.includes(group))
      const values = new Map(
        [...overlapping.map((group) => group.value), value].map((goal) => [this.#places.signatureOf(goal), goal]),
      )
      if (values.size > 1) this.#isLoosened = true
      groups = [
        ...others,
        { value: [...values.values()].flat(), options: [...overlapping.flatMap((group) => group.options), option] },
      ]
    }
    return groups.map(({ value, options: grouped }) => ({
      value,
      state: this.#forms.map((_, form) => grouped.find((option) => option.form === form)?.passed ?? null),
    }))
  }
}
