import type { Dialect } from './mock-answers.ts'
import type { ScenarioName } from './scenarios.ts'

export type Shape = 'small' | 'large' | 'large-unicode'

/** A whole HTTP request with the headers of an SDK. The mock alone does not read what is in the body, so all targets get the same. */
export function requestBytes(url: URL, dialect: Dialect, model: ScenarioName, isStream: boolean, shape: Shape): Buffer {
  const body = Buffer.from(JSON.stringify({ model, ...bodyOf(shape), ...(isStream && { stream: true }) }))
  const head = [
    `POST ${dialect === 'openai' ? '/v1/chat/completions' : '/v1/messages'} HTTP/1.1`,
    `host: ${url.host}`,
    'accept: application/json',
    'content-type: application/json',
    'user-agent: Anthropic/JS 1.11.0',
    'x-api-key: sk-ant-bench',
    'anthropic-version: 2023-06-01',
    `content-length: ${body.length}`,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), body])
}

function bodyOf(shape: Shape): object {
  if (shape !== 'small') return agentBody(shape === 'large' ? latinWords : mixedWords)
  return {
    max_tokens: 256,
    temperature: 0.7,
    system: 'You are a helpful assistant.',
    messages: [{ role: 'user', content: 'What is the capital of France? Answer in one word.' }],
  }
}

/** About 100 KB, as a coding agent sends amid its work: 16 tools, a long system text, and 41 messages with calls and their results. */
function agentBody(words: readonly string[]): object {
  const turns = Array.from({ length: 20 }, (_, turn) => [
    { role: 'assistant', content: [{ type: 'text', text: prose(words, 150, turn) }, call(words, turn)] },
    { role: 'user', content: results(words, turn) },
  ])
  const system = [
    { type: 'text', text: 'You are a coding agent.' },
    { type: 'text', text: prose(words, 9000, 3), cache_control: { type: 'ephemeral' } },
  ]
  const messages = [{ role: 'user', content: prose(words, 900, 5) }, ...turns.flat()]
  return { max_tokens: 32_000, system, tools: Array.from({ length: 16 }, (_, index) => tool(words, index)), messages }
}

/** Every second call writes code, the others ask for a little. */
function call(words: readonly string[], turn: number): object {
  const path = `/home/user/project/src/part-${turn}/index.ts`
  const edits = [{ old: code(words, 5, turn), new: code(words, 7, turn + 1), all: false }]
  const input = turn % 2 === 0 ? { path, edits } : { path, offset: turn * 100, limit: 200 }
  return { type: 'tool_use', id: toolId(turn), name: `tool_${turn % 16}`, input }
}

/** Results come as text or as blocks; the last one bears the mark of the cache. */
function results(words: readonly string[], turn: number): object[] {
  const text = code(words, 32, turn)
  const content = turn % 2 === 0 ? text : [{ type: 'text', text }]
  const mark = turn === 19 ? { cache_control: { type: 'ephemeral' } } : {}
  return [{ type: 'tool_result', tool_use_id: toolId(turn), content, ...mark }]
}

function toolId(turn: number): string {
  return `toolu_01${String(turn).padStart(4, '0')}kT9xVbQmRw3ZpLc7Ns`
}

function tool(words: readonly string[], index: number): object {
  const described = (type: string, more: object = {}) => ({ type, description: prose(words, 90, index), ...more })
  const edit = {
    type: 'object',
    properties: { old: described('string'), new: described('string'), all: described('boolean', { default: false }) },
    required: ['old', 'new'],
    additionalProperties: false,
  }
  return {
    name: `tool_${index}`,
    description: prose(words, 900, index),
    input_schema: {
      $schema: 'http://json-schema.org/draft-07/schema#',
      type: 'object',
      properties: {
        path: described('string'),
        offset: described('integer', { minimum: 0 }),
        limit: described('integer', { exclusiveMinimum: 0, maximum: 2000 }),
        mode: described('string', { enum: ['content', 'files_with_matches', 'count'] }),
        edits: described('array', { items: edit, minItems: 1 }),
      },
      required: ['path'],
      additionalProperties: false,
    },
  }
}

const latinWords = 'the agent reads a line of "source" text and writes one more\n'.split(' ')
/** What real prompts hold, too: one such character makes a string of two bytes a character. */
const mixedWords = 'the agent reads — a line of “source” text ✓ and writes 一 more\n'.split(' ')

function prose(words: readonly string[], characters: number, seed: number): string {
  let text = ''
  for (let index = seed; text.length < characters; index += 5) text += `${words[index % words.length]} `
  return text.slice(0, characters)
}

/** Indented lines with quotes and line breaks, which JSON must escape. */
function code(words: readonly string[], lines: number, seed: number): string {
  const line = (index: number) =>
    `${index}\t${'  '.repeat(1 + (index % 3))}const value${index} = read("${words[(seed + index) % words.length]?.trim()}", { depth: ${index} })\n`
  return Array.from({ length: lines }, (_, index) => line(seed + index)).join('')
}
