import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTemplate, type TemplateTraits } from '../../../workers/formats/template.ts'
import { templates } from '../../support/chat-templates.ts'
import { openVocabularyModel, type VocabularyModel } from '../../support/vocabulary-model.ts'

const tokens = { bos: '<s>', eos: '</s>' }

let vocabulary: VocabularyModel
before(async () => {
  vocabulary = await openVocabularyModel()
})
after(() => vocabulary.close())

test('traits of the embedded template', () => {
  const { traits } = openTemplate(vocabulary.chatTemplate, tokens)
  assert.deepEqual(traits, { ...plain, thoughtKey: 'reasoning_content', thoughtBesideText: true })
})

const plain: TemplateTraits = {
  system: true,
  systemBetween: true,
  trims: false,
  textAfterResult: true,
  thoughtKey: null,
  thoughtBesideText: false,
}
/** Any template around the lines that write one message `m`. */
function each(body: string, before = ''): string {
  return `${before}{%- for m in messages -%}${body}{%- endfor -%}{%- if add_generation_prompt -%}[assistant]{%- endif -%}`
}
const write = '[{{ m.role }}]{{ m.content }}[end]'

const cases: readonly (readonly [name: string, source: string, traits: Partial<TemplateTraits>])[] = [
  ['one that shows every role', templates.everyRole, {}],
  ['one that trims', templates.trims, { systemBetween: false, trims: true }],
  [
    'one that refuses the system role',
    templates.withoutSystem,
    { system: false, systemBetween: false, textAfterResult: false },
  ],
  ['one that reads lists of parts', templates.asParts, {}],
  [
    'one where the last system message takes the place of the first',
    each(
      `{%- if m.role != "system" -%}${write}{%- endif -%}`,
      '{%- set ns = namespace(s="") -%}{%- for m in messages -%}{%- if m.role == "system" -%}{%- set ns.s = m.content -%}' +
        '{%- endif -%}{%- endfor -%}[system]{{ ns.s }}',
    ),
    { systemBetween: false },
  ],
  [
    'one where the system text wanders with the last message',
    each(
      '{%- if m.role != "system" -%}[{{ m.role }}]{%- if loop.last and messages[0].role == "system" -%}' +
        '{{ messages[0].content }}{%- endif -%}{{ m.content }}[end]{%- endif -%}',
    ),
    { system: false, systemBetween: false },
  ],
  [
    'one that wants the user to wait for the answer to a result',
    each(
      `{%- if m.role == "user" and loop.index0 > 0 and messages[loop.index0 - 1].role == "tool" -%}` +
        `{{ raise_exception("user after tool") }}{%- endif -%}${write}`,
    ),
    { textAfterResult: false },
  ],
  [
    'one that shows thoughts, as DeepSeek names them',
    each(`{%- if m.reasoning_content -%}({{ m.reasoning_content }}){%- endif -%}${write}`),
    { thoughtKey: 'reasoning_content', thoughtBesideText: true },
  ],
  [
    'one that shows thoughts, as OpenAI names them, and not beside a text',
    each(
      '{%- if m.thinking and m.tool_calls and m.content -%}{{ raise_exception("both") }}{%- endif -%}' +
        `{%- if m.thinking -%}({{ m.thinking }}){%- endif -%}${write}`,
    ),
    { thoughtKey: 'thinking' },
  ],
  [
    'one that shows the thought before a call only',
    each(`{%- if m.reasoning and m.tool_calls -%}({{ m.reasoning }}){%- endif -%}${write}`),
    { thoughtKey: 'reasoning', thoughtBesideText: true },
  ],
]

for (const [name, source, traits] of cases) {
  test(`traits of ${name}`, () => assert.deepEqual(openTemplate(source, tokens).traits, { ...plain, ...traits }))
}

test('a template that reads parts gets parts', () => {
  const { render } = openTemplate(templates.asParts, tokens)
  const rendered = render({ messages: [{ role: 'user', content: 'hi' }], tools: [], thinking: false })
  assert.equal(rendered, '[user]hi[end][assistant]')
})

test('a template gets the tokens, the tools and whether to think', () => {
  const source =
    '{{ bos_token }}|{{ eos_token }}|{{ enable_thinking }}|{{ thinking }}|{{ reasoning_effort or "default" }}|' +
    '{{ tools is none }}|{{ add_generation_prompt }}|' +
    '{% for m in messages %}{{ m.content }}{% endfor %}'
  const { render } = openTemplate(source, tokens)
  const messages = [{ role: 'user', content: 'hi' }] as const
  assert.equal(render({ messages, tools: [], thinking: false }), '<s>|</s>|false|false|default|true|true|hi')
  const withTools = { messages, tools: [{ name: 'tool' }], thinking: true, effort: 'high' } as const
  assert.equal(render(withTools), '<s>|</s>|true|true|high|false|true|hi')
  assert.equal(render({ ...withTools, answered: true }), '<s>|</s>|true|true|high|false|false|hi')
})

test('what the template refuses is thrown', () => {
  const { render } = openTemplate(templates.withoutSystem, tokens)
  const messages = [{ role: 'system', content: 'x' }] as const
  assert.throws(() => render({ messages, tools: [], thinking: false }), /no system role here/)
})

test('no template at all, and one that shows no user message', () => {
  assert.throws(() => openTemplate('{% if %}', tokens))
  assert.throws(() => openTemplate('always the same', tokens), /does not render a user message/)
})
