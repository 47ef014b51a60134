import type { Tool, ToolChoice } from '../../contract/request.ts'
import type { ChatTool, ChatToolChoice } from '../../wire/openai.ts'
import { upstreamToolName } from './tool-names.ts'

/** In the order of the client, keys too: upstreams keep the beginning of a prompt in their cache. */
export function encodeTools(tools: readonly Tool[], takesStrict: boolean): ChatTool[] {
  return tools.map(({ name, description, inputSchema, strict }) => ({
    type: 'function',
    function: {
      name: upstreamToolName(name),
      ...(description !== null && { description }),
      parameters: parametersOf(inputSchema),
      ...(strict && takesStrict && ({ strict: true } as const)),
    },
  }))
}

/** What was shortened, from the upstream's name to the client's. */
export function shortenedNames(tools: readonly Tool[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>()
  for (const { name } of tools) {
    const short = upstreamToolName(name)
    if (short !== name) names.set(short, name)
  }
  return names
}

/** Without `$schema`, which strict servers refuse, as they do an object without `properties`. */
function parametersOf(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  const plain = withoutDialect(schema)
  const isObject = plain.type === undefined || plain.type === 'object'
  return isObject && plain.properties === undefined ? { type: 'object', ...plain, properties: {} } : plain
}

export function withoutDialect(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  if (schema.$schema === undefined) return schema
  const { $schema, ...rest } = schema
  return rest
}

export function encodeToolChoice(choice: ToolChoice): ChatToolChoice {
  switch (choice.kind) {
    case 'auto':
    case 'none':
      return choice.kind
    case 'any':
      return 'required'
    case 'tool':
      return { type: 'function', function: { name: upstreamToolName(choice.name) } }
    default:
      return choice satisfies never
  }
}
