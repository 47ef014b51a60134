import type { GenerateRequest } from '../../contract/request.ts'
import type { FormatParam } from '../../wire/openai-inbound.ts'
import { refuseDeep } from '../json-depth.ts'
import { refuseField } from '../schema-error.ts'

const anyObject = { type: 'object' }

/**
 * https://platform.openai.com/docs/guides/structured-outputs
 * @throws HeadendError invalid-request
 */
export function toOutputSchema(
  format: FormatParam | null | undefined,
  turns: GenerateRequest['turns'],
): GenerateRequest['outputSchema'] {
  if (format == null || format.type === 'text') return null
  // What the client began need not be the beginning of valid JSON.
  if (turns.at(-1)?.role === 'assistant') {
    throw refuseField('messages', 'a prefilled answer cannot be held to response_format; end with a user message')
  }
  const schema = (format.type === 'json_schema' ? format.json_schema.schema : format.schema) ?? anyObject
  refuseDeep(schema, format.type === 'json_schema' ? 'response_format.json_schema.schema' : 'response_format.schema')
  return schema
}
