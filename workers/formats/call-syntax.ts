import type { CallSyntax } from '../messages.ts'
import type { RenderTemplate, TemplateMessage } from './template.ts'
import type { Vocabulary } from './vocabulary.ts'

/** Stands in a syntax where the model writes an id of its own choice for the call. */
export const idHole = '\0'

/** What Hermes models made common. Models whose template knows no tools are told to write this. */
export const hermesSyntax: CallSyntax = {
  trigger: '<tool_call>',
  anywhere: true,
  beforeName: '\n{"name": "',
  beforeArguments: '", "arguments": ',
  afterArguments: '}\n</tool_call>',
}

/** Texts that are tokens of their own in the model's vocabulary. */
export type Markers = Pick<Vocabulary, 'specials' | 'turnEnds'>

const user: TemplateMessage = { role: 'user', content: 'user7f3a' }
const answer = 'answer7f3a'
const name = 'name7f3a'
const callId = 'call7f3a0' // nine alphanumerics: Mistral's template wants exactly that
const input = { key7f3a: 'value7f3a' }
const inputPattern = /\{\s*"key7f3a"\s*:\s*"value7f3a"\s*\}/
const tool = {
  type: 'function',
  function: { name, description: 'd', parameters: { type: 'object', properties: { key7f3a: { type: 'string' } } } },
}

/**
 * Reads the syntax off the template itself, by rendering one call and seeing what stands around its name and its arguments. So a
 * history is always rendered as its answers were parsed. `null` when the template writes no calls, or none with JSON arguments.
 */
export function readCallSyntax(render: RenderTemplate, { specials, turnEnds }: Markers): CallSyntax | null {
  const plain = attempt(() => renderAnswer(render, { role: 'assistant', content: answer }))
  const called = attempt(() => renderAnswer(render, { role: 'assistant', content: '', tool_calls: [callOf(name)] }))
  if (plain === null || called === null) return null
  const nameAt = called.lastIndexOf(name)
  const argumentsMatch = nameAt === -1 ? null : inputPattern.exec(called.slice(nameAt))
  if (argumentsMatch === null) return null
  const [beforeAnswer = '', afterAnswer = ''] = plain.split(answer)
  const opener = called.slice(tagBoundary(called, sharedStart(beforeAnswer, called)), nameAt).trimStart()
  const argumentsAt = nameAt + argumentsMatch.index
  const [rest = ''] = called.slice(argumentsAt + argumentsMatch[0].length).split(turnEnds)
  const [turnEnd = ''] = afterAnswer.split(turnEnds)
  const afterArguments = rest.slice(0, tagEnd(rest, rest.length - sharedEnd(turnEnd, rest)))
  const marker = markerAtStart(opener, specials)
  return {
    trigger: marker ?? opener,
    anywhere: marker !== null,
    beforeName: marker === null ? '' : withIdHole(opener.slice(marker.length)),
    beforeArguments: withIdHole(called.slice(nameAt + name.length, argumentsAt)),
    afterArguments: withIdHole(afterArguments),
  }
}

/** Whether tools that are handed to the template reach the prompt. */
export function rendersTools(render: RenderTemplate): boolean {
  return attempt(() => render({ messages: [user], tools: [tool], thinking: false }))?.includes(name) ?? false
}

/** Whether two calls may stand in one turn. */
export function rendersParallelCalls(render: RenderTemplate): boolean {
  const calls = [callOf('first7f3a'), callOf('second7f3a')]
  const text = attempt(() => renderAnswer(render, { role: 'assistant', content: '', tool_calls: calls }))
  return text?.includes('second7f3a') ?? false
}

function callOf(calledName: string): unknown {
  return { id: callId, type: 'function', function: { name: calledName, arguments: input } }
}

/** What stands behind the user's text. */
function renderAnswer(render: RenderTemplate, message: TemplateMessage): string {
  const text = render({ messages: [user, message], tools: [tool], thinking: false, answered: true })
  return text.slice(text.indexOf(user.content) + user.content.length)
}

function attempt<Value>(act: () => Value): Value | null {
  try {
    return act()
  } catch {
    return null // a template that raises cannot do it
  }
}

/** A control token, or a tag that is one token for nobody but clearly a marker: `<tool_call>`, `[TOOL_CALLS]`. */
function markerAtStart(opener: string, specials: RegExp): string | null {
  const special = [...opener.matchAll(specials)].find(({ index }) => index === 0)?.[0]
  return special ?? /^(?:<[^<>\s]+[>=]|\[[A-Z_]+\])/.exec(opener)?.[0] ?? null
}

function withIdHole(text: string): string {
  return text.replaceAll(callId, idHole)
}

/** Not inside a tag: `<|START_ACTION|>` and `<|START_RESPONSE|>` share their first letters. */
function tagBoundary(text: string, index: number): number {
  const opened = text.lastIndexOf('<', index - 1)
  return opened !== -1 && !text.slice(opened, index).includes('>') ? opened : index
}

/** As `tagBoundary`, for an end: the whole tag belongs to it. */
function tagEnd(text: string, index: number): number {
  return tagBoundary(text, index) === index ? index : text.indexOf('>', index) + 1 || index
}

function sharedStart(one: string, other: string): number {
  let length = 0
  while (length < one.length && one[length] === other[length]) length++
  return length
}

function sharedEnd(one: string, other: string): number {
  let length = 0
  while (length < Math.min(one.length, other.length) && one.at(-1 - length) === other.at(-1 - length)) length++
  return length
}
