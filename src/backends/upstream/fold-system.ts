import type { ContentBlock, Turn } from '../../contract/request.ts'

/**
 * System turns amid the conversation move into their neighbours, for servers whose templates know system text at the head only.
 * Never to the head: that would rewrite the beginning of the prompt on every turn, and void its cache (api-surface.md 4.1).
 */
export function foldSystemTurns(turns: readonly Turn[]): readonly Turn[] {
  if (!turns.some(({ role }) => role === 'system')) return turns
  const folded: Turn[] = []
  for (const turn of turns) {
    const user: Turn = turn.role === 'system' ? { role: 'user', content: turn.content } : turn
    const previous = folded.at(-1)
    // What became a user turn, because an assistant spoke before it, is joined by the user's next one.
    if (previous?.role !== user.role) folded.push(user)
    else folded[folded.length - 1] = turn.role === 'system' ? appendSystem(previous, turn) : join(previous, turn)
  }
  return folded
}

/**
 * A system turn between calls and their results goes behind the results: `tool` messages must follow the assistant's directly.
 * The parser has seen to it that there are results.
 */
export function moveSystemOutOfCalls(turns: readonly Turn[]): readonly Turn[] {
  let moved: Turn[] | null = null
  for (let index = 1; index < turns.length - 1; index++) {
    const list: readonly Turn[] = moved ?? turns
    const [before, turn, after] = [list[index - 1] as Turn, list[index] as Turn, list[index + 1] as Turn]
    if (turn.role !== 'system' || !holds(before, 'tool-call') || !holds(after, 'tool-result')) continue
    moved ??= [...turns]
    moved[index] = after
    moved[index + 1] = turn
  }
  return moved ?? turns
}

/** A user text of its own behind nothing but results would look like a new question, so it goes into the last result. */
function appendSystem(user: Turn, system: Turn): Turn {
  const last = user.content.at(-1)
  if (last?.kind !== 'tool-result' || !user.content.every(({ kind }) => kind === 'tool-result'))
    return join(user, system)
  const result: ContentBlock = { ...last, content: [...last.content, ...system.content] }
  return { role: 'user', content: [...user.content.slice(0, -1), result] }
}

function join(first: Turn, second: Turn): Turn {
  return { role: first.role, content: [...first.content, ...second.content] }
}

function holds({ content }: Turn, kind: ContentBlock['kind']): boolean {
  return content.some((block) => block.kind === kind)
}
