import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { StreamEvent } from '../../src/contract/events.ts'
import { AnswerBlocks } from '../../workers/answer-blocks.ts'
import { AnswerParser } from '../../workers/answer-parser.ts'
import { finalHeader, harmonyCalls } from '../../workers/formats/harmony.ts'
import type { CallSyntax } from '../../workers/messages.ts'
import { type PlanOverrides, planOf } from '../support/output-plans.ts'

type Block = ['text' | 'thinking', string] | ['call', name: string, input: string]

interface Answer {
  readonly blocks: readonly Block[]
  readonly stop: string | null
  readonly calls: number
}

interface Reading extends PlanOverrides {
  readonly stops?: readonly string[]
  readonly cut?: boolean
}

function read(pieces: readonly string[], { stops = [], cut = false, ...overrides }: Reading = {}): Answer {
  const events: StreamEvent[] = []
  const parser = new AnswerParser(planOf(overrides), stops, new AnswerBlocks({ send: (event) => events.push(event) }))
  for (const piece of pieces) {
    if (parser.stopSequence !== null) break // as the decode loop does
    parser.push(piece)
  }
  parser.end(cut)
  return { blocks: blocksOf(events), stop: parser.stopSequence, calls: parser.completeCalls }
}

function blocksOf(events: readonly StreamEvent[]): Block[] {
  const blocks: Block[] = []
  let open: Block | null = null
  for (const event of events) {
    if (event.type === 'block-start') {
      assert.equal(open, null)
      assert.equal(event.index, blocks.length)
      open = event.block.kind === 'tool-call' ? ['call', event.block.name, ''] : [event.block.kind, '']
      blocks.push(open)
    } else if (event.type === 'block-delta') {
      assert.ok(open !== null)
      assert.notEqual(event.text, '')
      open[open.length - 1] += event.text
    } else {
      assert.equal(event.type, 'block-end')
      assert.ok(open !== null)
      open = null
    }
  }
  assert.equal(open, null)
  return blocks
}

const text = (content: string): Block => ['text', content]
const thinking = (content: string): Block => ['thinking', content]
const look: Block = ['call', 'look', '{"a": 1}']
const one = '<tool_call>\n{"name": "look", "arguments": {"a": 1}}\n</tool_call>'

interface Case {
  readonly answer: string
  readonly blocks: readonly Block[]
  readonly reading?: Reading
  readonly stop?: string
  /** Complete ones. */
  readonly calls?: number
}

const cases: Readonly<Record<string, Readonly<Record<string, Case>>>> = {
  'thoughts, text and calls': {
    'text alone': { answer: 'Hello\n', blocks: [text('Hello\n')] },
    nothing: { answer: '', blocks: [] },
    'all in their order': {
      answer: `<think>\nHm.\n</think>\n\nI look.\n${one}`,
      blocks: [thinking('Hm.'), text('I look.'), look],
      calls: 1,
    },
    'a thought before a call': {
      answer: `<think>\nHm.\n</think>\n\n${one}`,
      blocks: [thinking('Hm.'), look],
      calls: 1,
    },
    'a thought between calls': {
      answer: `${one}\n<think>\nMore.\n</think>\n\n${one}`,
      blocks: [look, thinking('More.'), look],
      calls: 2,
    },
    'a thought right behind a call is text, because no line begins there': {
      answer: `${one}<think>More.</think>`,
      blocks: [look, text('<think>More.</think>')],
      calls: 1,
    },
    'text, a thought, text': {
      answer: 'One.\n<think>\nHm.\n</think>\n\nTwo.',
      blocks: [text('One.\n'), thinking('Hm.'), text('Two.')],
    },
    'what may begin a call, and a thought comes': {
      answer: 'One <tool\n<think>Hm.</think>Two.',
      blocks: [text('One <tool\n'), thinking('Hm.'), text('Two.')],
    },
    'a call inside a thought is none': {
      answer: `<think>\nI could ${one}\n</think>\n\nDone.`,
      blocks: [thinking(`I could ${one}`), text('Done.')],
    },
    'tags inside arguments are none': {
      answer: '<tool_call>{"name": "look", "arguments": {"a":\n"<think>",\n"b": "</think>"}}</tool_call>',
      blocks: [['call', 'look', '{"a":\n"<think>",\n"b": "</think>"}']],
      calls: 1,
    },
    'code in arguments is not the code of the text': {
      answer: `<tool_call>{"name": "look", "arguments": {"a": "\`\`\`"}}</tool_call>\n<think>Hm.</think>Done.`,
      blocks: [['call', 'look', '{"a": "```"}'], thinking('Hm.'), text('Done.')],
      calls: 1,
    },
    'an open thought': { answer: '<think>\nHm', blocks: [thinking('Hm')], reading: { cut: true } },
  },
  'by the plan': {
    'the prompt ends in a thought': {
      answer: `Hm.\n</think>\n\n${one}`,
      blocks: [thinking('Hm.'), look],
      reading: { thinking: { startsOpen: true } },
      calls: 1,
    },
    'thoughts that nobody wants are dropped': {
      answer: `<think>\nHm.\n</think>\n\nHello`,
      blocks: [text('Hello')],
      reading: { thinking: { kept: false } },
    },
    "the model's own markers": {
      answer: '[THINK]Hm.[/THINK]Hello',
      blocks: [thinking('Hm.'), text('Hello')],
      reading: { thinking: { tags: [{ open: '[THINK]', close: '[/THINK]' }] } },
    },
    'no calls are wanted': { answer: `I ${one}`, blocks: [text(`I ${one}`)], reading: { calls: null } },
    'a forced call': {
      answer: one.slice('<tool_call>'.length),
      blocks: [look],
      reading: { calls: { forced: true } },
      calls: 1,
    },
    'a forced call, and a thought behind it': {
      answer: `${one.slice('<tool_call>'.length)}\n<think>Hm.</think>Hello`,
      blocks: [look, thinking('Hm.'), text('Hello')],
      reading: { calls: { forced: true } },
      calls: 1,
    },
    'a call that is cut is not complete': {
      answer: '<tool_call>{"name": "look", "arguments": {"a": "x',
      blocks: [['call', 'look', '{"a": "x']],
      reading: { cut: true },
    },
    'a call that the model leaves open is closed': {
      answer: '<tool_call>{"name": "look", "arguments": {"a": "x',
      blocks: [['call', 'look', '{"a": "x"}']],
      calls: 1,
    },
  },
  'stop sequences': {
    'in text': { answer: 'One STOP two', blocks: [text('One ')], reading: { stops: ['STOP'] }, stop: 'STOP' },
    'at the very beginning': { answer: 'STOP two', blocks: [], reading: { stops: ['STOP'] }, stop: 'STOP' },
    'not in a thought': {
      answer: '<think>STOP</think>One',
      blocks: [thinking('STOP'), text('One')],
      reading: { stops: ['STOP'] },
    },
    'not in arguments': {
      answer: '<tool_call>{"name": "STOP", "arguments": {"STOP": "STOP"}}</tool_call>',
      blocks: [['call', 'STOP', '{"STOP": "STOP"}']],
      reading: { stops: ['STOP'] },
      calls: 1,
    },
    'before a call, which then is none': {
      answer: `One STOP ${one}`,
      blocks: [text('One ')],
      reading: { stops: ['STOP'] },
      stop: 'STOP',
    },
    'before a thought, which then is none': {
      answer: 'One STOP\n<think>Hm.</think>',
      blocks: [text('One ')],
      reading: { stops: ['STOP'] },
      stop: 'STOP',
    },
    'behind a call': { answer: `${one}\nSTOP`, blocks: [look], reading: { stops: ['STOP'] }, stop: 'STOP', calls: 1 },
    'half of one before a call is text': {
      answer: `One STO${one}`,
      blocks: [text('One STO'), look],
      reading: { stops: ['STOP'] },
      calls: 1,
    },
    'not over a call': {
      answer: `One ST${one}OP`,
      blocks: [text('One ST'), look, text('OP')],
      reading: { stops: ['STOP'] },
      calls: 1,
    },
    'not over a thought': {
      answer: 'One ST\n<think>Hm.</think>OP',
      blocks: [text('One ST\n'), thinking('Hm.'), text('OP')],
      reading: { stops: ['ST\nOP', 'STOP'] },
    },
    'the shorter of two, when a call shows that the longer does not come': {
      answer: `One AB${one}`,
      blocks: [text('One ')],
      reading: { stops: ['ABC', 'AB'] },
      stop: 'AB',
    },
    'the syntax of a call is no text': { answer: one, blocks: [look], reading: { stops: ['<tool_call>'] }, calls: 1 },
    'what looks like a call is text': {
      answer: 'the <tool_call> tag',
      blocks: [text('the ')],
      reading: { stops: ['<tool_call>'] },
      stop: '<tool_call>',
    },
  },
}

const analysis = '<|channel|>analysis<|message|>'
const commentary = '<|channel|>commentary to=functions.look <|constrain|>json<|message|>'
const next = '<|end|><|start|>assistant'
const harmony = { harmony: '', calls: { syntax: harmonyCalls } } as const

const harmonyCases: Readonly<Record<string, Case>> = {
  'a thought and an answer': {
    answer: `${analysis}Hm.${next}${finalHeader}Hello, <b>you</b>`,
    blocks: [thinking('Hm.'), text('Hello, <b>you</b>')],
  },
  'a thought and a call': {
    answer: `${analysis}Hm.${next}${commentary}{"a": 1}`,
    blocks: [thinking('Hm.'), look],
    calls: 1,
  },
  'a call whose header names the tool first, as the template writes it': {
    answer: `${analysis}Hm.${next} to=functions.look<|channel|>commentary json<|message|>{"a": 1}`,
    blocks: [thinking('Hm.'), look],
    calls: 1,
  },
  'several thoughts, and what is said before a call': {
    answer: `${analysis}One.${next}${analysis}Two.${next}<|channel|>commentary<|message|>I look.${next}${commentary}{"a": 1}`,
    blocks: [thinking('One.'), thinking('Two.'), text('I look.'), look],
    calls: 1,
  },
  'an answer without a thought': { answer: `${finalHeader}Hello`, blocks: [text('Hello')] },
  'a message that forgets its end': {
    answer: `${analysis}Hm.<|start|>assistant${finalHeader}Hello`,
    blocks: [thinking('Hm.'), text('Hello')],
  },
  '... and its role': { answer: `${analysis}Hm.${finalHeader}Hello`, blocks: [thinking('Hm.'), text('Hello')] },
  'an answer whose header is in the prompt': {
    answer: 'Hello',
    blocks: [text('Hello')],
    reading: { ...harmony, harmony: finalHeader },
  },
  'a forced call': {
    answer: 'look <|constrain|>json<|message|>{"a": 1}',
    blocks: [look],
    reading: { harmony: harmonyCalls.trigger, calls: { syntax: harmonyCalls, forced: true } },
    calls: 1,
  },
  'a call that is cut': {
    answer: `${commentary}{"a": "x`,
    blocks: [['call', 'look', '{"a": "x']],
    reading: { ...harmony, cut: true },
  },
  'a call that the model leaves open': {
    answer: `${commentary}{"a": "x`,
    blocks: [['call', 'look', '{"a": "x"}']],
    calls: 1,
  },
  'arguments that are no JSON': {
    answer: `${commentary}{"a": 1, b}<|end|><|start|>assistant${finalHeader}Hello`,
    blocks: [look, text('Hello')],
    calls: 1,
  },
  'cut in a header': {
    answer: `${analysis}Hm.${next}<|channel|>fin`,
    blocks: [thinking('Hm.')],
    reading: { ...harmony, cut: true },
  },
  'no calls are wanted': {
    answer: `${commentary}{"a": 1}`,
    blocks: [text('{"a": 1}')],
    reading: { harmony: '', calls: null },
  },
  'thoughts that nobody wants': {
    answer: `${analysis}Hm.${next}${finalHeader}Hello`,
    blocks: [text('Hello')],
    reading: { ...harmony, thinking: { kept: false } },
  },
  'a model that writes no headers': { answer: 'Hello', blocks: [text('Hello')] },
  'stop sequences count in text only': {
    answer: `${analysis}STOP${next}${finalHeader}One STOP two`,
    blocks: [thinking('STOP'), text('One ')],
    reading: { ...harmony, stops: ['STOP'] },
    stop: 'STOP',
  },
}

for (const [group, members] of Object.entries({ ...cases, 'the format of gpt-oss': harmonyCases })) {
  describe(group, () => {
    for (const [name, { answer, blocks, reading, stop = null, calls = 0 }] of Object.entries(members)) {
      test(name, () => {
        const how = reading ?? (members === harmonyCases ? harmony : {})
        assert.deepEqual(read([answer], how), { blocks, stop, calls }, 'in one piece')
        assert.deepEqual(read([...answer], how), { blocks, stop, calls }, 'character by character')
      })
    }
  })
}

describe('where the pieces are cut makes no difference', () => {
  const llama: CallSyntax = {
    trigger: '{"name": "',
    anywhere: false,
    beforeName: '',
    beforeArguments: '", "parameters": ',
    afterArguments: '}',
    betweenCalls: null,
  }
  const formats: Readonly<Record<string, readonly [readonly string[], Reading]>> = {
    Hermes: [
      [
        '<tool_call>',
        '{"name": "look", "arguments": ',
        '</tool_call>',
        '<think>',
        '</think>',
        '<thi',
        '<tool',
        '\n```\n',
        '`',
        '\n<think>',
      ],
      {},
    ],
    Llama: [
      ['{"name": "', 'look', '", "parameters": ', '<think>', '</think>', '\n<think>'],
      { calls: { syntax: llama } },
    ],
    harmony: [
      [analysis, commentary, next, finalHeader, '<|end|>', '<|', '<|start|>', '<|channel|>', 'to=functions.look'],
      harmony,
    ],
  }
  const flags = fc.record({ startsOpen: fc.boolean(), kept: fc.boolean() })
  for (const [name, [units, reading]] of Object.entries(formats)) {
    test(name, () => {
      const unit = fc.constantFrom(...units, '{"a": ', '{', '}', '"', '1', '\n', ' ', 'a', 'ST', 'OP', 'STOP', '<')
      const answers = fc.array(unit, { maxLength: 25 }).map((parts) => parts.join(''))
      const places = fc.array(fc.nat(400), { maxLength: 10 })
      fc.assert(
        fc.property(answers, places, flags, fc.boolean(), fc.boolean(), (answer, places, thinking, forced, cut) => {
          const syntax = reading.calls?.syntax
          const calls = syntax === undefined ? { forced } : { syntax, forced }
          const how = { ...reading, thinking, calls, cut, stops: ['STOP', 'a\n\na'] }
          assert.deepEqual(read(cutAt(answer, places), how), read([...answer], how))
        }),
        { numRuns: 1000 },
      )
    })
  }
})

function cutAt(text: string, places: readonly number[]): string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].sort((one, other) => one - other)
  return [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end))
}

describe('what a grammar needs to know', () => {
  function states(pieces: readonly string[], overrides: PlanOverrides): string[] {
    const parser = new AnswerParser(planOf(overrides), [], new AnswerBlocks({ send() {} }))
    const state = (): string =>
      [
        parser.isThinking && 'thinking',
        parser.awaitsText && 'awaits text',
        parser.inCall && 'in call',
        parser.atCallStart && 'at call start',
      ]
        .filter(Boolean)
        .join(', ')
    const seen = [state()]
    for (const piece of pieces) {
      parser.push(piece)
      seen.push(state())
    }
    return seen
  }

  test('of tags', () => {
    assert.deepEqual(
      states(
        ['<think>', 'Hm', '</think>', '<tool_call>', '\n{"', 'name": "a", "arguments": {}}', '\n</tool_call>'],
        {},
      ),
      ['', 'thinking, awaits text', 'thinking, awaits text', '', 'in call, at call start', 'in call', 'in call', ''],
    )
  })

  test('of a forced call', () => {
    assert.deepEqual(states(['\n', '{"name'], { calls: { forced: true } }), [
      'in call, at call start',
      'in call, at call start',
      'in call',
    ])
  })

  test('of harmony', () => {
    const pieces = ['<|channel|>', 'analysis', '<|message|>', 'Hm', '<|end|>', '<|start|>', 'assistant', '<|channel|>']
    assert.deepEqual(states([...pieces, 'final', '<|message|>', 'Hello'], harmony), [
      'awaits text',
      'awaits text',
      'awaits text',
      'thinking, awaits text',
      'thinking, awaits text',
      'awaits text',
      'awaits text',
      'awaits text',
      'awaits text',
      'awaits text',
      '',
      '',
    ])
    assert.deepEqual(states([harmonyCalls.trigger, 'look', ' <|constrain|>', 'json', '<|message|>', '{}'], harmony), [
      'awaits text',
      'awaits text, in call, at call start',
      'awaits text, in call',
      'awaits text, in call',
      'awaits text, in call',
      'awaits text, in call',
      'awaits text, in call',
    ])
  })
})
