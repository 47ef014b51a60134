import type { ContentBlock, SystemBlock, Tool } from '../../src/contract/request.ts'
import { hermesSyntax } from './call-syntax.ts'
import type { Placeholders } from './placeholders.ts'

/** Tools in words, for models whose template has no place for them. What is written here is read back by `hermesSyntax`. */
export function declareTools(tools: readonly Tool[]): SystemBlock {
  const signatures = tools.map(({ name, description, inputSchema }) =>
    JSON.stringify({ name, description: description ?? '', parameters: inputSchema }),
  )
  const { trigger, beforeName, beforeArguments, afterArguments } = hermesSyntax
  const example = `${trigger}${beforeName}NAME${beforeArguments}{...}${afterArguments}`
  const text = [
    'You can call these tools. Their names, and JSON schemas of their parameters:',
    ...signatures,
    '',
    'To call one, write nothing but its name and its arguments as JSON, in this form, once for each call:',
    example,
  ].join('\n')
  return { text, cacheMark: null }
}

/** A call of an earlier turn. */
export function writeCall(
  { name, input, cacheMark }: ContentBlock & { kind: 'tool-call' },
  held: Placeholders,
): string {
  const { trigger, beforeName, beforeArguments, afterArguments } = hermesSyntax
  const json = held.hold(JSON.stringify(input), cacheMark)
  return `${trigger}${beforeName}${held.hold(name)}${beforeArguments}${json}${afterArguments}`
}

export function writeResult(heldText: string): string {
  return `<tool_response>\n${heldText}\n</tool_response>`
}
