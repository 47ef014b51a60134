import { HeadendError } from '../../contract/errors.ts'
import type { Tool, ToolChoice } from '../../contract/request.ts'
import type { ToolChoiceParam, ToolParam } from '../../wire/anthropic.ts'
import { refuseDeep } from '../json-depth.ts'
import { excerpt, refuseField } from '../schema-error.ts'
import { cacheMark } from './attachments.ts'

/** @throws HeadendError invalid-request */
export function toTools(params: readonly ToolParam[]): readonly Tool[] {
  const names = new Set(params.map(({ name }) => name))
  if (names.size !== params.length) throw refuseField('tools', 'Tool names must be unique.')
  return params.map((param, index) => {
    refuseDeep(param.input_schema, `tools.${index}.custom.input_schema`)
    return {
      name: param.name,
      description: param.description ?? null,
      inputSchema: param.input_schema,
      strict: param.strict === true,
      cacheMark: cacheMark(param.cache_control),
    }
  })
}

/**
 * Without a `tool_choice` the model decides, and may make several calls.
 * @throws HeadendError invalid-request
 */
export function toToolChoice(param: ToolChoiceParam | undefined, tools: readonly Tool[]): ToolChoice {
  if (param === undefined) return { kind: 'auto', parallel: true }
  if (tools.length === 0) throw refuseChoice('tool_choice', 'tool_choice may only be specified while providing tools.')
  if (param.type === 'none') return { kind: 'none', parallel: true }
  const parallel = param.disable_parallel_tool_use !== true
  if (param.type !== 'tool') return { kind: param.type, parallel }
  if (!tools.some(({ name }) => name === param.name)) {
    throw refuseChoice('tool_choice.name', `Tool '${excerpt(param.name)}' not found in provided tools`)
  }
  return { kind: 'tool', name: param.name, parallel }
}

/** The hosted API words these two without a path in front. */
function refuseChoice(field: string, message: string): HeadendError {
  return new HeadendError('invalid-request', message, { field })
}
