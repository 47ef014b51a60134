import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Template } from '@huggingface/jinja'
import type { GenerateRequest, Turn } from '../../../src/contract/request.ts'
import { readOutputFormat } from '../../../workers/formats/output-format.ts'
import { renderConversation } from '../../../workers/formats/render.ts'
import { openTemplate } from '../../../workers/formats/template.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'
import { openLlamaBundle } from '../../support/llama-bundle.ts'
import { markersOf } from '../../support/template-markers.ts'

const bundle = openLlamaBundle()
const tokens = { bos: '<s>', eos: '</s>' }

const weather = {
  name: 'get_weather',
  description: 'Get the weather of a city',
  inputSchema: {
    type: 'object',
    properties: {
      city: { type: 'string', description: 'Name of the city' },
      unit: { type: 'string', description: 'Unit', enum: ['celsius', 'fahrenheit'] },
    },
    required: ['city'],
  },
  strict: false,
  cacheMark: null,
} as const
const input = { city: 'Zürich', days: 2, exact: true }

const calling: Turn = {
  role: 'assistant',
  content: [
    { kind: 'thinking', text: 'I should look.', signature: 's' },
    { kind: 'tool-call', id: 'toolu_1', name: 'get_weather', input, cacheMark: null },
  ],
}
const answered: Turn = {
  role: 'user',
  content: [{ kind: 'tool-result', callId: 'toolu_1', content: [textBlock('Sunny')], isError: false, cacheMark: null }],
}

/** System, tools, a system turn in the middle, a thought, a call and its result. */
const conversation = requestOf('', {
  system: [{ text: 'Be kind.', cacheMark: null }],
  tools: [weather],
  thinking: { kind: 'adaptive', shown: true },
  turns: [user('Hi'), assistant('Hello'), system('Answer briefly.'), user('How is the weather?'), calling, answered],
})

function ours(name: string, request: GenerateRequest): string {
  if (typeof bundle === 'string') throw new Error(bundle)
  const source = bundle.readTemplate(name)
  const template = openTemplate(source, tokens)
  const format = readOutputFormat({ template, source, stops: [], warning: null }, markersOf(source))
  const { text, held, prefill } = renderConversation(template, request, { ...format, thinking: true })
  return held
    .split(text + prefill)
    .map((segment) => segment.text)
    .join('')
}

/** The template's own rendering of these very strings. */
function theirs(name: string, messages: readonly unknown[], tools: readonly unknown[]): string {
  if (typeof bundle === 'string') throw new Error(bundle)
  return new Template(bundle.readTemplate(name)).render({
    messages,
    tools,
    add_generation_prompt: true,
    enable_thinking: true,
    thinking: true,
    bos_token: tokens.bos,
    eos_token: tokens.eos,
  })
}

const templateTools = [
  {
    type: 'function',
    function: { name: weather.name, description: weather.description, parameters: weather.inputSchema },
  },
]
const head = { role: 'system', content: 'Be kind.' }
const hi = { role: 'user', content: 'Hi' }
const hello = { role: 'assistant', content: 'Hello' }
const inPlace = [
  { role: 'system', content: 'Answer briefly.' },
  { role: 'user', content: 'How is the weather?' },
]
/** Where the template would leave a system turn out, refuse it, or put it in the place of the first. */
const folded = [{ role: 'user', content: 'Answer briefly.\n\nHow is the weather?' }]

/** A call and its result, with an id of nine alphanumerics. */
function loop(id: string, thoughtKey = 'reasoning_content'): readonly unknown[] {
  const call = { id, type: 'function', function: { name: 'get_weather', arguments: input } }
  return [
    { role: 'assistant', content: '', [thoughtKey]: 'I should look.', tool_calls: [call] },
    { role: 'tool', tool_call_id: id, content: 'Sunny' },
  ]
}

/** For templates that have no place for tools. */
const told = `You can call these tools. Their names, and JSON schemas of their parameters:
{"name":"get_weather","description":"Get the weather of a city","parameters":{"type":"object","properties":{"city":{"type":"string","description":"Name of the city"},"unit":{"type":"string","description":"Unit","enum":["celsius","fahrenheit"]}},"required":["city"]}}

To call one, write nothing but its name and its arguments as JSON, in this form, once for each call:
<tool_call>
{"name": "NAME", "arguments": {...}}
</tool_call>`
const toldLoop = [
  {
    role: 'assistant',
    content: `<tool_call>
{"name": "get_weather", "arguments": {"city":"Zürich","days":2,"exact":true}}
</tool_call>`,
  },
  {
    role: 'user',
    content: `<tool_response>
Sunny
</tool_response>`,
  },
]
const toldHead = { role: 'system', content: `Be kind.\n\n${told}` }

interface Family {
  readonly template: string
  /** What the template itself would have to be given. */
  messages(id: string): readonly unknown[]
  /** Tools are told in words. */
  readonly told?: true
}

const families: readonly Family[] = [
  ...[
    'Qwen-Qwen3-0.6B',
    'Qwen-Qwen2.5-7B-Instruct',
    'Qwen-QwQ-32B',
    'meta-llama-Llama-3.1-8B-Instruct',
    'meta-llama-Llama-3.2-3B-Instruct',
    'unsloth-mistral-Devstral-Small-2507',
    'moonshotai-Kimi-K2',
    'ibm-granite-granite-4.0',
    'Cohere2MoE',
  ].map((template) => ({ template, messages: (id: string) => [head, hi, hello, ...inPlace, ...loop(id)] })),
  ...['Mistral-Small-3.2-24B-Instruct-2506', 'llama-cpp-deepseek-r1'].map((template) => ({
    template,
    messages: (id: string) => [head, hi, hello, ...folded, ...loop(id)],
  })),
  {
    // Its own place for the system text is the last message, if that is the user's: it would wander, and get lost behind a call.
    template: 'mistralai-Mistral-Nemo-Instruct-2407',
    messages: (id) => [{ role: 'user', content: 'Be kind.\n\nHi' }, hello, ...folded, ...loop(id)],
  },
  {
    template: 'openai-gpt-oss-120b',
    messages: (id) => [head, hi, hello, ...folded, ...loop(id, 'thinking')],
  },
  {
    template: 'google-gemma-2-2b-it',
    told: true,
    messages: () => [{ role: 'user', content: `Be kind.\n\n${told}\n\nHi` }, hello, ...folded, ...toldLoop],
  },
  ...[
    'deepseek-ai-DeepSeek-R1-Distill-Llama-8B',
    'deepseek-ai-DeepSeek-R1-Distill-Qwen-32B',
    'deepseek-ai-DeepSeek-V3.1',
  ].map((template) => ({
    template,
    told: true as const,
    messages: () => [toldHead, hi, hello, ...folded, ...toldLoop],
  })),
  ...['NousResearch-Hermes-3-Llama-3.1-8B-tool_use', 'microsoft-Phi-3.5-mini-instruct', 'Qwen3-Coder'].map(
    (template) => ({
      template,
      told: true as const,
      messages: () => [toldHead, hi, hello, ...inPlace, ...toldLoop],
    }),
  ),
]

describe('prompts as the templates themselves write them', { skip: typeof bundle === 'string' && bundle }, () => {
  for (const { template, messages, told: isTold = false } of families) {
    test(template, () => {
      const prompt = ours(template, conversation)
      const [id = ''] = /\b[0-9a-f]{9}\b/.exec(prompt) ?? ['aaaaaaaaa']
      assert.equal(prompt, theirs(template, messages(id), isTold ? [] : templateTools))
      for (const text of ['Be kind.', 'Answer briefly.', 'get_weather', 'Zürich', 'Sunny', 'How is the weather?']) {
        assert.ok(prompt.includes(text), `${text} is in the prompt`)
      }
    })
  }
})
