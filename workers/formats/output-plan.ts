import type { GenerateRequest, Tool } from '../../src/contract/request.ts'
import type { CallPlan, CallSyntax, OutputPlan } from '../messages.ts'
import { idHole } from './call-syntax.ts'
import { createGrammarBuilder, type GrammarBuilder } from './grammar.ts'
import type { OutputFormat } from './output-format.ts'
import { endsBehindThought, endsInThought, type ThinkingSyntax } from './thinking-syntax.ts'
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
  const isBegun = calls?.forced === true || request.turns.at(-1)?.role === 'assistant'
  const thought = planThought(format.thinking, request, rendered, isBegun)
  const plan: OutputPlan = {
    thinking: {
      tags: format.thinking === null ? [] : [{ open: format.thinking.opener, close: format.thinking.closer }],
      startsOpen: thought.startsOpen,
      kept: request.thinking.kind !== 'off',
      budgetTokens: request.thinking.kind === 'budget' ? request.thinking.budgetTokens : null,
      closeTokens: format.thinking === null ? [] : vocabulary.encodeSpecial(format.thinking.close),
    },
    calls,
    textGrammar: request.outputSchema === null ? null : textGrammar(context, request, request.outputSchema),
    bannedTokens: calls === null && request.tools.length > 0 ? triggerTokens(context) : [],
    spokenTokens: calls === null ? [] : vocabulary.controlTokensIn(Object.values(calls.syntax).join('')),
  }
  return { thought: thought.text, call: calls?.forced ? calls.syntax.trigger : '', plan }
}

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
  if (isOff && !endsBehindThought(rendered, syntax)) return { text: syntax.empty, startsOpen: false }
  // Under a grammar the text begins where the thought ends, so there must be one.
  if (wantsThought(request) && !isOpen && request.outputSchema !== null) {
    return { text: `${syntax.opener}\n`, startsOpen: true }
  }
  return { text: '', startsOpen: isOpen }
}

function planCalls(context: PlanContext, request: GenerateRequest): CallPlan | null {
  const { tools, toolChoice } = request
  const { calls: syntax } = context.format
  if (tools.length === 0 || toolChoice.kind === 'none') return null
  const callable = toolChoice.kind === 'tool' ? tools.filter(({ name }) => name === toolChoice.name) : tools
  const forced = toolChoice.kind !== 'auto'
  const grammar = writeGrammar(context, (builder) => callBody(builder, syntax, callable))
  return { syntax, forced, grammar, parallel: toolChoice.parallel }
}

/** The text itself, or a call where tools may be called, too. */
function textGrammar(context: PlanContext, request: GenerateRequest, schema: unknown): string {
  const { calls } = context.format
  return writeGrammar(context, (builder) => {
    const text = builder.addSchema(schema)
    if (request.tools.length === 0 || request.toolChoice.kind === 'none') return text
    return `( ${text} | ${builder.addLiteral(calls.trigger)} ${callBody(builder, calls, request.tools)} )`
  })
}

function writeGrammar({ onLoosened }: PlanContext, body: (builder: GrammarBuilder) => string): string {
  const builder = createGrammarBuilder()
  const { gbnf, loosened } = builder.finish(body(builder))
  if (loosened.length > 0) onLoosened(loosened)
  return gbnf
}

/** A call from behind its trigger to its end: a name, and arguments by that tool's schema. */
function callBody(builder: GrammarBuilder, syntax: CallSyntax, tools: readonly Tool[]): string {
  const calls = tools.map(({ name, inputSchema }) => {
    const start = literal(builder, name + syntax.beforeArguments)
    return `${start} ${builder.addSchema(inputSchema, name)} ${literal(builder, syntax.afterArguments)}`
  })
  // A trigger may have ended inside a token that brought the line break along.
  return `[ \\n]{0,2} ${literal(builder, syntax.beforeName.trimStart())} ( ${calls.join(' | ')} )`
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
