import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeRequest } from '../../../src/backends/upstream/encode-request.ts'
import { defaultQuirks, type UpstreamQuirks } from '../../../src/backends/upstream/settings.ts'
import type { GenerateRequest } from '../../../src/contract/request.ts'
import { parse } from '../../../src/protocols/openai/parse.ts'
import { assistant, call, draftOf, result, system, tool, user } from './requests.ts'

/** An upstream that understands whatever headend can say: headend itself. */
const quirks: UpstreamQuirks = {
  ...defaultQuirks,
  highEfforts: true,
  reasoningHistory: 'reasoning_content',
  reportsStop: true,
}

/** As the upstream would read it. */
function sentOn(request: GenerateRequest): GenerateRequest {
  return parse(Buffer.from(encodeRequest(request, quirks, 'max_completion_tokens').body)).complete()
}

const text = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom('\n', '日本 👋', '"\\', ' '))
const json = fc
  .dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
  .map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>) // without -0 and __proto__
const textPart = text.map((value) => ({ type: 'text', text: value }))
const imagePart = fc
  .oneof(
    fc.webUrl(),
    fc.base64String({ minLength: 4, maxLength: 8 }).map((data) => `data:image/png;base64,${data}`),
  )
  .map((url) => ({ type: 'image_url', image_url: { url } }))
const shown = fc.oneof(text, fc.array(fc.oneof(textPart, imagePart), { minLength: 1, maxLength: 3 }))

interface Round {
  readonly asked: unknown
  readonly note: string | null
  readonly said: string
  readonly thought: string | null
  readonly inputs: readonly Record<string, unknown>[]
  readonly results: readonly string[]
}

const round: fc.Arbitrary<Round> = fc.record({
  asked: shown,
  note: fc.option(text),
  said: text,
  thought: fc.option(text),
  inputs: fc.array(json, { maxLength: 2 }),
  results: fc.array(fc.oneof(text, fc.constant('')), { minLength: 2, maxLength: 2 }),
})

/** Thoughts are sent on within an unfinished loop of calls only, which is the last round. */
function messagesOf(rounds: readonly Round[], isPrefilled: boolean): object[] {
  return rounds.flatMap(({ asked, note, said, thought, inputs, results }, number) => {
    const isLast = number === rounds.length - 1
    const calls = inputs.map((input, index) => call(`id-${number}_${index}`, JSON.stringify(input)))
    const speaks =
      isLast && calls.length === 0 && !isPrefilled
        ? []
        : [
            assistant(said, {
              ...(calls.length > 0 && { tool_calls: calls }),
              ...(isLast && thought !== null && { reasoning_content: thought }),
            }),
          ]
    const answers = calls.map((_, index) => result(`id-${number}_${index}`, results[index]))
    return [user(asked), ...(note === null ? [] : [system(note)]), ...speaks, ...answers]
  })
}

const fraction = (max: number) => fc.option(fc.double({ min: 0, max, noNaN: true }).map((value) => value + 0)) // no -0
const signed = fc.option(fc.double({ min: -2, max: 2, noNaN: true }).map((value) => value + 0))
const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/)
const tools = fc.uniqueArray(
  fc.record({ name, description: fc.option(text), parameters: fc.option(json), strict: fc.boolean() }),
  { selector: (declared) => declared.name, maxLength: 3 },
)

const fields = fc
  .record({
    system: fc.option(text),
    rounds: fc.array(round, { minLength: 1, maxLength: 3 }),
    isPrefilled: fc.boolean(),
    tools,
    choice: fc.constantFrom('auto', 'none', 'required', 'named'),
    parallel_tool_calls: fc.boolean(),
    reasoning_effort: fc.constantFrom(null, 'none', 'low', 'medium', 'high', 'xhigh', 'max'),
    format: fc.oneof(fc.constantFrom(null, { type: 'text' }, { type: 'json_object' }), json),
    max_tokens: fc.option(fc.integer({ min: 1, max: 100_000 })),
    temperature: fraction(2),
    top_p: fraction(1),
    top_k: fc.option(fc.nat()),
    min_p: fraction(1),
    seed: fc.option(fc.integer()),
    frequency_penalty: signed,
    presence_penalty: signed,
    repeat_penalty: fc.option(fc.double({ min: 0.5, max: 2, noNaN: true })),
    logit_bias: fc.option(fc.dictionary(fc.stringMatching(/^[1-9]\d{0,5}$/), fc.integer({ min: 1, max: 100 }))),
    stop: fc.option(fc.oneof(text, fc.array(text, { maxLength: 3 }))),
    stream: fc.boolean(),
  })
  .map(({ system: head, rounds, isPrefilled, tools: declared, choice, format, ...rest }) => {
    const messages = [...(head === null ? [] : [system(head)]), ...messagesOf(rounds, isPrefilled && format === null)]
    const [first] = declared
    const word = choice === 'named' ? (first === undefined ? 'auto' : tool(first.name)) : choice
    return {
      ...rest,
      messages,
      tools: declared.map(({ name: called, parameters, ...more }) =>
        tool(called, { ...more, ...(parameters !== null && { parameters: { ...parameters, type: 'object' } }) }),
      ),
      tool_choice: first === undefined && choice !== 'none' ? 'auto' : word,
      response_format:
        format === null || 'type' in format
          ? format
          : { type: 'json_schema', json_schema: { name: 'x', schema: format } },
    }
  })

test('a request says the same to an upstream of the same protocol', () => {
  fc.assert(
    fc.property(fields, (chat) => {
      const request = draftOf(chat).complete()
      assert.deepEqual(sentOn(request), withoutWordless(request))
    }),
    { numRuns: 2000 },
  )
})

/** What headend has no words for, or other ones: upstreams are not told to think of nothing, as many refuse the word for it. */
function withoutWordless(request: GenerateRequest): GenerateRequest {
  const { thinking, toolChoice } = request
  const isForced = toolChoice.kind === 'any' || toolChoice.kind === 'tool'
  return {
    ...request,
    thinking: thinking.kind === 'off' && !isForced ? { kind: 'unset' } : thinking,
    tools: request.tools.map((declared) => ({ ...declared, inputSchema: plain(declared.inputSchema) })),
  }
}

/** Strict servers refuse an object without `properties`. */
function plain(schema: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return schema.properties === undefined ? { ...schema, properties: {} } : schema
}
