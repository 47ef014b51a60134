import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { GenerateRequest } from '../../../src/contract/request.ts'
import { CallParser } from '../../../workers/call-parser.ts'
import { idHole } from '../../../workers/formats/call-syntax.ts'
import { type OutputFormat, readOutputFormat } from '../../../workers/formats/output-format.ts'
import { type ChatFormat, chooseFormat } from '../../../workers/formats/registry.ts'
import { renderConversation } from '../../../workers/formats/render.ts'
import { emptyThought, endsBehindThought, endsInThought } from '../../../workers/formats/thinking-syntax.ts'
import type { CallSyntax } from '../../../workers/messages.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'
import { openLlamaBundle } from '../../support/llama-bundle.ts'
import { markersOf } from '../../support/template-markers.ts'

const bundle = openLlamaBundle()
const missing = typeof bundle === 'string' && bundle
const names = typeof bundle === 'string' ? [] : bundle.templateNames

interface Model {
  readonly format: ChatFormat
  readonly output: OutputFormat
}

function open(name: string): Model {
  if (typeof bundle === 'string') throw new Error(bundle)
  const source = bundle.readTemplate(name)
  const format = chooseFormat({
    chatTemplate: source,
    tokens: { bos: '<s>', eos: '</s>' },
    hasControlToken: () => false,
  })
  return { format, output: readOutputFormat(format, markersOf(source)) }
}

/** Templates with something that our engine for templates does not know; models with them get a plain dialogue and a warning. */
const unusable = ['ByteDance-Seed-OSS', 'fireworks-ai-llama-3-firefunction-v2', 'tencent-Hy3']

function tool(name: string): GenerateRequest['tools'][number] {
  return {
    name,
    description: `Looks "${name}" up`,
    inputSchema: {
      type: 'object',
      properties: { where: { type: 'string' }, 'how often': { type: ['integer', 'null'] }, all: { anyOf: [{}, true] } },
      required: ['where'],
    },
    strict: false,
    cacheMark: null,
  }
}

function called(id: string, name: string): GenerateRequest['turns'][number]['content'][number] {
  return { kind: 'tool-call', id, name, input: { where: 'here', list: [1, null, { a: '' }] }, cacheMark: null }
}

function result(callId: string, text: string): GenerateRequest['turns'][number]['content'][number] {
  return { kind: 'tool-result', callId, content: text === '' ? [] : [textBlock(text)], isError: false, cacheMark: null }
}

/** All that an agent sends, in the order that is hardest for templates. */
const agent = requestOf('', {
  system: [{ text: 'the-system', cacheMark: 'long' }],
  tools: [tool('look'), { ...tool('find'), description: null, inputSchema: { type: 'object' } }],
  thinking: { kind: 'adaptive', shown: true },
  turns: [
    user('the-question'),
    system('the-note'),
    assistant('the-reply'),
    user('the-task'),
    {
      role: 'assistant',
      content: [
        { kind: 'thinking', text: 'the-thought', signature: 's' },
        textBlock('the-plan'),
        called('t1', 'look'),
        called('t2', 'find'),
      ],
    },
    system('the-reminder'),
    { role: 'user', content: [result('t1', 'the-result'), result('t2', ''), textBlock('the-remark')] },
    { role: 'assistant', content: [called('t3', 'find')] },
    { role: 'user', content: [result('t3', 'the-end')] },
  ],
})

/** These stumble over a schema of `agent` (a list of types), so its tools are told in words. */
const stumbles = ['GigaChat3.1-10B-A1.8B']

/** These write no text beside a call. */
const dropsPlan = [
  'Cohere2MoE',
  'CohereForAI-c4ai-command-r7b-12-2024-tool_use',
  'MiniMax-M1',
  'Mistral-Small-3.2-24B-Instruct-2506',
  'meta-llama-Llama-3.1-8B-Instruct',
  'meta-llama-Llama-3.2-3B-Instruct',
  'meta-llama-Llama-3.3-70B-Instruct',
  'mistralai-Mistral-Nemo-Instruct-2407',
  'upstage-Solar-Open-100B',
]

describe('every template of llama.cpp', { skip: missing }, () => {
  for (const name of names) {
    test(name, () => {
      const model = open(name)
      const { format, output } = model
      assert.equal(format.warning !== null, unusable.includes(name), format.warning ?? 'no warning')
      checkCalls(output.calls)
      checkThinking(output)
      checkAgent(name, model)
    })
  }
})

function checkCalls(syntax: CallSyntax): void {
  assert.notEqual(syntax.trigger.trim(), '')
  const input = '{"where": "here", "list": [1, {"a": "}\\"]"}]}'
  const more =
    syntax.betweenCalls === null ? syntax.afterArguments + syntax.trigger + syntax.beforeName : syntax.betweenCalls
  const body = `${syntax.beforeName}look_up-1${syntax.beforeArguments}${input}${more}find${syntax.beforeArguments}{}`
  const answer = `${syntax.trigger}${body}${syntax.afterArguments}`.replaceAll(idHole, 'a1B2c3D4e')
  const heard: string[] = []
  const parser = new CallParser(syntax, false, {
    text: (text) => heard.push(`text ${text}`),
    callStart: (name) => heard.push(name, ''),
    callInput: (fragment) => heard.push((heard.pop() ?? '') + fragment),
    callEnd: (complete) => assert.ok(complete),
  })
  for (const character of answer) parser.push(character)
  parser.end(false)
  assert.deepEqual(heard, ['look_up-1', input, 'find', '{}'])
}

function checkThinking({ thinking, harmony }: OutputFormat): void {
  if (thinking === null || harmony) return
  assert.ok(endsInThought(thinking.open, thinking))
  assert.ok(endsBehindThought(thinking.open + thinking.close, thinking))
  assert.ok(endsBehindThought(emptyThought(thinking), thinking))
  assert.ok(!endsInThought(emptyThought(thinking), thinking))
}

function checkAgent(name: string, { format, output }: Model): void {
  const { text, held } = renderConversation(format.template, agent, { ...output, thinking: true })
  const prompt = held
    .split(text)
    .map((segment) => segment.text)
    .join('')
  const expected = ['system', 'question', 'note', 'reply', 'task', 'plan', 'result', 'remark', 'end', 'reminder']
  for (const word of expected.map((part) => `the-${part}`)) {
    if (word === 'the-plan' && dropsPlan.includes(name)) continue
    assert.ok(prompt.includes(word), `${word} is in the prompt: ${prompt}`)
  }
  assert.ok(!prompt.includes('[object'), prompt)
  const isTold = prompt.includes('You can call these tools.')
  assert.equal(isTold, !output.nativeCalls || stumbles.includes(name))
}

describe('calls as well-known models write them', { skip: missing }, () => {
  const hermes: CallSyntax = {
    trigger: '<tool_call>',
    anywhere: true,
    beforeName: '\n{"name": "',
    beforeArguments: '", "arguments": ',
    afterArguments: '}\n</tool_call>',
    betweenCalls: null,
  }
  const llama: CallSyntax = {
    trigger: '{"name": "',
    anywhere: false,
    beforeName: '',
    beforeArguments: '", "parameters": ',
    afterArguments: '}',
    betweenCalls: null,
  }
  const mistral: CallSyntax = {
    trigger: '[TOOL_CALLS]',
    anywhere: true,
    beforeName: '',
    beforeArguments: '[ARGS]',
    afterArguments: '',
    betweenCalls: null,
  }
  const table: readonly (readonly [template: string, syntax: CallSyntax])[] = [
    ['Qwen-Qwen2.5-7B-Instruct', hermes],
    ['Qwen-Qwen3-0.6B', hermes],
    ['Qwen-QwQ-32B', hermes],
    ['ibm-granite-granite-4.0', hermes],
    ['meta-llama-Llama-3.1-8B-Instruct', llama],
    ['meta-llama-Llama-3.2-3B-Instruct', llama],
    ['meta-llama-Llama-3.3-70B-Instruct', llama],
    [
      'mistralai-Mistral-Nemo-Instruct-2407',
      {
        ...mistral,
        beforeName: '[{"name": "',
        beforeArguments: '", "arguments": ',
        afterArguments: `, "id": "${idHole}"}]`,
        betweenCalls: `, "id": "${idHole}"}, {"name": "`,
      },
    ],
    ['Mistral-Small-3.2-24B-Instruct-2506', { ...mistral, beforeArguments: `[CALL_ID]${idHole}[ARGS]` }],
    ['unsloth-mistral-Devstral-Small-2507', mistral],
    [
      'moonshotai-Kimi-K2',
      {
        trigger: '<|tool_calls_section_begin|>',
        anywhere: true,
        beforeName: '<|tool_call_begin|>functions.',
        beforeArguments: ':0<|tool_call_argument_begin|>',
        afterArguments: '<|tool_call_end|><|tool_calls_section_end|>',
        betweenCalls: '<|tool_call_end|><|tool_call_begin|>functions.',
      },
    ],
    [
      'llama-cpp-deepseek-r1',
      {
        trigger: '<｜tool▁calls▁begin｜>',
        anywhere: true,
        beforeName: '<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
        beforeArguments: '\n```json\n',
        afterArguments: '\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        betweenCalls: '\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>',
      },
    ],
    [
      'CohereForAI-c4ai-command-r7b-12-2024-tool_use',
      {
        trigger: '<|START_ACTION|>',
        anywhere: true,
        beforeName: '[\n    {"tool_call_id": "0", "tool_name": "',
        beforeArguments: '", "parameters": ',
        afterArguments: '}\n]<|END_ACTION|>',
        betweenCalls: '},\n    {"tool_call_id": "1", "tool_name": "',
      },
    ],
    [
      'openai-gpt-oss-120b',
      {
        trigger: '<|channel|>commentary to=functions.',
        anywhere: true,
        beforeName: '',
        beforeArguments: ' <|constrain|>json<|message|>',
        afterArguments: '',
        betweenCalls: null,
      },
    ],
  ]
  for (const [template, syntax] of table) {
    test(template, () => {
      const { output } = open(template)
      assert.deepEqual(output.calls, syntax)
      assert.ok(output.nativeCalls)
    })
  }

  /** Their templates declare no tools, or write calls without JSON. */
  for (const template of ['NousResearch-Hermes-3-Llama-3.1-8B-tool_use', 'deepseek-ai-DeepSeek-V3.1', 'Qwen3-Coder']) {
    test(`${template}: told in words, as Hermes models write them`, () => {
      const { output } = open(template)
      assert.deepEqual(output.calls, hermes)
      assert.ok(!output.nativeCalls)
    })
  }
})

describe('thoughts as well-known models mark them', { skip: missing }, () => {
  const table: readonly (readonly [template: string, open: string | null, close: string | null])[] = [
    ['Qwen-Qwen3-0.6B', '<think>\n', '\n</think>\n\n'],
    ['Qwen-QwQ-32B', '<think>\n', '\n</think>\n\n'],
    ['GLM-4.6', '<think>', '</think>\n'],
    ['deepseek-ai-DeepSeek-V3.2', '<think>', '</think>'],
    ['MiniMax-M3', '<mm:think>', '</mm:think>'],
    ['mistralai-Ministral-3-14B-Reasoning-2512', '[THINK]\n', '\n[/THINK]\n\n'],
    ['Cohere2MoE', '<|START_THINKING|>', '<|END_THINKING|>'],
    ['google-gemma-4-31B-it', '<|channel>thought\n', '\n<channel|>\n\n'],
    ['openai-gpt-oss-120b', '<|channel|>analysis<|message|>', '<|end|><|start|>assistant<|channel|>final<|message|>'],
    ['Qwen-Qwen2.5-7B-Instruct', null, null],
    ['meta-llama-Llama-3.1-8B-Instruct', null, null],
    ['google-gemma-2-2b-it', null, null],
  ]
  for (const [template, opened, closed] of table) {
    test(template, () => {
      const { thinking } = open(template).output
      assert.equal(thinking?.open ?? null, opened)
      assert.equal(thinking?.close ?? null, closed)
    })
  }
})
