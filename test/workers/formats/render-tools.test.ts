import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContentBlock, GenerateRequest, Turn } from '../../../src/contract/request.ts'
import { hermesSyntax } from '../../../workers/formats/call-syntax.ts'
import { type RenderOptions, renderConversation } from '../../../workers/formats/render.ts'
import { openTemplate } from '../../../workers/formats/template.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'

/** Shows everything: roles, thoughts, ids, calls, tools and the effort. `rules` may raise. */
function template(rules = '', thought = 'm.reasoning_content'): string {
  return (
    '{%- if reasoning_effort -%}[effort {{ reasoning_effort }}]{%- endif -%}' +
    '{%- for t in tools or [] -%}[tool {{ t | tojson }}]{%- endfor -%}{%- for m in messages -%}' +
    `${rules}[{{ m.role }}]{%- if ${thought} -%}({{ ${thought} }}){%- endif -%}{{ m.content }}` +
    '{%- for c in m.tool_calls or [] -%}<{{ c.id | length }} {{ c.function.name }} {{ c.function.arguments | tojson }}>' +
    '{%- endfor -%}{%- endfor -%}{%- if add_generation_prompt -%}[assistant]{%- endif -%}'
  )
}

function raiseWhen(condition: string): string {
  return `{%- if ${condition} -%}{{ raise_exception("refused") }}{%- endif -%}`
}

const native: RenderOptions = { thinking: false, calls: hermesSyntax, nativeCalls: true, parallelCalls: true }

function rendered(source: string, request: GenerateRequest, options: Partial<RenderOptions> = {}): string {
  const opened = openTemplate(source, { bos: '', eos: '' })
  const { text, held, prefill } = renderConversation(opened, request, { ...native, ...options })
  return held
    .split(text + prefill)
    .map((segment) => segment.text)
    .join('')
}

function call(id: string): ContentBlock {
  return { kind: 'tool-call', id, name: `look_${id}`, input: { at: id }, cacheMark: null }
}

function result(callId: string, text = `seen ${callId}`): ContentBlock {
  return { kind: 'tool-result', callId, content: [textBlock(text)], isError: false, cacheMark: null }
}

const thought: ContentBlock = { kind: 'thinking', text: ' Hm.\n', signature: 's' }

function agent(...turns: readonly Turn[]): GenerateRequest {
  return requestOf('', { turns: [user('Look'), ...turns], thinking: { kind: 'unset' } })
}

const twoCalls: Turn = { role: 'assistant', content: [textBlock('I look.'), call('a'), call('b')] }
const twoResults: Turn = { role: 'user', content: [result('b'), result('a'), textBlock('and?')] }

test('parallel calls and their results', () => {
  assert.equal(
    rendered(template(), agent(twoCalls, twoResults)),
    '[user]Look[assistant]I look.<9 look_a {"at": "a"}><9 look_b {"at": "b"}>[tool]seen b[tool]seen a[user]and?[assistant]',
  )
})

test('one after the other, for templates that take one call a turn; a system turn between them comes behind', () => {
  assert.equal(
    rendered(template(), agent(twoCalls, system('Hurry.'), twoResults), { parallelCalls: false }),
    '[user]Look[assistant]I look.<9 look_a {"at": "a"}>[tool]seen a[assistant]<9 look_b {"at": "b"}>[tool]seen b' +
      '[user]and?[system]Hurry.[assistant]',
  )
})

test('a text behind results goes into the last one, where the template takes no user after a tool', () => {
  const source = template(raiseWhen('m.role == "user" and not loop.first and messages[loop.index0 - 1].role == "tool"'))
  assert.equal(
    rendered(source, agent(twoCalls, twoResults)),
    '[user]Look[assistant]I look.<9 look_a {"at": "a"}><9 look_b {"at": "b"}>[tool]seen b[tool]seen a\n\nand?[assistant]',
  )
})

test('an id is nine alphanumerics, the same for a call and its result, and another for another call', () => {
  const source = template().replace('[{{ m.role }}]', '[{{ m.role }} {{ m.tool_call_id }}]').replace(' | length', '')
  const prompt = rendered(source, agent(twoCalls, twoResults))
  const ids = [...prompt.matchAll(/<(\w+) look|\[tool (\w+)\]/g)].map((match) => match[1] ?? match[2])
  const [a, b] = ids
  assert.match(a ?? '', /^[a-z0-9]{9}$/)
  assert.notEqual(a, b)
  assert.deepEqual(ids, [a, b, b, a])
})

test('thoughts stand in the calls of the running turn, and nowhere else', () => {
  const turns: readonly Turn[] = [
    { role: 'assistant', content: [thought, call('a')] },
    { role: 'user', content: [result('a')] },
    { role: 'assistant', content: [thought, textBlock('Done.')] },
    user('Again'),
    { role: 'assistant', content: [thought, call('b')] },
    { role: 'user', content: [result('b')] },
  ]
  const once =
    '[user]Look[assistant]<9 look_a {"at": "a"}>[tool]seen a[assistant]Done.[user]Again' +
    '[assistant](Hm.)<9 look_b {"at": "b"}>[tool]seen b[assistant]'
  assert.equal(rendered(template(), agent(...turns)), once)
  assert.equal(rendered(template('', 'm.thinking'), agent(...turns)), once)
  assert.equal(rendered(template('', 'm.unheard_of'), agent(...turns)), once.replace('(Hm.)', ''))
})

test('a thought and a text are one thought, where the template refuses both beside a call', () => {
  const source = template(raiseWhen('m.tool_calls and m.reasoning_content and m.content'))
  const both: Turn = { role: 'assistant', content: [thought, textBlock('I look.'), call('a')] }
  assert.equal(
    rendered(source, agent(both, { role: 'user', content: [result('a')] })),
    '[user]Look[assistant](Hm.\n\nI look.)<9 look_a {"at": "a"}>[tool]seen a[assistant]',
  )
})

test('tools in words: every turn is one message', () => {
  assert.equal(
    rendered(template(), agent(twoCalls, twoResults, { role: 'assistant', content: [call('c')] }), {
      nativeCalls: false,
    }).replace(/\[assistant\]$/, ''),
    '[user]Look[assistant]I look.\n<tool_call>\n{"name": "look_a", "arguments": {"at":"a"}}\n</tool_call>\n' +
      '<tool_call>\n{"name": "look_b", "arguments": {"at":"b"}}\n</tool_call>' +
      '[user]<tool_response>\nseen b\n</tool_response>\n<tool_response>\nseen a\n</tool_response>\n\nand?',
  )
})

const tools: GenerateRequest['tools'] = [
  {
    name: 'look',
    description: null,
    inputSchema: { type: 'object', properties: { x: { type: 'odd' } } },
    strict: false,
    cacheMark: null,
  },
]

test('a tool without a description has an empty one', () => {
  const prompt = rendered(template(), { ...agent(), tools })
  assert.ok(prompt.startsWith('[tool {"type": "function", "function": {"name": "look", "description": "", '), prompt)
})

test('a template that stumbles over a tool gets it in words', () => {
  const source = `{%- if tools -%}{{ tools[0].function.parameters.properties.y.type }}${raiseWhen('tools')}{%- endif -%}${template()}`
  const prompt = rendered(source, { ...agent(), tools })
  assert.ok(prompt.startsWith('[system]You can call these tools.'), prompt)
  assert.ok(
    prompt.includes(
      '{"name":"look","description":"","parameters":{"type":"object","properties":{"x":{"type":"odd"}}}}',
    ),
  )
})

test('what the template refuses without tools, too, is refused', () => {
  const source = template(raiseWhen('m.role == "assistant" and loop.index0 < 2'))
  assert.throws(() => rendered(source, requestOf('', { turns: [assistant('Hello'), user('Hi')], tools })), /refused/)
})

test('effort in the three steps that templates know', () => {
  const efforts = (['low', 'medium', 'high', 'xhigh', 'max', null] as const).map((effort) => {
    const prompt = rendered(template(), { ...agent(), effort })
    return /^\[effort (\w+)\]/.exec(prompt)?.[1] ?? null
  })
  assert.deepEqual(efforts, ['low', 'medium', 'high', 'high', 'high', null])
  assert.match(rendered(template(), { ...agent(), thinking: { kind: 'off' } }), /^\[effort low\]/)
})
