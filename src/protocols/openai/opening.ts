import type { ChatRequestParam, ContentParam } from '../../wire/openai-inbound.ts'

/** Names of the tools, the system text and the text of the first message behind it. */
export function openingOf({ tools, functions, messages }: ChatRequestParam): readonly string[] {
  const first = messages.findIndex(({ role }) => role !== 'system' && role !== 'developer')
  return [
    ...(tools ?? []).flatMap((tool) => ('function' in tool ? tool.function.name : [])),
    ...(functions ?? []).map(({ name }) => name),
    ...messages.slice(0, first + 1).flatMap(({ content }) => textsIn(content)),
  ]
}

function textsIn(content: ContentParam | null | undefined): readonly string[] {
  if (typeof content === 'string') return [content]
  return (content ?? []).flatMap((part) => ('text' in part ? part.text : []))
}
