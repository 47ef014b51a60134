import type { GenerateRequest } from '../../../src/contract/request.ts'
import { type ChatDraft, parse } from '../../../src/protocols/openai/parse.ts'
import { encode } from '../anthropic/requests.ts'

type Fields = Readonly<Record<string, unknown>>

/** The smallest valid request, with some fields replaced; `undefined` takes one away. */
export function draftOf(fields: Fields): ChatDraft {
  return parse(encode({ model: 'm', messages: [user('hi')], ...fields }))
}

export function parsed(fields: Fields): GenerateRequest {
  return draftOf(fields).complete()
}

/** Of a conversation. */
export function talk(...messages: readonly object[]): GenerateRequest {
  return parsed({ messages })
}

export function user(content: unknown): object {
  return { role: 'user', content }
}

export function system(content: unknown): object {
  return { role: 'system', content }
}

export function assistant(content: unknown, more: object = {}): object {
  return { role: 'assistant', content, ...more }
}

export function call(id: string, args = '{}', name = 'f'): object {
  return { id, type: 'function', function: { name, arguments: args } }
}

export function result(id: string, content: unknown = 'done'): object {
  return { role: 'tool', tool_call_id: id, content }
}

export function tool(name = 'f', more: object = {}): object {
  return { type: 'function', function: { name, ...more } }
}
