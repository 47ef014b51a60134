import type { ContentBlock, GenerateRequest, SystemBlock, Thinking, Tool, Turn } from '../../src/contract/request.ts'
import { Placeholders, type Segment } from './placeholders.ts'
import type { ChatTemplate, TemplateMessage, TemplateTraits } from './template.ts'

/** Renders a conversation by the model's template, up to where the answer begins, or into the prefill that it continues. */
export function renderPrompt(template: ChatTemplate, request: GenerateRequest): Segment[] {
  const held = new Placeholders()
  const { turns, prefill } = splitPrefill(request.turns)
  const messages = toMessages(placeSystem(request.system, turns, template.traits), template.traits, held)
  const tools = request.tools.map((tool) => toTemplateTool(tool, held))
  const rendered = template.render({ messages, tools, thinking: isOn(request.thinking) })
  return held.split(rendered + prefill.map((text) => held.hold(text)).join(''))
}

function isOn({ kind }: Thinking): boolean {
  return kind === 'adaptive' || kind === 'budget'
}

function splitPrefill(turns: readonly Turn[]): { turns: readonly Turn[]; prefill: readonly string[] } {
  const last = turns.at(-1)
  if (last?.role !== 'assistant') return { turns, prefill: [] }
  return {
    turns: turns.slice(0, -1),
    prefill: last.content.flatMap((block) => (block.kind === 'text' ? block.text : [])),
  }
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

function toMessages(turns: readonly Turn[], traits: TemplateTraits, held: Placeholders): TemplateMessage[] {
  return turns.flatMap((turn): TemplateMessage[] => {
    if (turn.role === 'assistant') return [toAssistantMessage(turn, traits, held)]
    const results = turn.content.flatMap((block) => (block.kind === 'tool-result' ? toToolMessage(block, held) : []))
    const text = holdText(turn.content, '\n\n', traits, held)
    return text === '' && results.length > 0 ? results : [...results, { role: turn.role, content: text }]
  })
}

function toAssistantMessage(turn: Turn, traits: TemplateTraits, held: Placeholders): TemplateMessage {
  const calls = turn.content.flatMap((block) => (block.kind === 'tool-call' ? toTemplateCall(block, held) : []))
  const message: TemplateMessage = { role: 'assistant', content: holdText(turn.content, '', traits, held) }
  return calls.length === 0 ? message : { ...message, tool_calls: calls }
}

/** Several text blocks of a turn as one text; templates that trim a message see only placeholders, so it is trimmed here. */
function holdText(
  content: readonly ContentBlock[],
  separator: string,
  traits: TemplateTraits,
  held: Placeholders,
): string {
  const blocks = content.flatMap((block) => (block.kind === 'text' ? block : []))
  const last = blocks.length - 1
  return blocks
    .map(({ text, cacheMark }, index) => {
      const start = traits.trims && index === 0 ? text.trimStart() : text
      return held.hold(traits.trims && index === last ? start.trimEnd() : start, cacheMark)
    })
    .join(separator)
}

function toTemplateTool(tool: Tool, held: Placeholders): unknown {
  const described = tool.description === null ? {} : { description: held.hold(tool.description) }
  return {
    type: 'function',
    function: {
      name: held.hold(tool.name, tool.cacheMark),
      ...described,
      parameters: held.holdAll(tool.inputSchema),
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

function toToolMessage(result: ContentBlock & { kind: 'tool-result' }, held: Placeholders): TemplateMessage {
  const texts = result.content.flatMap((block) => (block.kind === 'text' ? block.text : []))
  const text = texts.join('\n')
  const marked = result.isError && !text.startsWith('Error: ') ? `Error: ${text}` : text
  return { role: 'tool', tool_call_id: held.hold(result.callId), content: held.hold(marked, result.cacheMark) }
}
