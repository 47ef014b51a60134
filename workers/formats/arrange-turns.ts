import type { ContentBlock, SystemBlock, Turn } from '../../src/contract/request.ts'
import type { TemplateTraits } from './template.ts'

/**
 * System text where the template can show it. What stands in the middle stays in the middle, as a turn or inside a neighbour:
 * moved to the head, it would void the cache on every turn (api-surface.md 4.1).
 */
export function arrangeTurns(
  system: readonly SystemBlock[],
  turns: readonly Turn[],
  traits: TemplateTraits,
  parallelCalls: boolean,
): readonly Turn[] {
  const head: Turn[] = system.length === 0 ? [] : [{ role: 'system', content: system.map(toTextBlock) }]
  const placed: Turn[] = []
  const unbroken = moveOutOfToolRuns(turns)
  for (const [index, turn] of [...head, ...(parallelCalls ? unbroken : separateCalls(unbroken))].entries()) {
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
