import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Ajv } from 'ajv'
import { getLlama, type Token } from 'node-llama-cpp'
import type { StreamEvent } from '../../../src/contract/events.ts'
import type { GenerateRequest, Thinking, Tool } from '../../../src/contract/request.ts'
import { AnswerBlocks } from '../../../workers/answer-blocks.ts'
import { AnswerParser } from '../../../workers/answer-parser.ts'
import { hermesSyntax, idHole } from '../../../workers/formats/call-syntax.ts'
import { finalHeader, harmonyCalls, harmonyThinking } from '../../../workers/formats/harmony.ts'
import type { OutputFormat } from '../../../workers/formats/output-format.ts'
import { type PlannedOutput, planOutput, wantsThought } from '../../../workers/formats/output-plan.ts'
import type { Vocabulary } from '../../../workers/formats/vocabulary.ts'
import type { CallSyntax } from '../../../workers/messages.ts'
import { assistant, requestOf, user } from '../../support/generate-requests.ts'
import { createGrammarSampler } from './grammar-sampler.ts'

const controls = [
  '<|im_end|>',
  '[THINK]',
  '[/THINK]',
  '[TOOL_CALLS]',
  '<|channel|>',
  '<|message|>',
  '<|constrain|>',
  '<|start|>',
  '<|end|>',
]

/** Ids from 1000 for control tokens, and the characters of everything else. */
const vocabulary: Vocabulary = {
  encodeText: (text) => [...text].map((character) => character.charCodeAt(0) as Token),
  encodeSpecial: (text) =>
    text === '<tool_call>' ? [999 as Token] : controls.includes(text) ? idsOf(text) : [1 as Token, 2 as Token],
  specials: /(?!)/g,
  stripping: { before: new Set(), behind: new Set() },
  markers: null,
  controlTokensIn: idsOf,
  turnEnds: /(?!)/g,
  bos: null,
}

function idsOf(text: string): Token[] {
  return controls.flatMap((control, index) => (text.includes(control) ? ((1000 + index) as Token) : []))
}

const think = { opener: '<think>', closer: '</think>', open: '<think>\n', close: '\n</think>\n\n' }
const hermes: OutputFormat = {
  harmony: false,
  calls: hermesSyntax,
  nativeCalls: true,
  parallelCalls: true,
  thinking: think,
}
const harmony: OutputFormat = {
  ...hermes,
  harmony: true,
  calls: harmonyCalls,
  parallelCalls: false,
  thinking: harmonyThinking,
}

const tools: readonly Tool[] = [
  {
    name: 'look',
    description: null,
    inputSchema: {
      type: 'object',
      properties: { city: { type: 'string', enum: ['Paris', '</tool_call>'] }, days: { type: 'integer' } },
      required: ['city'],
      additionalProperties: false,
    },
    strict: false,
    cacheMark: null,
  },
  {
    name: 'find_all',
    description: null,
    inputSchema: { type: 'object', additionalProperties: false },
    strict: false,
    cacheMark: null,
  },
]
const schema = {
  type: 'object',
  properties: { ok: { type: 'boolean' } },
  required: ['ok'],
  additionalProperties: false,
}

function plan(format: OutputFormat, overrides: Partial<GenerateRequest>, rendered = ''): PlannedOutput {
  const context = { format, vocabulary, onLoosened: (entries: readonly string[]) => assert.fail(entries.join()) }
  return planOutput(context, requestOf('Hi', overrides), rendered)
}

type Call = readonly [name: string, input: unknown]

/** What an answer is read as: its calls, and its text. */
function readBack({ plan }: PlannedOutput, answer: string): { calls: Call[]; text: string } {
  const calls: [string, string][] = []
  let text = ''
  let inCall = false
  const send = (event: StreamEvent): void => {
    if (event.type === 'block-start') {
      inCall = event.block.kind === 'tool-call'
      if (event.block.kind === 'tool-call') calls.push([event.block.name, ''])
    } else if (event.type === 'block-delta' && inCall) (calls.at(-1) ?? assert.fail())[1] += event.text
    else if (event.type === 'block-delta') text += event.text
  }
  const parser = new AnswerParser(plan, [], new AnswerBlocks({ send }))
  parser.push(answer)
  parser.end(false)
  assert.equal(parser.completeCalls, calls.length)
  return { calls: calls.map(([name, input]) => [name, JSON.parse(input)]), text }
}

const checks = new Map(tools.map(({ name, inputSchema }) => [name, new Ajv().compile(inputSchema)]))

function assertValid(calls: readonly Call[]): void {
  for (const [name, input] of calls) assert.ok(checks.get(name)?.(input), `${name} ${JSON.stringify(input)}`)
}

const list: CallSyntax = {
  trigger: '[TOOL_CALLS]',
  anywhere: true,
  beforeName: '[{"name": "',
  beforeArguments: '", "arguments": ',
  afterArguments: `, "id": "${idHole}"}]`,
  betweenCalls: `, "id": "${idHole}"}, {"name": "`,
}
const formats: Readonly<Record<string, OutputFormat>> = {
  Hermes: hermes,
  'a list of calls': { ...hermes, calls: list },
  'an id in front': {
    ...hermes,
    calls: {
      ...list,
      beforeName: '',
      beforeArguments: `[CALL_ID]${idHole}[ARGS]`,
      afterArguments: '',
      betweenCalls: null,
    },
  },
  'no marker': {
    ...hermes,
    calls: { ...hermesSyntax, trigger: '{"name": "', anywhere: false, beforeName: '', afterArguments: '}' },
  },
  harmony,
}

describe('what the grammar of a call allows is read back as calls', () => {
  for (const [name, format] of Object.entries(formats)) {
    test(name, () => {
      for (const parallel of [true, false]) {
        const planned = plan(format, { tools, toolChoice: { kind: 'any', parallel } })
        assert.equal(planned.call, format.calls.trigger)
        const counts = new Set<number>()
        forSamples(planned.plan.calls?.grammar, (answer) => {
          const { calls, text } = readBack(planned, answer)
          assertValid(calls)
          assert.equal(text, '', answer)
          counts.add(calls.length)
        })
        assert.equal(Math.min(...counts), 1)
        assert.equal(Math.max(...counts) > 1, parallel && !format.harmony)
      }
    })

    test(`${name}: one tool, and no other`, () => {
      const planned = plan(format, { tools, toolChoice: { kind: 'tool', name: 'find_all', parallel: true } })
      forSamples(planned.plan.calls?.grammar, (answer) => {
        for (const [called] of readBack(planned, answer).calls) assert.equal(called, 'find_all')
      })
    })
  }
})

describe('what the grammar of a text allows', () => {
  for (const [name, format] of Object.entries(formats)) {
    test(`${name}: JSON by its schema, or calls`, () => {
      const planned = plan(format, { tools, outputSchema: schema })
      const check = new Ajv().compile(schema)
      const start = format.harmony ? finalHeader : ''
      forSamples(planned.plan.textGrammar, (answer) => {
        const { calls, text } = readBack(planned, start + answer)
        assertValid(calls)
        assert.ok(calls.length > 0 ? text === '' : check(JSON.parse(text)), answer)
      })
    })
  }

  test('behind a forced call: more calls, and no text', () => {
    const forced = plan(hermes, { tools, outputSchema: schema, toolChoice: { kind: 'any', parallel: true } })
    const only = plan(hermes, { tools, outputSchema: schema, toolChoice: { kind: 'any', parallel: false } })
    const counts = new Set<number>()
    forSamples(forced.plan.textGrammar, (answer) => {
      const first = '\n{"name": "find_all", "arguments": {}}\n</tool_call>'
      const { calls, text } = readBack(forced, first + answer)
      assertValid(calls)
      assert.equal(text, '', answer)
      counts.add(calls.length)
    })
    assert.ok(counts.has(1) && counts.has(2), 'none, or some')
    forSamples(only.plan.textGrammar, (answer) => assert.equal(answer, ''))
  })
})

function forSamples(gbnf: string | null | undefined, check: (answer: string) => void, samples = 300): void {
  assert.ok(typeof gbnf === 'string')
  const sampler = createGrammarSampler(gbnf)
  let state = 1
  const random = (): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0 // the generator of ANSI C: any will do, if it is the same each time
    return state / 2 ** 32
  }
  for (let count = 0; count < samples; count++) check(sampler.sample(random))
}

test('the engine takes these grammars', async () => {
  const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1 })
  const forced = { tools, outputSchema: schema, toolChoice: { kind: 'any', parallel: false } } as const
  const plans = Object.values(formats).flatMap((format) => [
    plan(format, { tools, outputSchema: schema }),
    plan(format, forced),
  ])
  for (const { textGrammar, calls } of plans.map(({ plan }) => plan)) {
    for (const gbnf of [textGrammar, calls?.grammar]) {
      assert.ok(typeof gbnf === 'string')
      const grammar = await llama.createGrammar({ grammar: gbnf })
      // Internal to the bindings, and the only way to ask the engine itself about a given text.
      const judge = grammar as unknown as { _testText(text: string): boolean }
      forSamples(gbnf, (answer) => assert.ok(judge._testText(answer), answer), 10)
    }
  }
  await llama.dispose()
})

describe('how an answer begins', () => {
  const on: Thinking = { kind: 'adaptive', shown: true }
  const off: Thinking = { kind: 'off' }
  const unset: Thinking = { kind: 'unset' }
  const outputSchema = schema
  const any = { tools, toolChoice: { kind: 'any', parallel: true } } as const
  const prefill = { turns: [user('Hi'), assistant('The')] }
  const opened = '<assistant><think>\n'
  const closed = '<assistant><think>\n\n</think>\n\n'

  const table: readonly (readonly [
    name: string,
    request: Partial<GenerateRequest>,
    rendered: string,
    thought: string,
    startsOpen: boolean,
  ])[] = [
    ['a thought is wanted: the model begins it', { thinking: on }, '<assistant>', '', false],
    ['... or the template', { thinking: on }, opened, '', true],
    [
      '... or we, where a text under a grammar follows',
      { thinking: on, outputSchema },
      '<assistant>',
      '<think>\n',
      true,
    ],
    ['no thought: the template sees to it', { thinking: off }, closed, '', false],
    ['... or we', { thinking: off }, '<assistant>', '<think>\n\n</think>\n\n', false],
    ['... also where the template begins one all the same', { thinking: off }, opened, '\n</think>\n\n', false],
    ['nothing said: the model does as it likes', { thinking: unset }, '<assistant>', '', false],
    ['... and the template', { thinking: unset }, opened, '', true],
    ['a prefill ends the thought', { thinking: on, ...prefill }, opened, '\n</think>\n\n', false],
    ['a forced call ends the thought', { thinking: on, ...any }, opened, '\n</think>\n\n', false],
  ]
  for (const [name, request, rendered, thought, startsOpen] of table) {
    test(name, () => {
      const planned = plan(hermes, request, rendered)
      assert.equal(planned.thought, thought)
      assert.equal(planned.plan.thinking.startsOpen, startsOpen)
    })
  }

  test('a model that does not think gets no marks of thoughts', () => {
    const planned = plan({ ...hermes, thinking: null }, { thinking: on, outputSchema })
    assert.equal(planned.thought, '')
    assert.deepEqual(planned.plan.thinking.tags, [])
    assert.deepEqual(planned.plan.thinking.closeTokens, [])
  })

  const ofHarmony: readonly (readonly [name: string, request: Partial<GenerateRequest>, begun: string])[] = [
    ['the model chooses its channel', { thinking: on }, ''],
    ['... also when nothing was said', { thinking: unset }, ''],
    ['no thought: the answer is final', { thinking: off }, finalHeader],
    ['... unless tools may be called', { thinking: off, tools }, ''],
    ['... and they may not', { thinking: off, tools, toolChoice: { kind: 'none', parallel: true } }, finalHeader],
    ['a text by a schema without a thought', { thinking: unset, outputSchema }, finalHeader],
    ['a text by a schema with a thought', { thinking: on, outputSchema }, ''],
    ['a prefill', { thinking: on, ...prefill }, finalHeader],
    ['a forced call', { thinking: on, ...any }, harmonyCalls.trigger],
  ]
  for (const [name, request, begun] of ofHarmony) {
    test(`harmony: ${name}`, () => {
      const planned = plan(harmony, request)
      assert.equal(planned.thought + planned.call, begun)
      assert.equal(planned.plan.harmony, begun)
    })
  }
})

describe('tokens of a plan', () => {
  const native: OutputFormat = {
    ...hermes,
    calls: list,
    thinking: { opener: '[THINK]', closer: '[/THINK]', open: '[THINK]', close: '[/THINK]' },
  }

  test('control tokens count as text where they are part of the syntax', () => {
    assert.deepEqual(plan(native, { tools }).plan.spokenTokens, idsOf('[THINK][/THINK][TOOL_CALLS]'))
    assert.deepEqual(plan(native, {}).plan.spokenTokens, idsOf('[THINK][/THINK]'))
    assert.deepEqual(plan(harmony, {}).plan.spokenTokens, idsOf('<|channel|><|message|><|constrain|><|start|><|end|>'))
    assert.deepEqual(plan({ ...hermes, thinking: null }, { tools }).plan.spokenTokens, [])
  })

  test('what begins a call is banned where tools are declared and must not be called', () => {
    const none = { tools, toolChoice: { kind: 'none', parallel: true } } as const
    assert.deepEqual(plan(hermes, none).plan.bannedTokens, [999])
    assert.deepEqual(plan(native, none).plan.bannedTokens, idsOf('[TOOL_CALLS]'))
    assert.deepEqual(plan(hermes, { tools }).plan.bannedTokens, [])
    assert.deepEqual(plan(hermes, {}).plan.bannedTokens, [])
    assert.deepEqual(plan(harmony, none).plan.bannedTokens, [], 'a trigger of several tokens')
    assert.deepEqual(plan(formats['no marker'] ?? assert.fail(), none).plan.bannedTokens, [])
    assert.equal(plan(hermes, none).plan.calls, null)
  })

  test('a budget, and what ends a thought when it is spent', () => {
    const { thinking } = plan(native, { thinking: { kind: 'budget', budgetTokens: 1024, shown: true } }).plan
    assert.equal(thinking.budgetTokens, 1024)
    assert.deepEqual(thinking.closeTokens, idsOf('[/THINK]'))
    assert.ok(thinking.kept)
    assert.ok(!plan(native, { thinking: { kind: 'off' } }).plan.thinking.kept)
    assert.ok(plan(native, { thinking: { kind: 'unset' } }).plan.thinking.kept)
  })
})

test('thoughts are wanted when the client asks, and nothing stands against it', () => {
  const on: Thinking = { kind: 'adaptive', shown: false }
  assert.ok(wantsThought(requestOf('Hi', { thinking: on })))
  assert.ok(wantsThought(requestOf('Hi', { thinking: { kind: 'budget', budgetTokens: 1024, shown: true }, tools })))
  assert.ok(!wantsThought(requestOf('Hi', { thinking: { kind: 'unset' } })))
  assert.ok(!wantsThought(requestOf('Hi', { thinking: { kind: 'off' } })))
  assert.ok(!wantsThought(requestOf('Hi', { thinking: on, turns: [user('Hi'), assistant('The')] })))
  assert.ok(!wantsThought(requestOf('Hi', { thinking: on, tools, toolChoice: { kind: 'any', parallel: true } })))
})
