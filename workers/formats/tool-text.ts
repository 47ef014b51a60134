import type { ContentBlock, SystemBlock, Tool } from '../../src/contract/request.ts'
import type { CallSyntax } from '../messages.ts'
import { idHole } from './call-syntax.ts'
import type { Placeholders } from './placeholders.ts'

/** Tools in words, for models whose template has no place for them. */
export function declareTools(tools: readonly Tool[], syntax: CallSyntax): SystemBlock {
  const signatures = tools.map(({ name, description, inputSchema }) =>
    JSON.stringify({ name, description: description ?? '', parameters: inputSchema }),
  )
  const example = callText(syntax, 'NAME', '{...}')
  const text = [
    'You can call these tools. Their names, and JSON schemas of their parameters:',
    ...signatures,
    '',
    'To call one, write nothing but its name and its arguments as JSON, in this form, once for each call:',
    example,
  ].join('\n')
  return { text, cacheMark: null }
}

/** A call of an earlier turn, in the same form. */
export function writeCall(
  { name, input, cacheMark }: ContentBlock & { kind: 'tool-call' },
  syntax: CallSyntax,
  held: Placeholders,
): string {
  return callText(syntax, held.hold(name), held.hold(JSON.stringify(input), cacheMark))
}

function callText(syntax: CallSyntax, name: string, json: string): string {
  const { trigger, beforeName, beforeArguments, afterArguments } = syntax
  return `${trigger}${beforeName}${name}${beforeArguments}${json}${afterArguments}`.replaceAll(idHole, '000000000')
}

export function writeResult(heldText: string): string {
  return `<tool_response>\n${heldText}\n</tool_response>`
}
