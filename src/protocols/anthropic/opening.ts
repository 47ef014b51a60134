import type { CountRequest } from '../../wire/anthropic.ts'
import { withoutAttribution } from './attribution.ts'

/** Names of the tools, the system text and the text of the first message: without cache marks, which move on from turn to turn. */
export function openingOf({ tools = [], system, messages }: CountRequest): readonly string[] {
  return [
    ...tools.map(({ name }) => name),
    ...textsIn(system).map(withoutAttribution),
    ...textsIn(messages[0]?.content),
  ]
}

function textsIn(content: string | readonly unknown[] | undefined): readonly string[] {
  if (typeof content === 'string') return [content]
  return (content ?? []).flatMap((block) => {
    const { text } = block as { readonly text?: unknown }
    return typeof text === 'string' ? text : []
  })
}
