import type { ValidateFunction } from 'ajv'
import {
  type ChatRequestParam,
  calledFunctionSchema,
  chatMessageSchemas,
  chatPartSchemas,
  chatSchema,
  functionChoiceSchema,
  functionNameSchema,
  functionSchema,
  functionToolSchema,
  responseFormatSchemas,
  toolCallSchema,
} from '../../wire/openai-inbound.ts'
import { type Branches, compileBranches, compileSchema } from '../compile-schema.ts'
import { refuseField, schemaError } from '../schema-error.ts'

const isChatRequest = compileSchema(chatSchema)
const messages = compileBranches(chatMessageSchemas)
const parts = compileBranches(chatPartSchemas)
const formats = compileBranches(responseFormatSchemas)
const isToolCall = compileSchema(toolCallSchema)
const isCalledFunction = compileSchema(calledFunctionSchema)
const isFunction = compileSchema(functionSchema)
const isFunctionTool = compileSchema(functionToolSchema)
const isFunctionChoice = compileSchema(functionChoiceSchema)
const isFunctionName = compileSchema(functionNameSchema)

/** What stands in a request before it is looked at. */
type Unknowns = Readonly<Record<string, unknown>>

/** @throws HeadendError invalid-request, naming the first field that does not fit */
export function checkChatRequest(body: object): asserts body is ChatRequestParam {
  check(isChatRequest, body, '')
  const wire = body as Unknowns & { readonly messages: readonly unknown[] }
  for (let index = 0; index < wire.messages.length; index++) checkMessage(wire.messages[index], `messages.${index}`)
  checkEach(wire.tools, 'tools', checkTool)
  checkEach(wire.functions, 'functions', (item, path) => check(isFunction, item, path))
  checkChoice(wire.tool_choice, 'tool_choice', ['auto', 'none', 'required'], isFunctionChoice)
  checkChoice(wire.function_call, 'function_call', ['auto', 'none'], isFunctionName)
  if (wire.response_format != null) checkTagged(formats, wire.response_format, 'type', 'response_format')
}

function check(validate: ValidateFunction, value: unknown, path: string): void {
  if (!validate(value)) throw schemaError(path, validate.errors ?? [])
}

function checkEach(list: unknown, path: string, checkItem: (item: unknown, path: string) => void): void {
  if (!Array.isArray(list)) return
  for (let index = 0; index < list.length; index++) checkItem(list[index], `${path}.${index}`)
}

function checkMessage(message: unknown, path: string): void {
  checkTagged(messages, message, 'role', path)
  const { content, tool_calls: calls, function_call: call } = message as Unknowns
  checkEach(content, `${path}.content`, checkPart)
  checkEach(calls, `${path}.tool_calls`, (item, itemPath) => check(isToolCall, item, itemPath))
  if (call != null) check(isCalledFunction, call, `${path}.function_call`)
}

/** Types that headend does not know are refused when it is known that no upstream is to get them as they are. */
function checkPart(part: unknown, path: string): void {
  const validate = parts.get(tagIn(part, 'type', path))
  if (validate !== undefined) check(validate, part, path)
}

function checkTool(tool: unknown, path: string): void {
  if (tagIn(tool, 'type', path) === 'function') check(isFunctionTool, tool, path)
}

function checkChoice(value: unknown, path: string, words: readonly string[], isNamed: ValidateFunction): void {
  if (value == null) return
  if (typeof value === 'object') check(isNamed, value, path)
  else if (!words.includes(value as string)) throw refuseValue(path, words)
}

function checkTagged(branches: Branches, value: unknown, tag: string, path: string): void {
  const validate = branches.get(tagIn(value, tag, path))
  if (validate === undefined) throw refuseValue(`${path}.${tag}`, [...branches.keys()])
  check(validate, value, path)
}

/** The text by which the shapes of a union are told apart. */
function tagIn(value: unknown, tag: string, path: string): string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw refuseField(path, 'Input should be a valid dictionary')
  }
  const text = (value as Unknowns)[tag]
  if (text === undefined) throw refuseField(`${path}.${tag}`, 'Field required')
  if (typeof text !== 'string') throw refuseField(`${path}.${tag}`, 'Input should be a valid string')
  return text
}

function refuseValue(path: string, words: readonly string[]): Error {
  const quoted = words.map((word) => `'${word}'`)
  return refuseField(path, `Input should be ${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`)
}
