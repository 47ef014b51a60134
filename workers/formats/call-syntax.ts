import type { CallSyntax } from '../messages.ts'
import type { RenderTemplate, TemplateMessage } from './template.ts'
import { thoughtMarkers } from './thinking-syntax.ts'
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
  betweenCalls: null,
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
export function readCallSyntax(render: RenderTemplate, markers: Markers): CallSyntax | null {
  const plain = attempt(() => renderAnswer(render, { role: 'assistant', content: answer }))
  const called = attempt(() => renderCalls(render, [name]))
  if (plain === null || called === null) return null
  const nameAt = called.lastIndexOf(name)
  const argumentsMatch = nameAt === -1 ? null : inputPattern.exec(called.slice(nameAt))
  if (argumentsMatch === null) return null
  const [beforeAnswer = '', afterAnswer = ''] = plain.split(answer)
  const opener = withoutThought(
    called.slice(tagBoundary(called, sharedStart(beforeAnswer, called)), nameAt).trimStart(),
  )
  const argumentsAt = nameAt + argumentsMatch.index
  const [rest = ''] = called.slice(argumentsAt + argumentsMatch[0].length).split(markers.turnEnds)
  const [turnEnd = ''] = afterAnswer.split(markers.turnEnds)
  const marker = markerAtStart(opener, markers.specials)
  const trigger = marker ?? opener
  // What ends a turn cannot begin a call: the answer is over where it comes.
  if (trigger.trim() === '' || trigger.search(markers.turnEnds) !== -1) return null
  return {
    trigger,
    anywhere: marker !== null,
    beforeName: withIdHole(opener.slice(trigger.length)),
    beforeArguments: withIdHole(called.slice(nameAt + name.length, argumentsAt)),
    afterArguments: withIdHole(rest.slice(0, tagEnd(rest, rest.length - sharedEnd(turnEnd, rest)))),
    betweenCalls: readBetween(render, trigger),
  }
}

/** `null` also when every call has a trigger of its own. */
function readBetween(render: RenderTemplate, trigger: string): string | null {
  const text = attempt(() => renderCalls(render, ['first7f3a', 'second7f3a']))
  const firstAt = text?.indexOf('first7f3a') ?? -1
  const secondAt = text?.indexOf('second7f3a', firstAt) ?? -1
  if (text === null || firstAt === -1 || secondAt === -1) return null
  const calls = text.slice(firstAt, secondAt)
  const argumentsMatch = inputPattern.exec(calls)
  if (argumentsMatch === null) return null
  const between = calls.slice(argumentsMatch.index + argumentsMatch[0].length)
  return between.includes(trigger) ? null : withIdHole(between)
}

/** Whether tools that are handed to the template reach the prompt. */
export function rendersTools(render: RenderTemplate): boolean {
  return attempt(() => render({ messages: [user], tools: [tool], thinking: false }))?.includes(name) ?? false
}

/** Whether two calls may stand in one turn. */
export function rendersParallelCalls(render: RenderTemplate): boolean {
  return attempt(() => renderCalls(render, ['first7f3a', 'second7f3a']))?.includes('second7f3a') ?? false
}

function renderCalls(render: RenderTemplate, names: readonly string[]): string {
  return renderAnswer(render, { role: 'assistant', content: '', tool_calls: names.map(callOf) })
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

/** Some templates write an empty thought in front of every call. */
function withoutThought(opener: string): string {
  const markers = thoughtMarkers.find(([open]) => opener.startsWith(open))
  const closedAt = markers === undefined ? -1 : opener.indexOf(markers[1])
  return markers === undefined || closedAt === -1 ? opener : opener.slice(closedAt + markers[1].length).trimStart()
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
