import type { GenerateRequest, Tool } from '../../src/contract/request.ts'
import type { CallPlan, OutputPlan } from '../messages.ts'
import { idHole } from './call-syntax.ts'
import { createGrammarBuilder, type GrammarBuilder } from './grammar.ts'
import { finalHeader, harmonyTokens } from './harmony.ts'
import type { OutputFormat } from './output-format.ts'
import { emptyThought, endsBehindThought, endsInThought, type ThinkingSyntax } from './thinking-syntax.ts'
import type { Vocabulary } from './vocabulary.ts'

/** What the plan of an answer depends on, besides the request. */
export interface PlanContext {
  readonly format: OutputFormat
  readonly vocabulary: Vocabulary
  /** For the log: a schema that the grammar follows only in part. */
  readonly onLoosened: (entries: readonly string[]) => void
}

/** How an answer begins, and how to read it. */
export interface PlannedOutput {
  /** Behind the rendered prompt, before a prefill. */
  readonly thought: string
  /** Behind a prefill. */
  readonly call: string
  readonly plan: OutputPlan
}

/** Whether the template should make room for a thought: the client wants one, and nothing keeps the model from it. */
export function wantsThought({ thinking, toolChoice, tools, turns }: GenerateRequest): boolean {
  if (thinking.kind !== 'adaptive' && thinking.kind !== 'budget') return false
  const isForced = tools.length > 0 && (toolChoice.kind === 'any' || toolChoice.kind === 'tool')
  return !isForced && turns.at(-1)?.role !== 'assistant'
}

/** @param rendered the prompt as the template wrote it, up to where the answer begins */
export function planOutput(context: PlanContext, request: GenerateRequest, rendered: string): PlannedOutput {
  const { format, vocabulary } = context
  const calls = planCalls(context, request)
  const call = calls?.forced ? calls.syntax.trigger : ''
  const isBegun = call !== '' || request.turns.at(-1)?.role === 'assistant'
  const thought = format.harmony ? planHarmony(request, call) : planThought(format.thinking, request, rendered, isBegun)
  const plan: OutputPlan = {
    harmony: format.harmony ? thought.text + call : null,
    thinking: {
      tags: format.thinking === null || format.harmony ? [] : [tagsOf(format.thinking)],
      startsOpen: thought.startsOpen,
      kept: request.thinking.kind !== 'off',
      budgetTokens: request.thinking.kind === 'budget' ? request.thinking.budgetTokens : null,
      closeTokens: format.thinking === null ? [] : vocabulary.encodeSpecial(format.thinking.close),
    },
    calls,
    textGrammar: request.outputSchema === null ? null : textGrammar(context, request, calls, request.outputSchema),
    bannedTokens: calls === null && request.tools.length > 0 ? triggerTokens(context) : [],
    spokenTokens: vocabulary.controlTokensIn(spokenSyntax(format, calls)),
  }
  return { thought: thought.text, call, plan }
}

function tagsOf({ opener, closer }: ThinkingSyntax): { open: string; close: string } {
  return { open: opener, close: closer }
}

/** All that the model may say in control tokens, as one text. */
function spokenSyntax({ harmony, thinking }: OutputFormat, calls: CallPlan | null): string {
  if (harmony) return harmonyTokens.join('')
  const markers = thinking === null ? [] : [thinking.opener, thinking.closer]
  const { trigger, beforeName, beforeArguments, afterArguments, betweenCalls } = calls?.syntax ?? noSyntax
  return [...markers, trigger, beforeName, beforeArguments, afterArguments, betweenCalls ?? ''].join('')
}

const noSyntax = { trigger: '', beforeName: '', beforeArguments: '', afterArguments: '', betweenCalls: null }

interface Thought {
  readonly text: string
  readonly startsOpen: boolean
}

/** Opens or closes a thought where the template left that to us; by its own switch most models need nothing here. */
function planThought(
  syntax: ThinkingSyntax | null,
  request: GenerateRequest,
  rendered: string,
  isBegun: boolean,
): Thought {
  if (syntax === null) return { text: '', startsOpen: false }
  const isOpen = endsInThought(rendered, syntax)
  const isOff = request.thinking.kind === 'off'
  if (isOpen && (isOff || isBegun)) return { text: syntax.close, startsOpen: false }
  if (isOff && !endsBehindThought(rendered, syntax)) return { text: emptyThought(syntax), startsOpen: false }
  // Under a grammar the text begins where the thought ends, so there must be one.
  if (wantsThought(request) && !isOpen && request.outputSchema !== null) return { text: syntax.open, startsOpen: true }
  return { text: '', startsOpen: isOpen }
}

/** Its template ends behind the role of the answer: a header that leaves no choice keeps the model from thinking. */
function planHarmony({ turns, thinking, tools, toolChoice, outputSchema }: GenerateRequest, call: string): Thought {
  const mayCall = tools.length > 0 && toolChoice.kind !== 'none'
  const isPrefilled = turns.at(-1)?.role === 'assistant'
  const isPlain = !mayCall && (thinking.kind === 'off' || (outputSchema !== null && thinking.kind === 'unset'))
  return { text: call === '' && (isPrefilled || isPlain) ? finalHeader : '', startsOpen: false }
}

function planCalls(context: PlanContext, request: GenerateRequest): CallPlan | null {
  const { kind, parallel } = request.toolChoice
  const { calls: syntax } = context.format
  if (request.tools.length === 0 || kind === 'none') return null
  const forced = kind !== 'auto'
  const grammar = writeGrammar(context, (builder) => {
    const call = builder.addRule('calls', callBody(builder, { syntax, parallel }, callableTools(request)))
    // A client that wants calls gets nothing else: behind the first one there is only another, or the end.
    const more = forced && parallel && !context.format.harmony
    return more ? `${call} ( [ \\n]{0,2} ${literal(builder, syntax.trigger)} ${call} )*` : call
  })
  return { syntax, forced, grammar, parallel }
}

function callableTools({ tools, toolChoice }: GenerateRequest): readonly Tool[] {
  return toolChoice.kind === 'tool' ? tools.filter(({ name }) => name === toolChoice.name) : tools
}

/** The text itself, or calls where tools may be called, too. Behind a forced call there is no text, only more calls. */
function textGrammar(context: PlanContext, request: GenerateRequest, calls: CallPlan | null, schema: unknown): string {
  return writeGrammar(context, (builder) => {
    if (calls === null || context.format.harmony) return builder.addSchema(schema)
    const body = callBody(builder, calls, callableTools(request))
    const call = `[ \\n]{0,2} ${builder.addLiteral(calls.syntax.trigger)} ${body}`
    if (calls.forced) return calls.parallel ? `( ${call} )*` : '""'
    return `( ${builder.addSchema(schema)} | ( ${call} )${calls.parallel ? '+' : ''} )`
  })
}

function writeGrammar({ onLoosened }: PlanContext, body: (builder: GrammarBuilder) => string): string {
  const builder = createGrammarBuilder()
  const { gbnf, loosened } = builder.finish(body(builder))
  if (loosened.length > 0) onLoosened(loosened)
  return gbnf
}

/** From behind a trigger to the end: a name, and arguments by that tool's schema; in some formats several, one after the other. */
function callBody(
  builder: GrammarBuilder,
  { syntax, parallel }: Pick<CallPlan, 'syntax' | 'parallel'>,
  tools: readonly Tool[],
): string {
  const bodies = tools.map(({ name, inputSchema }) => {
    const start = literal(builder, name + syntax.beforeArguments)
    return `${start} ${builder.addSchema(inputSchema, name)}`
  })
  const call = builder.addRule('call', bodies.join(' | '))
  const more = syntax.betweenCalls === null || !parallel ? '' : `( ${literal(builder, syntax.betweenCalls)} ${call} )*`
  const start = syntax.beforeName.trimStart()
  // A trigger may have ended inside a token that brought the line break along.
  const space = start === syntax.beforeName ? '' : '[ \\n]{0,2}'
  return `${space} ${literal(builder, start)} ${call} ${more} ${literal(builder, syntax.afterArguments)}`
}

/** Literal text, with any id where the syntax has a hole for one. */
function literal(builder: GrammarBuilder, text: string): string {
  const parts = text.split(idHole).map((part) => (part === '' ? '' : builder.addLiteral(part)))
  return parts.join(' [a-zA-Z0-9]{9} ')
}

/** A trigger of several ordinary tokens cannot be banned without banning words. */
function triggerTokens({ format, vocabulary }: PlanContext): readonly number[] {
  const tokens = format.calls.anywhere ? vocabulary.encodeSpecial(format.calls.trigger) : []
  return tokens.length === 1 ? tokens : []
}
