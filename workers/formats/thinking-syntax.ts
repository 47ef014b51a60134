import type { RenderTemplate } from './template.ts'

/** How a model marks its thoughts, and how its template turns them on and off. */
export interface ThinkingSyntax {
  readonly opener: string
  readonly closer: string
  /** Text that ends a thought in the model's own way, line breaks included. */
  readonly close: string
  /** An empty thought in front of the answer; what keeps a model from thinking whose template has no switch. */
  readonly empty: string
}

const thought = 'thought7f3a'
const answer = 'answer7f3a'
const tags = ['think', 'thinking', 'thought'] as const

/**
 * Read off the template: what it writes around an earlier thought, else the tag that its source speaks of. `null` when neither
 * shows that this model thinks.
 */
export function readThinkingSyntax(render: RenderTemplate, source: string): ThinkingSyntax | null {
  const rendered = attemptThought(render)
  const tag = tags.find((name) => (rendered ?? source).includes(`<${name}>`) || source.includes(`</${name}>`))
  if (tag === undefined) return null
  const opener = `<${tag}>`
  const closer = `</${tag}>`
  const between = rendered === null ? null : rendered.slice(rendered.indexOf(thought) + thought.length)
  const close = between === null ? `\n${closer}\n\n` : between.slice(0, between.indexOf(answer))
  return { opener, closer, close, empty: `${opener}\n${close}` }
}

function attemptThought(render: RenderTemplate): string | null {
  try {
    const text = render({
      messages: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: answer, reasoning_content: thought },
      ],
      tools: [],
      thinking: true,
      answered: true,
    })
    const at = text.indexOf(thought)
    return at !== -1 && text.indexOf(answer, at) !== -1 ? text : null
  } catch {
    return null
  }
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
