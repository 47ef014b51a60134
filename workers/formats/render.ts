import { createHash } from 'node:crypto'
import type { ContentBlock, GenerateRequest, Turn } from '../../src/contract/request.ts'
import type { CallSyntax } from '../messages.ts'
import { arrangeTurns } from './arrange-turns.ts'
import { Placeholders } from './placeholders.ts'
import type { ChatTemplate, TemplateInput, TemplateMessage, TemplateTraits } from './template.ts'
import { declareTools, writeCall, writeResult } from './tool-text.ts'

/** A conversation as the template writes it, up to where the answer begins, with the client's strings still held. */
export interface RenderedConversation {
  readonly text: string
  readonly held: Placeholders
  /** What the answer continues; '' for none. Held like everything of the client's. */
  readonly prefill: string
}

/** How tools and thoughts go into this prompt. */
export interface RenderOptions {
  /** The template's own switch, where it has one. */
  readonly thinking: boolean
  readonly calls: CallSyntax
  /** `false`: the template has no place for tools, so they are told in words. */
  readonly nativeCalls: boolean
  /** Several calls may stand in one turn. */
  readonly parallelCalls: boolean
}

/**
 * Some templates stumble over what they do not know in a schema: then these tools are told in words, too.
 *
 * @throws Error when the template refuses the conversation
 */
export function renderConversation(
  template: ChatTemplate,
  request: GenerateRequest,
  options: RenderOptions,
): RenderedConversation {
  try {
    return renderOnce(template, request, options)
  } catch (cause) {
    if (!options.nativeCalls || request.tools.length === 0) throw cause
    return renderOnce(template, request, { ...options, nativeCalls: false })
  }
}

function renderOnce(template: ChatTemplate, request: GenerateRequest, options: RenderOptions): RenderedConversation {
  const { traits } = template
  const { calls, nativeCalls, parallelCalls, thinking } = options
  const held = new Placeholders()
  const { turns, prefill } = splitPrefill(request.turns)
  const isTold = request.tools.length > 0 && !nativeCalls
  const system = isTold ? [...request.system, declareTools(request.tools, calls)] : request.system
  const arranged = arrangeTurns(system, turns, traits, parallelCalls || !nativeCalls)
  const tools = nativeCalls ? request.tools.map((tool) => toTemplateTool(tool, held)) : []
  const messages = toMessages(arranged, { traits, calls, nativeCalls, held })
  const text = template.render({ messages, tools, thinking, ...effortOf(request) })
  return { text, held, prefill: prefill.map((part) => held.hold(part)).join('') }
}

/** Templates know three steps. Who wants no thought gets the shortest from models that cannot do without. */
function effortOf({ effort, thinking }: GenerateRequest): Pick<TemplateInput, 'effort'> {
  if (effort === null) return thinking.kind === 'off' ? { effort: 'low' } : {}
  return { effort: effort === 'low' || effort === 'medium' ? effort : 'high' }
}

function splitPrefill(turns: readonly Turn[]): { turns: readonly Turn[]; prefill: readonly string[] } {
  const last = turns.at(-1)
  if (last?.role !== 'assistant') return { turns, prefill: [] }
  return {
    turns: turns.slice(0, -1),
    prefill: last.content.flatMap((block) => (block.kind === 'text' ? block.text : [])),
  }
}

interface Writing {
  readonly traits: TemplateTraits
  readonly calls: CallSyntax
  readonly nativeCalls: boolean
  readonly held: Placeholders
}

function toMessages(turns: readonly Turn[], writing: Writing): TemplateMessage[] {
  const { traits, held } = writing
  const loopStart = turns.findLastIndex(({ role, content }) => role === 'user' && !content.every(isResult))
  return turns.flatMap((turn, index): TemplateMessage[] => {
    if (turn.role === 'assistant') return [toAssistantMessage(turn, index > loopStart, writing)]
    const results = turn.content.filter((block) => block.kind === 'tool-result')
    const text = holdText(turn.content, '\n\n', writing)
    if (!writing.nativeCalls) return [{ role: turn.role, content: tellResults(results, text, held) }]
    const messages = results.map((result) => toToolMessage(result, held))
    if (text === '' && messages.length > 0) return messages
    const last = messages.at(-1)
    if (last === undefined || traits.textAfterResult) return [...messages, { role: turn.role, content: text }]
    return [...messages.slice(0, -1), { ...last, content: joinFilled(last.content, text, '\n\n') }]
  })
}

/** Results in words, and the text of their turn, in one message: many templates want roles to alternate. */
function tellResults(results: readonly ToolResult[], text: string, held: Placeholders): string {
  const told = results.map((result) => writeResult(holdResult(result, held))).join('\n')
  return joinFilled(told, text, '\n\n')
}

function isResult({ kind }: ContentBlock): boolean {
  return kind === 'tool-result'
}

/**
 * An earlier thought belongs to the prompt only while the calls that it led to are still going on (api-surface.md 4).
 * A template that refuses it beside a text takes both for a thought, as harmony does with what stands before a call.
 */
function toAssistantMessage(turn: Turn, inLoop: boolean, writing: Writing): TemplateMessage {
  const { held, nativeCalls, traits } = writing
  const thoughts = turn.content.flatMap((block) => (block.kind === 'thinking' && inLoop ? block.text.trim() : []))
  const calls = turn.content.filter((block) => block.kind === 'tool-call')
  const text = holdText(turn.content, '', writing)
  const thought = traits.thoughtKey === null ? '' : held.hold(thoughts.filter(Boolean).join('\n\n'))
  const written = nativeCalls ? '' : calls.map((call) => writeCall(call, writing.calls, held)).join('\n')
  const prose = { content: joinFilled(text, written, '\n'), thought }
  const isMerged = nativeCalls && calls.length > 0 && thought !== '' && !traits.thoughtBesideText
  const { content, thought: shown } = isMerged ? { content: '', thought: joinFilled(thought, text, '\n\n') } : prose
  return {
    role: 'assistant',
    content,
    ...(traits.thoughtKey !== null && shown !== '' && { [traits.thoughtKey]: shown }),
    ...(nativeCalls && calls.length > 0 && { tool_calls: calls.map((call) => toTemplateCall(call, held)) }),
  }
}

function joinFilled(one: string, other: string, separator: string): string {
  return one === '' || other === '' ? one + other : one + separator + other
}

/** Several text blocks of a turn as one text; templates that trim a message see only placeholders, so it is trimmed here. */
function holdText(content: readonly ContentBlock[], separator: string, { traits, held }: Writing): string {
  const { trims } = traits
  const blocks = content.flatMap((block) => (block.kind === 'text' ? block : []))
  const last = blocks.length - 1
  return blocks
    .map(({ text, cacheMark }, index) => {
      const start = trims && index === 0 ? text.trimStart() : text
      return held.hold(trims && index === last ? start.trimEnd() : start, cacheMark)
    })
    .join(separator)
}

function toTemplateTool(tool: GenerateRequest['tools'][number], held: Placeholders): unknown {
  return {
    type: 'function',
    function: {
      name: held.hold(tool.name, tool.cacheMark),
      description: held.hold(tool.description ?? ''), // some templates stumble over a tool without one
      parameters: held.holdSchema(tool.inputSchema),
    },
  }
}

function toTemplateCall(call: ContentBlock & { kind: 'tool-call' }, held: Placeholders): unknown {
  const { id, name, input, cacheMark } = call
  return {
    id: shortId(id),
    type: 'function',
    function: { name: held.hold(name, cacheMark), arguments: held.holdAll(input) },
  }
}

type ToolResult = ContentBlock & { kind: 'tool-result' }

function toToolMessage(result: ToolResult, held: Placeholders): TemplateMessage {
  return { role: 'tool', tool_call_id: shortId(result.callId), content: holdResult(result, held) }
}

function holdResult({ content, isError, cacheMark }: ToolResult, held: Placeholders): string {
  const text = content.flatMap((block) => (block.kind === 'text' ? block.text : [])).join('\n')
  return held.hold(isError && !text.startsWith('Error: ') ? `Error: ${text}` : text, cacheMark)
}

/** Mistral's templates refuse an id that is not nine alphanumerics; others write it as it is. */
function shortId(id: string): string {
  return createHash('sha256').update(id).digest('hex').slice(0, 9)
}
