import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import type Anthropic from '@anthropic-ai/sdk'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { createJsonPrefix, type JsonPrefix } from '../../src/text/json-prefix.ts'
import { type RandomModelServer, startRandomModelServer } from '../support/random-model.ts'

type Schema = Anthropic.Tool.InputSchema

/** Strings of the model's own end where the schema says; without a bound, noise would fill the context. */
const word = { type: 'string', maxLength: 12 }

const schemas: Readonly<Record<string, Schema>> = {
  search: {
    type: 'object',
    properties: {
      pattern: word,
      path: word,
      mode: { enum: ['content', 'files', 'count', null] },
      'case-sensitive': { type: 'boolean' },
      limit: { type: 'integer', minimum: 1, maximum: 500 },
    },
    required: ['pattern'],
    additionalProperties: false,
  },
  schedule: {
    type: 'object',
    properties: {
      when: { $ref: '#/$defs/time' },
      until: { anyOf: [{ $ref: '#/$defs/time' }, { type: 'null' }] },
      days: { type: 'array', items: { enum: ['mo', 'tu', 'we'] }, minItems: 1, maxItems: 4 },
      notify: {
        type: 'object',
        properties: { email: word, quiet: { type: 'boolean' }, after: { $ref: '#/$defs/time' } },
        required: ['quiet'],
      },
    },
    required: ['when'],
    $defs: {
      time: {
        type: 'object',
        properties: {
          hour: { type: 'integer', minimum: 0, maximum: 23 },
          minute: { type: 'integer', minimum: 0, maximum: 59 },
        },
        required: ['hour'],
      },
    },
  },
  nothing_required: {
    type: 'object',
    properties: {
      note: { type: 'string', maxLength: 6 },
      level: { type: 'number', exclusiveMinimum: 0, maximum: 1 },
      tags: { type: 'array', items: word, maxItems: 3 },
    },
  },
}
const tools: Anthropic.Tool[] = Object.entries(schemas).map(([name, input_schema]) => ({ name, input_schema }))
const ajv = new Ajv2020({ strict: false })

/** Temperature 1, and the server draws a fresh seed for each request: fifty requests are fifty seeds. */
const seeds = 50

describe('a model of random weights, at temperature 1', () => {
  let server: RandomModelServer
  before(async () => {
    server = await startRandomModelServer({}, { slots: '4', context: '2048' })
  })
  after(() => server.destroy())

  it(`calls tools ${seeds} times as their schemas say, with and without what is optional`, async () => {
    const calls = (await inLanes(seeds, (index) => forcedCalls(server, index))).flat()
    const whole = calls.filter(({ isWhole }) => isWhole)
    assert.ok(whole.length > seeds / 2, `${whole.length} of ${calls.length} calls are whole`)
    for (const { name, json } of whole) {
      const validate = ajv.compile(schemas[name] as Schema)
      assert.ok(validate(JSON.parse(countedAsOne(json))), `${name} ${json}: ${ajv.errorsText(validate.errors)}`)
    }
    const optional = whole.flatMap(({ name, json }) => {
      const input = JSON.parse(json) as object
      return optionalProperties(schemas[name] as Schema).map((property) => property in input)
    })
    const had = optional.filter(Boolean).length
    assert.ok(had > 0 && had < optional.length, `${had} of ${optional.length} optional properties`)
  })

  it('writes text that is JSON of the schema, seven times for each', async () => {
    for (const [name, schema] of Object.entries(schemas)) {
      const texts = await inLanes(7, (index) => structuredText(server, schema, index))
      const whole = texts.filter((text) => text !== null)
      assert.ok(whole.length > 0, name)
      for (const text of whole) {
        const validate = ajv.compile(schema)
        assert.ok(validate(JSON.parse(countedAsOne(text))), `${name} ${text}: ${ajv.errorsText(validate.errors)}`)
      }
    }
  })
})

/**
 * Noise writes overlong forms, which are no UTF-8 and yet one character to the engine's grammar, which counts them against
 * `maxLength`. They arrive as up to four U+FFFD.
 */
function countedAsOne(json: string): string {
  return json.replace(/\ufffd{2,4}/g, '\ufffd')
}

interface StreamedCall {
  readonly name: string
  /** All its pieces. */
  readonly json: string
  /** Not cut by `max_tokens`. */
  readonly isWhole: boolean
}

/** One forced answer; throws when a piece of a call is more than a prefix of JSON, as the SDK does when it accumulates them. */
async function forcedCalls({ client, model }: RandomModelServer, index: number): Promise<readonly StreamedCall[]> {
  const stream = client.messages.stream({
    model,
    max_tokens: index % 10 === 1 ? 40 : 200, // 40 cut some calls, one in its name now and then
    temperature: 1,
    tools,
    // Where more calls may follow, noise goes on until max_tokens, with a call in it now and then.
    tool_choice: { type: 'any', disable_parallel_tool_use: index % 10 !== 0 },
    messages: [{ role: 'user', content: `Call a tool, number ${index}` }],
  })
  const inputs = new Map<number, CallInput>()
  stream.on('streamEvent', (event) => {
    if (event.type === 'content_block_start' && event.content_block.type === 'tool_use') {
      inputs.set(event.index, new CallInput(event.content_block.name))
    } else if (event.type === 'content_block_delta' && event.delta.type === 'input_json_delta') {
      inputs.get(event.index)?.push(event.delta.partial_json)
    }
  })
  const final = await stream.finalMessage()
  const [first] = final.content
  if (first === undefined) assert.equal(final.stop_reason, 'max_tokens')
  else assert.equal(first.type, 'tool_use')
  for (const [position, { scanner, json }] of inputs) {
    const block = final.content[position] as Anthropic.ToolUseBlock
    if (scanner.complete) assert.deepEqual(block.input, JSON.parse(json))
    else assert.equal(final.stop_reason, 'max_tokens')
  }
  return [...inputs.values()].map(({ name, json, scanner }) => ({ name, json, isWhole: scanner.complete }))
}

class CallInput {
  readonly name: string
  readonly scanner: JsonPrefix = createJsonPrefix()
  json = ''

  constructor(name: string) {
    this.name = name
  }

  push(piece: string): void {
    this.json += piece
    assert.equal(this.scanner.push(piece), piece, this.json) // nothing that would have to be held back
    assert.doesNotThrow(() => JSON.parse(this.json + this.scanner.close()), this.json)
  }
}

/** `null`: it was cut. */
async function structuredText(
  { client, model }: RandomModelServer,
  schema: Schema,
  index: number,
): Promise<string | null> {
  const stream = client.messages.stream({
    model,
    max_tokens: 200,
    temperature: 1,
    messages: [{ role: 'user', content: `Answer as JSON, number ${index}` }],
    output_config: { format: { type: 'json_schema', schema: schema as unknown as Record<string, unknown> } },
  })
  const final = await stream.finalMessage()
  assert.deepEqual(
    final.content.map(({ type }) => type),
    ['text'],
  )
  return final.stop_reason === 'end_turn' ? await stream.finalText() : null
}

function optionalProperties({ properties, required }: Schema): string[] {
  return Object.keys(properties as object).filter((property) => !(required ?? []).includes(property))
}

/** As many at once as there are slots. */
async function inLanes<Result>(count: number, run: (index: number) => Promise<Result>): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < count) results.push(await run(next++))
  }
  await Promise.all(Array.from({ length: 4 }, lane))
  return results
}
