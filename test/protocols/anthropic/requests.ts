import type { Draft } from '../../../src/contract/protocol.ts'
import type { GenerateRequest } from '../../../src/contract/request.ts'
import { createParser } from '../../../src/protocols/anthropic/parse.ts'
import { lenientRules, strictRules } from '../../../src/protocols/anthropic/strict.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'

/** The smallest valid request, with some fields replaced; `undefined` takes one away. */
export function requestWith(fields: Readonly<Record<string, unknown>>): Uint8Array {
  const smallest = { model: 'm', max_tokens: 16, messages: [{ role: 'user', content: 'hi' }] }
  return encode({ ...smallest, ...fields })
}

export function encode(body: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(body))
}

const lenient = createParser(lenientRules)
const strict = createParser(strictRules)

export function parseMessages(body: Uint8Array): GenerateRequest {
  return lenient.parse(body, new RecordingExchange()).complete()
}

export function parseCount(body: Uint8Array): GenerateRequest {
  return lenient.parseCount(body, new RecordingExchange()).complete()
}

/** As a client of this version is answered under `--strict`. */
export function parseStrictly(body: Uint8Array, headers: Readonly<Record<string, string>>): GenerateRequest {
  return strict.parse(body, new RecordingExchange(headers)).complete()
}

export function countStrictly(body: Uint8Array, headers: Readonly<Record<string, string>>): GenerateRequest {
  return strict.parseCount(body, new RecordingExchange(headers)).complete()
}

export function draftOf(fields: Readonly<Record<string, unknown>>): Draft {
  return lenient.parse(requestWith(fields), new RecordingExchange())
}

export function parsed(fields: Readonly<Record<string, unknown>>): GenerateRequest {
  return parseMessages(requestWith(fields))
}

export function user(content: unknown): object {
  return { role: 'user', content }
}

export function assistant(content: unknown): object {
  return { role: 'assistant', content }
}

export function text(value: string): object {
  return { type: 'text', text: value }
}

export function toolUse(id: string, input: unknown = {}): object {
  return { type: 'tool_use', id, name: 'f', input }
}

export function toolResult(id: string, more: object = {}): object {
  return { type: 'tool_result', tool_use_id: id, ...more }
}
