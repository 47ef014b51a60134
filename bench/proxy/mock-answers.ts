import { type Scenario, type ScenarioName, scenarioNames, scenarios } from './scenarios.ts'

export type Dialect = 'openai' | 'anthropic'

/** Everything that the mock will ever write, made before the first request. */
export interface Answer {
  readonly scenario: Scenario
  readonly status: string
  readonly contentType: string
  /** Of a stream: each is one write; the same buffer stands in the list many times. */
  readonly writes: readonly Buffer[]
  /** Leaves with the end: a JSON answer, or the last frames of a silent stream that is released. */
  readonly end: Buffer
}

export function buildAnswers(dialect: Dialect): ReadonlyMap<string, Answer> {
  return new Map(scenarioNames.map((name) => [name, buildAnswer(dialect, name)]))
}

function buildAnswer(dialect: Dialect, name: ScenarioName): Answer {
  const scenario: Scenario = scenarios[name]
  const { events, ending } = scenario
  const json = { scenario, status: '200 OK', contentType: 'application/json', writes: [] }
  if (typeof ending === 'number') {
    const error = { type: 'error', error: { type: 'api_error', message: `the mock answers ${ending}` } }
    const status = ending === 429 ? '429 Too Many Requests' : '500 Internal Server Error'
    return { ...json, status, end: Buffer.from(JSON.stringify(error)) }
  }
  const frames = dialect === 'openai' ? openaiFrames(name) : anthropicFrames(name)
  if (events === null) return { ...json, end: Buffer.from(frames.whole(text(scenario, 0))) }
  const end = Buffer.from(ending === 'silent' ? frames.end : '')
  return { ...json, contentType: 'text/event-stream', writes: streamWrites(scenario, frames), end }
}

/** The beginning of a stream leaves with its first event, and the end with its last one, as upstreams do that wait for the model. */
function streamWrites(scenario: Scenario, frames: Frames): Buffer[] {
  const { events, eventsPerWrite, ending } = scenario
  const count = Math.ceil((events ?? 0) / eventsPerWrite)
  const piece = Array.from({ length: eventsPerWrite }, (_, index) => frames.delta(text(scenario, index))).join('')
  const writes: Buffer[] = new Array(count).fill(Buffer.from(piece))
  writes[0] = Buffer.from(frames.begin + piece)
  const end = ending === 'complete' ? frames.end : ''
  writes[count - 1] = Buffer.from((count === 1 ? frames.begin : '') + piece + end)
  return writes
}

const words = [
  ' the',
  ' model',
  ' reads',
  '\n',
  ' a',
  ' "line"',
  ' of',
  ' code',
  ' and',
  ' é',
  ' writes',
  '.',
  ' So',
  ' it',
]

function text({ textBytes }: Scenario, index: number): string {
  const word = words[index % words.length] as string
  return textBytes === null ? word : ' of ordinary text'.repeat(Math.ceil(textBytes / 17)).slice(0, textBytes)
}

interface Frames {
  readonly begin: string
  readonly end: string
  delta(text: string): string
  whole(text: string): string
}

const promptTokens = 40
const outputTokens = 20

/** As vLLM writes them, with the usage in a chunk of its own. */
function openaiFrames(model: string): Frames {
  const chunk = (delta: object, finish: string | null): string => {
    const choices = [{ index: 0, delta, logprobs: null, finish_reason: finish, token_ids: null }]
    return `data: ${JSON.stringify({ id, object: 'chat.completion.chunk', created: 1_760_000_000, model, choices })}\n\n`
  }
  const id = 'chatcmpl-5c1a4a0f0b7d4f0b9d55f4a1c8d2e3f4'
  const usage = {
    prompt_tokens: promptTokens,
    completion_tokens: outputTokens,
    total_tokens: promptTokens + outputTokens,
  }
  const last = { id, object: 'chat.completion.chunk', created: 1_760_000_000, model, choices: [], usage }
  return {
    begin: chunk({ role: 'assistant', content: '' }, null),
    delta: (content) => chunk({ content }, null),
    end: `${chunk({ content: '' }, 'stop')}data: ${JSON.stringify(last)}\n\ndata: [DONE]\n\n`,
    whole: (content) => {
      const message = { role: 'assistant', content, refusal: null, tool_calls: [] }
      const choices = [{ index: 0, message, logprobs: null, finish_reason: 'stop' }]
      return JSON.stringify({ id, object: 'chat.completion', created: 1_760_000_000, model, choices, usage })
    },
  }
}

function anthropicFrames(model: string): Frames {
  const frame = (event: { type: string }): string => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
  const usage = { input_tokens: promptTokens, cache_creation_input_tokens: 0, cache_read_input_tokens: 0 }
  const message = (content: object[], stopReason: string | null) => ({
    ...{ id: 'msg_013Zva2CMHLNnXjNJJKqJ2EF', type: 'message', role: 'assistant', model, content },
    ...{ stop_reason: stopReason, stop_sequence: null, usage: { ...usage, output_tokens: outputTokens } },
  })
  const start = { type: 'message_start', message: message([], null) }
  const blockStart = { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } }
  const blockStop = { type: 'content_block_stop', index: 0 }
  const delta = { stop_reason: 'end_turn', stop_sequence: null }
  const messageDelta = { type: 'message_delta', delta, usage: { ...usage, output_tokens: outputTokens } }
  return {
    begin: frame(start) + frame(blockStart),
    delta: (piece) => {
      const event = { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: piece } }
      return frame(event)
    },
    end: frame(blockStop) + frame(messageDelta) + frame({ type: 'message_stop' }),
    whole: (content) => JSON.stringify(message([{ type: 'text', text: content }], 'end_turn')),
  }
}
