import type { RenderTemplate, ThoughtKey } from './template.ts'

/** How a model marks its thoughts, and how its template turns them on and off. */
export interface ThinkingSyntax {
  readonly opener: string
  readonly closer: string
  /** Text that begins a thought in the model's own way, line breaks included. */
  readonly open: string
  /** Text that ends a thought in the model's own way. */
  readonly close: string
}

const thought = 'thought7f3a'
const answer = 'answer7f3a'

/** What models are trained on: `<think>` by most, the others by Mistral, ByteDance, MiniMax, Cohere and Gemma. */
export const thoughtMarkers = [
  ['<think>', '</think>'],
  ['<thinking>', '</thinking>'],
  ['<thought>', '</thought>'],
  ['[THINK]', '[/THINK]'],
  ['<seed:think>', '</seed:think>'],
  ['<mm:think>', '</mm:think>'],
  ['<|START_THINKING|>', '<|END_THINKING|>'],
  ['<|channel>thought', '<channel|>'],
] as const

/**
 * Read off the template: the markers around an earlier thought, else those that its source speaks of. `null` when neither shows
 * that this model thinks.
 */
export function readThinkingSyntax(
  render: RenderTemplate,
  source: string,
  key: ThoughtKey | null,
): ThinkingSyntax | null {
  const shown = key === null ? '' : render(answeredAfterThought(key))
  const markers =
    thoughtMarkers.find(([opener, closer]) => shown.includes(opener) && shown.includes(closer)) ??
    thoughtMarkers.find(([opener, closer]) => source.includes(opener) || source.includes(closer))
  if (markers === undefined) return null
  const [opener, closer] = markers
  const [before = '', after = ''] = shown.split(thought)
  const openAt = before.lastIndexOf(opener)
  const answerAt = after.indexOf(answer)
  const isShown = openAt !== -1 && answerAt !== -1 && after.slice(0, answerAt).includes(closer)
  const open = isShown ? before.slice(openAt) : `${opener}\n`
  const close = isShown ? after.slice(0, after.indexOf(closer) + closer.length) : `\n${closer}`
  const space = isShown ? leadingSpace(after.slice(close.length)) : '\n\n'
  return { opener, closer, open, close: close + space }
}

function answeredAfterThought(key: ThoughtKey): Parameters<RenderTemplate>[0] {
  const messages = [
    { role: 'user', content: 'a' },
    { role: 'assistant', content: answer, [key]: thought },
  ] as const
  return { messages, tools: [], thinking: true, answered: true }
}

function leadingSpace(text: string): string {
  return text.slice(0, text.length - text.trimStart().length)
}

/** An empty thought in front of the answer; what keeps a model from thinking whose template has no switch. */
export function emptyThought({ open, close }: ThinkingSyntax): string {
  return open + close
}

/** Whether the prompt ends inside a thought that the template opened. */
export function endsInThought(rendered: string, { opener, closer }: ThinkingSyntax): boolean {
  const opened = rendered.lastIndexOf(opener)
  return opened !== -1 && opened > rendered.lastIndexOf(closer) && rendered.slice(opened + opener.length).trim() === ''
}

/** Whether the prompt ends behind a thought, so that the model will not begin one. */
export function endsBehindThought(rendered: string, { closer }: ThinkingSyntax): boolean {
  return rendered.trimEnd().endsWith(closer)
}
