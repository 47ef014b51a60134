import type { Tool, ToolChoice } from '../../contract/request.ts'
import type { ChatRequestParam, FunctionParam, FunctionToolParam, OtherParam } from '../../wire/openai-inbound.ts'
import { refuseDeep } from '../json-depth.ts'
import { excerpt, refuseField } from '../schema-error.ts'

/**
 * `tools`, or else `functions`, their older form.
 * @throws HeadendError invalid-request
 */
export function toTools({ tools, functions }: Pick<ChatRequestParam, 'tools' | 'functions'>): readonly Tool[] {
  const isOlder = tools == null && functions != null
  const list = isOlder
    ? functions.map((declared, index) => toTool(declared, `functions.${index}`))
    : (tools ?? []).map((tool, index) => toTool(functionOf(tool, `tools.${index}`), `tools.${index}.function`))
  const names = new Set(list.map(({ name }) => name))
  if (names.size !== list.length) throw refuseField(isOlder ? 'functions' : 'tools', 'names must be unique')
  return list
}

function functionOf(tool: FunctionToolParam | OtherParam, path: string): FunctionParam {
  if (isFunctionTool(tool)) return tool.function
  const remedy = "declare it as one of type 'function'"
  throw refuseField(path, `tools of type '${excerpt(tool.type)}' are not supported by this server; ${remedy}`)
}

function isFunctionTool(tool: FunctionToolParam | OtherParam): tool is FunctionToolParam {
  return tool.type === 'function'
}

function toTool({ name, description, parameters, strict }: FunctionParam, path: string): Tool {
  refuseDeep(parameters, `${path}.parameters`)
  return {
    name,
    description: description ?? null,
    inputSchema: schemaOf(parameters ?? null),
    strict: strict === true,
    cacheMark: null,
  }
}

/** A function without parameters takes none; parameters are an object, whether they say so or not. */
function schemaOf(parameters: (FunctionParam['parameters'] & object) | null): Tool['inputSchema'] {
  if (parameters === null) return { type: 'object', properties: {} }
  return parameters.type === undefined ? { type: 'object', ...parameters } : parameters
}

type Choosing = Pick<ChatRequestParam, 'tool_choice' | 'function_call' | 'parallel_tool_calls'>

/**
 * Without a choice the model decides, and may make several calls; the older form knows one call only.
 * @throws HeadendError invalid-request: a tool that is not there
 */
export function toToolChoice(
  wire: Choosing & Pick<ChatRequestParam, 'tools' | 'functions'>,
  tools: readonly Tool[],
): ToolChoice {
  const isOlder = wire.tools == null && wire.functions != null
  const field = isOlder ? 'function_call' : 'tool_choice'
  const choice = (isOlder ? wire.function_call : wire.tool_choice) ?? 'auto'
  const parallel = !isOlder && wire.parallel_tool_calls !== false
  if (tools.length === 0) {
    if (choice === 'auto' || choice === 'none') return { kind: 'auto', parallel: true }
    throw refuseField(field, "only allowed when 'tools' are specified")
  }
  if (choice === 'required') return { kind: 'any', parallel }
  if (typeof choice === 'string') return { kind: choice, parallel }
  const name = 'function' in choice ? choice.function.name : choice.name
  if (tools.some((tool) => tool.name === name)) return { kind: 'tool', name, parallel }
  throw refuseField(field, `Tool '${excerpt(name)}' not found in provided tools`)
}

/**
 * Arguments of an earlier call; none at all are an empty object.
 * @throws HeadendError invalid-request: not JSON, or not an object
 */
export function toInput(json: string, path: string): Readonly<Record<string, unknown>> {
  if (json.trim() === '') return {}
  const input = parse(json, path)
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    throw refuseField(path, 'Input should be an object, written as JSON')
  }
  refuseDeep(input, path)
  return input as Readonly<Record<string, unknown>>
}

function parse(json: string, path: string): unknown {
  try {
    return JSON.parse(json)
  } catch (cause) {
    throw refuseField(path, `Input should be valid JSON: ${(cause as Error).message}`)
  }
}
