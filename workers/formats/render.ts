import type { ContentBlock, GenerateRequest, SystemBlock, Turn } from '../../src/contract/request.ts'
import { Placeholders } from './placeholders.ts'
import type { ChatTemplate, TemplateMessage, TemplateTraits } from './template.ts'
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
  /** `false`: the template has no place for tools, so they are told in words. */
  readonly nativeCalls: boolean
  /** Several calls may stand in one turn. */
  readonly parallelCalls: boolean
}

/** @throws Error when the template refuses the conversation */
export function renderConversation(
  template: ChatTemplate,
  request: GenerateRequest,
  options: RenderOptions,
): RenderedConversation {
  const { traits } = template
  const { nativeCalls, parallelCalls, thinking } = options
  const held = new Placeholders()
  const { turns, prefill } = splitPrefill(request.turns)
  const isTold = request.tools.length > 0 && !nativeCalls
  const system = isTold ? [...request.system, declareTools(request.tools)] : request.system
  const placed = placeSystem(system, parallelCalls ? turns : separateCalls(turns), traits)
  const tools = nativeCalls ? request.tools.map((tool) => toTemplateTool(tool, held)) : []
  const messages = toMessages(placed, { trims: traits.trims, nativeCalls, held })
  const text = template.render({ messages, tools, thinking })
  return { text, held, prefill: prefill.map((part) => held.hold(part)).join('') }
}

function splitPrefill(turns: readonly Turn[]): { turns: readonly Turn[]; prefill: readonly string[] } {
  const last = turns.at(-1)
  if (last?.role !== 'assistant') return { turns, prefill: [] }
  return {
    turns: turns.slice(0, -1),
    prefill: last.content.flatMap((block) => (block.kind === 'text' ? block.text : [])),
  }
}

/** For templates that take one call a turn: every call with its result, one after the other. */
function separateCalls(turns: readonly Turn[]): readonly Turn[] {
  const separated: Turn[] = []
  for (let index = 0; index < turns.length; index++) {
    const turn = turns[index] as Turn
    const next = turns[index + 1]
    const calls = turn.content.filter((block) => block.kind === 'tool-call')
    if (turn.role !== 'assistant' || calls.length < 2 || next?.role !== 'user') {
      separated.push(turn)
      continue
    }
    let before = turn.content.filter((block) => block.kind !== 'tool-call')
    for (const call of calls) {
      separated.push({ role: 'assistant', content: [...before, call] })
      separated.push({ role: 'user', content: next.content.filter((block) => answers(block, call.id)) })
      before = []
    }
    const rest = next.content.filter((block) => !calls.some(({ id }) => answers(block, id)))
    if (rest.length > 0) separated.push({ role: 'user', content: rest })
    index++
  }
  return separated
}

function answers(block: ContentBlock, callId: string): boolean {
  return block.kind === 'tool-result' && block.callId === callId
}

/**
 * System text where the template can show it. What stands in the middle stays in the middle, as a turn or inside a neighbour:
 * moved to the head, it would void the cache on every turn (api-surface.md 4.1).
 */
function placeSystem(system: readonly SystemBlock[], turns: readonly Turn[], traits: TemplateTraits): readonly Turn[] {
  const head: Turn[] = system.length === 0 ? [] : [{ role: 'system', content: system.map(toTextBlock) }]
  const placed: Turn[] = []
  for (const [index, turn] of [...head, ...moveOutOfToolRuns(turns)].entries()) {
    const previous = placed.at(-1)
    const shown = index < head.length ? traits.system : traits.systemBetween
    if (turn.role === 'system' && !shown) placed.push(...foldSystem(placed.pop(), turn))
    // A folded system text may have left two turns of one role side by side.
    else if (turn.role !== 'system' && previous?.role === turn.role) placed.push(join(placed.pop() as Turn, turn))
    else placed.push(turn)
  }
  return placed
}

/** Into the user turn before it, else it becomes a user turn, which the next one joins. */
function foldSystem(previous: Turn | undefined, system: Turn): Turn[] {
  const folded: Turn = { role: 'user', content: system.content }
  if (previous === undefined) return [folded]
  if (previous.role !== 'user') return [previous, folded]
  const last = previous.content.at(-1)
  const isText = previous.content.some(({ kind }) => kind === 'text')
  if (last?.kind !== 'tool-result' || isText) return [join(previous, folded)]
  // A user text of its own behind a result would look like a new question.
  const result = { ...last, content: [...last.content, ...system.content] }
  return [{ role: 'user', content: [...previous.content.slice(0, -1), result] }]
}

/** A system turn between a call and its result would break the pair in most templates: it goes behind the results. */
function moveOutOfToolRuns(turns: readonly Turn[]): readonly Turn[] {
  const moved = [...turns]
  for (let index = 1; index < moved.length - 1; index++) {
    const [before, turn, after] = [moved[index - 1] as Turn, moved[index] as Turn, moved[index + 1] as Turn]
    if (turn.role === 'system' && hasBlock(before, 'tool-call') && hasBlock(after, 'tool-result')) {
      moved[index] = after
      moved[index + 1] = turn
    }
  }
  return moved
}

function hasBlock(turn: Turn, kind: ContentBlock['kind']): boolean {
  return turn.content.some((block) => block.kind === kind)
}

function join(first: Turn, second: Turn): Turn {
  return { role: first.role, content: [...first.content, ...second.content] }
}

function toTextBlock({ text, cacheMark }: SystemBlock): ContentBlock {
  return { kind: 'text', text, cacheMark }
}

interface Writing {
  readonly trims: boolean
  readonly nativeCalls: boolean
  readonly held: Placeholders
}

function toMessages(turns: readonly Turn[], writing: Writing): TemplateMessage[] {
  const loopStart = turns.findLastIndex(({ role, content }) => role === 'user' && !content.every(isResult))
  return turns.flatMap((turn, index): TemplateMessage[] => {
    if (turn.role === 'assistant') return [toAssistantMessage(turn, index > loopStart, writing)]
    const results = turn.content.flatMap((block) => (block.kind === 'tool-result' ? toToolMessage(block, writing) : []))
    const text = holdText(turn.content, '\n\n', writing)
    return text === '' && results.length > 0 ? results : [...results, { role: turn.role, content: text }]
  })
}

function isResult({ kind }: ContentBlock): boolean {
  return kind === 'tool-result'
}

/** An earlier thought belongs to the prompt only while the calls that it led to are still going on (api-surface.md 4). */
function toAssistantMessage(turn: Turn, inLoop: boolean, writing: Writing): TemplateMessage {
  const { held, nativeCalls } = writing
  const thoughts = turn.content.flatMap((block) => (block.kind === 'thinking' && inLoop ? block.text.trim() : []))
  const calls = turn.content.filter((block) => block.kind === 'tool-call')
  const text = holdText(turn.content, '', writing)
  const thought = thoughts.join('\n\n')
  return {
    role: 'assistant',
    content: nativeCalls ? text : [text, ...calls.map((call) => writeCall(call, held))].filter(Boolean).join('\n'),
    ...(thought !== '' && { reasoning_content: held.hold(thought) }),
    ...(nativeCalls && calls.length > 0 && { tool_calls: calls.map((call) => toTemplateCall(call, held)) }),
  }
}

/** Several text blocks of a turn as one text; templates that trim a message see only placeholders, so it is trimmed here. */
function holdText(content: readonly ContentBlock[], separator: string, { trims, held }: Writing): string {
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
  const described = tool.description === null ? {} : { description: held.hold(tool.description) }
  return {
    type: 'function',
    function: {
      name: held.hold(tool.name, tool.cacheMark),
      ...described,
      parameters: held.holdSchema(tool.inputSchema),
    },
  }
}

function toTemplateCall(call: ContentBlock & { kind: 'tool-call' }, held: Placeholders): unknown {
  const { id, name, input, cacheMark } = call
  return {
    id: held.hold(id),
    type: 'function',
    function: { name: held.hold(name, cacheMark), arguments: held.holdAll(input) },
  }
}

function toToolMessage(
  result: ContentBlock & { kind: 'tool-result' },
  { held, nativeCalls }: Writing,
): TemplateMessage {
  const texts = result.content.flatMap((block) => (block.kind === 'text' ? block.text : []))
  const text = texts.join('\n')
  const marked = held.hold(result.isError && !text.startsWith('Error: ') ? `Error: ${text}` : text, result.cacheMark)
  if (!nativeCalls) return { role: 'user', content: writeResult(marked) }
  return { role: 'tool', tool_call_id: held.hold(result.callId), content: marked }
}
