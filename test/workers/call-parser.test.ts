import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CallParser } from '../../workers/call-parser.ts'
import { hermesSyntax, idHole } from '../../workers/formats/call-syntax.ts'
import type { CallSyntax } from '../../workers/messages.ts'

type Heard = { text: string } | { name: string; input: string; complete: boolean | null }

interface Reading {
  readonly syntax?: CallSyntax
  readonly forced?: boolean
  readonly cut?: boolean
}

function read(
  pieces: readonly string[],
  { syntax = hermesSyntax, forced = false, cut = false }: Reading = {},
): Heard[] {
  const heard: Heard[] = []
  const openCall = (): Extract<Heard, { name: string }> => {
    const last = heard.at(-1)
    assert.ok(last !== undefined && 'name' in last && last.complete === null, 'a call is open')
    return last
  }
  const parser = new CallParser(syntax, forced, {
    text: (text) => {
      const last = heard.at(-1)
      if (last !== undefined && 'text' in last) last.text += text
      else heard.push({ text })
    },
    callStart: (name) => heard.push({ name, input: '', complete: null }),
    callInput: (fragment) => {
      openCall().input += fragment
    },
    callEnd: (complete) => {
      openCall().complete = complete
    },
  })
  for (const piece of pieces) parser.push(piece)
  parser.end(cut)
  assert.ok(!parser.inCall)
  return heard
}

function call(name: string, input: string, complete = true): Heard {
  return { name, input, complete }
}

function hermes(name: string, input: string): string {
  return `<tool_call>\n{"name": "${name}", "arguments": ${input}}\n</tool_call>`
}

const llama: CallSyntax = {
  trigger: '{"name": "',
  anywhere: false,
  beforeName: '',
  beforeArguments: '", "parameters": ',
  afterArguments: '}',
  betweenCalls: null,
}
const nemo: CallSyntax = {
  trigger: '[TOOL_CALLS]',
  anywhere: true,
  beforeName: '[{"name": "',
  beforeArguments: '", "arguments": ',
  afterArguments: `, "id": "${idHole}"}]`,
  betweenCalls: `, "id": "${idHole}"}, {"name": "`,
}
const small: CallSyntax = {
  ...nemo,
  beforeName: '',
  beforeArguments: `[CALL_ID]${idHole}[ARGS]`,
  afterArguments: '',
  betweenCalls: null,
}
const inMarkdown: CallSyntax = {
  trigger: '<calls>',
  anywhere: true,
  beforeName: 'function:',
  beforeArguments: '\n```json\n',
  afterArguments: '\n```</calls>',
  betweenCalls: '\n```\nfunction:',
}
const nested: CallSyntax = { ...llama, betweenCalls: '}, {"name": "' }

const one = hermes('look', '{"a": 1}')
const whole = call('look', '{"a": 1}')

const cases: readonly (readonly [name: string, answer: string, heard: readonly Heard[], reading?: Reading])[] = [
  ['text alone', ' Hello\nthere \n', [{ text: ' Hello\nthere \n' }]],
  ['a call alone', one, [whole]],
  [
    'text before a call, without the line break between them',
    `Let me see. \n\n${one}`,
    [{ text: 'Let me see.' }, whole],
  ],
  ['white space before a call is none', ` \n${one}`, [whole]],
  ['white space behind a call is none', `${one}\n \n`, [whole]],
  ['parallel calls', `${one}\n${hermes('find', '{}')}`, [whole, call('find', '{}')]],
  [
    'text between calls',
    `${one}\nAnd now: \n${one}\n\nDone. `,
    [whole, { text: 'And now:' }, whole, { text: 'Done. ' }],
  ],
  [
    'no white space where the model is used to some',
    '<tool_call>{"name":"look","arguments":{"a": 1}}</tool_call>',
    [whole],
  ],
  [
    'white space as JSON allows it',
    '<tool_call>\n\n{"name":  "look",\n"arguments":\n {"a": 1}\n}\n\n</tool_call>',
    [whole],
  ],
  ['a trigger in the arguments', hermes('look', '{"a": "<tool_call>"}'), [call('look', '{"a": "<tool_call>"}')]],
  [
    'the end in the arguments',
    hermes('look', '{"a": "}\\n</tool_call>"}'),
    [call('look', '{"a": "}\\n</tool_call>"}')],
  ],
  ['half a trigger', 'a <tool_', [{ text: 'a <tool_' }]],
  ['what begins as a trigger', 'a <tool_box> b', [{ text: 'a <tool_box> b' }]],

  ['a look-alike that is no call', 'Write\n<tool_call>\n{"nam": 1}', [{ text: 'Write\n<tool_call>\n{"nam": 1}' }]],
  ['the trigger as a word', 'the <tool_call> tag', [{ text: 'the <tool_call> tag' }]],
  [
    'a call without a name',
    '<tool_call>\n{"name": "", "arguments": {}}',
    [{ text: '<tool_call>\n{"name": "", "arguments": {}}' }],
  ],
  ['a name that no tool has', '<tool_call>\n{"name": "a b"', [{ text: '<tool_call>\n{"name": "a b"' }]],
  [
    'arguments that are no object',
    '<tool_call>\n{"name": "a", "arguments": []',
    [{ text: '<tool_call>\n{"name": "a", "arguments": []' }],
  ],
  ['white space without end', `<tool_call>${' '.repeat(40)}`, [{ text: `<tool_call>${' '.repeat(40)}` }]],
  ['a call behind a look-alike', `<tool_call> oh, ${one}`, [{ text: '<tool_call> oh,' }, whole]],
  ['a trigger behind a trigger', `<tool_call>${one}`, [{ text: '<tool_call>' }, whole]],

  [
    'text where the end should be',
    '<tool_call>\n{"name": "look", "arguments": {"a": 1} Done.',
    [whole, { text: 'Done.' }],
  ],
  ['an end that is not whole', `${one.slice(0, -4)}`, [whole]],
  ['cut in the trigger', 'Hm <tool', [{ text: 'Hm <tool' }], { cut: true }],
  ['cut in the head', 'Hm\n<tool_call>\n{"name": "lo', [{ text: 'Hm' }], { cut: true }],
  ['ended in the head', 'Hm\n<tool_call>\n{"name": "lo', [{ text: 'Hm\n<tool_call>\n{"name": "lo' }]],
  [
    'cut in the arguments',
    '<tool_call>\n{"name": "look", "arguments": {"a": 1',
    [call('look', '{"a": 1', false)],
    { cut: true },
  ],
  [
    'ended in the arguments',
    '<tool_call>\n{"name": "look", "arguments": {"a": [1, "x',
    [call('look', '{"a": [1, "x"]}')],
  ],
  ['cut behind the arguments', one.slice(0, -5), [whole], { cut: true }],

  [
    'arguments that are no JSON, up to the end of the call',
    `${hermes('look', '{"a": 1, "b": True}')}\nDone.`,
    [whole, { text: 'Done.' }],
  ],
  [
    'arguments that are no JSON, to the end of the answer',
    '<tool_call>\n{"name": "look", "arguments": {"a": 1, b',
    [whole],
  ],
  ['JSON that breaks at once', hermes('look', '{a: 1}'), [call('look', '{}')]],
  [
    'garbage where no end is written',
    '[TOOL_CALLS]look[CALL_ID]a1[ARGS]{a}oh[TOOL_CALLS]look[CALL_ID]a[ARGS]{"a": 1}',
    [call('look', '{}'), whole],
    { syntax: small },
  ],

  ['forced: the prompt ends behind the trigger', one.slice('<tool_call>'.length), [whole], { forced: true }],
  ['forced, and one more', `${one.slice('<tool_call>'.length)}\n${one}`, [whole, whole], { forced: true }],
  ['forced, and no call', ' no', [{ text: ' no' }], { forced: true }],

  ['a trigger that is no marker', '{"name": "look", "parameters": {"a": 1}}', [whole], { syntax: llama }],
  ['... behind white space', '\n {"name": "look", "parameters": {"a": 1}}', [whole], { syntax: llama }],
  [
    '... counts at the beginning only',
    'So: {"name": "look", "parameters": {"a": 1}}',
    [{ text: 'So: {"name": "look", "parameters": {"a": 1}}' }],
    { syntax: llama },
  ],
  [
    '... and may begin other JSON',
    '{"name": "Bob", "age": 3}',
    [{ text: '{"name": "Bob", "age": 3}' }],
    { syntax: llama },
  ],

  ['an id of the model', '[TOOL_CALLS]look[CALL_ID]a1B2c3D4e[ARGS]{"a": 1}', [whole], { syntax: small }],
  [
    'calls without an end',
    '[TOOL_CALLS]look[CALL_ID]a1[ARGS]{"a": 1}[TOOL_CALLS]find[CALL_ID]b2[ARGS]{}',
    [whole, call('find', '{}')],
    { syntax: small },
  ],
  [
    'a list of calls',
    '[TOOL_CALLS][{"name": "look", "arguments": {"a": 1}, "id": "a1B2c3D4e"}, {"name": "find", "arguments": {}, "id": "b"}]',
    [whole, call('find', '{}')],
    { syntax: nemo },
  ],
  [
    'a list of calls, and text',
    '[TOOL_CALLS][{"name": "look", "arguments": {"a": 1}, "id": "a1B2c3D4e"}] Done',
    [whole, { text: 'Done' }],
    { syntax: nemo },
  ],
  [
    'a list of calls that is cut',
    '[TOOL_CALLS][{"name": "look", "arguments": {"a": 1}, "id": "a"}, {"name": "fi',
    [whole],
    { syntax: nemo, cut: true },
  ],
  [
    'calls in code blocks',
    '<calls>function:look\n```json\n{"a": 1}\n```\nfunction:find\n```json\n{}\n```</calls>',
    [whole, call('find', '{}')],
    { syntax: inMarkdown },
  ],
  [
    'an end that is the beginning of a next call',
    '{"name": "look", "parameters": {"a": 1}}, {"name": "find", "parameters": {}}',
    [whole, call('find', '{}')],
    { syntax: nested },
  ],
  [
    '... and then is none',
    '{"name": "look", "parameters": {"a": 1}}, you see',
    [whole, { text: ', you see' }],
    { syntax: nested },
  ],
]

for (const [name, answer, heard, reading] of cases) {
  test(name, () => {
    assert.deepEqual(read([answer], reading), heard, 'in one piece')
    assert.deepEqual(read([...answer], reading), heard, 'character by character')
  })
}

const syntaxes = [hermesSyntax, llama, nemo, small, inMarkdown, nested]
const syntax = fc.constantFrom(...syntaxes)

/** Text out of what the formats are made of, cut anywhere. */
const noise = fc.string({
  unit: fc.constantFrom(
    '<tool_call>',
    '</tool_call>',
    '<tool',
    '[TOOL_CALLS]',
    '{"name": "',
    '", "arguments": ',
    '", "parameters": ',
    'look',
    '{',
    '}',
    '"',
    '[',
    ']',
    '\n',
    ' ',
    'a',
    '\\',
    ', ',
    '[ARGS]',
    '[CALL_ID]',
    '```',
    '1',
  ),
  maxLength: 25,
})

function cutAt(text: string, places: readonly number[]): string[] {
  const ends = [...new Set(places.map((place) => place % (text.length + 1)))].sort((one, other) => one - other)
  return [...ends, text.length].map((end, index) => text.slice(ends[index - 1] ?? 0, end))
}

test('where the pieces are cut makes no difference', () => {
  const places = fc.array(fc.nat(500), { maxLength: 12 })
  fc.assert(
    fc.property(syntax, noise, places, fc.boolean(), fc.boolean(), (syntax, text, places, forced, cut) => {
      const reading = { syntax, forced, cut }
      assert.deepEqual(read(cutAt(text, places), reading), read([...text], reading))
    }),
    { numRuns: 1500 },
  )
})

test('whatever comes, the arguments of a call are one JSON object, unless they are cut', () => {
  fc.assert(
    fc.property(syntax, noise, noise, (syntax, before, behind) => {
      const answer = `${before}${syntax.trigger}${syntax.beforeName}look${syntax.beforeArguments}{${behind}`
      for (const heard of read([answer.replaceAll(idHole, 'a')], { syntax })) {
        if (!('name' in heard)) continue
        assert.equal(heard.complete, true)
        const input: unknown = JSON.parse(heard.input)
        assert.ok(typeof input === 'object' && input !== null && !Array.isArray(input))
      }
    }),
    { numRuns: 1000 },
  )
})

test('text without a trigger comes out as it is', () => {
  fc.assert(
    fc.property(noise, (text) => {
      fc.pre(!text.includes('<tool_call>'))
      assert.deepEqual(read([...text]), text === '' ? [] : [{ text }])
    }),
  )
})

test('what is written by a syntax is read back', () => {
  const name = fc.stringMatching(/^[a-zA-Z0-9_-]{1,64}$/)
  const input = fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 })
  const calls = fc.array(fc.tuple(name, input), { minLength: 1, maxLength: 3 })
  fc.assert(
    fc.property(syntax, calls, fc.nat(2), (syntax, calls, indent) => {
      const { trigger, beforeName, beforeArguments, afterArguments, betweenCalls } = syntax
      const between = betweenCalls ?? `${afterArguments}${trigger}${beforeName}`
      const bodies = calls.map(([name, input]) => `${name}${beforeArguments}${JSON.stringify(input, null, indent)}`)
      const answer = `${trigger}${beforeName}${bodies.join(between)}${afterArguments}`.replaceAll(idHole, 'a1B2c3D4e')
      assert.deepEqual(
        read([answer], { syntax }).map((heard) => ('name' in heard ? [heard.name, JSON.parse(heard.input)] : heard)),
        calls.map(([name, input]) => [name, JSON.parse(JSON.stringify(input))]),
      )
    }),
  )
})

test('a grammar can take over right behind a trigger, with white space or without', () => {
  const parser = new CallParser(hermesSyntax, false, { text() {}, callStart() {}, callInput() {}, callEnd() {} })
  const seen = ['Hm', ' <tool', '_call', '>', '\n', '{"', 'name'].map((piece) => {
    parser.push(piece)
    return [parser.inCall, parser.atCallStart]
  })
  const [outside, start, inside] = [
    [false, false],
    [true, true],
    [true, false],
  ]
  assert.deepEqual(seen, [outside, outside, outside, start, start, inside, inside])
})

test('what comes behind a call is handed back', () => {
  const parser = new CallParser(hermesSyntax, true, { text() {}, callStart() {}, callInput() {}, callEnd() {} })
  assert.equal(parser.pushToCallEnd('{"name": "look", "argum'), '')
  assert.equal(parser.pushToCallEnd('ents": {}}</tool_call>\n<think>'), '\n<think>')
  assert.ok(!parser.inCall)
})
