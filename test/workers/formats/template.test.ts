import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { openTemplate } from '../../../workers/formats/template.ts'
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
  assert.deepEqual(traits, { system: true, systemBetween: true, trims: false })
})

const cases = [
  ['one that shows every role', templates.everyRole, { system: true, systemBetween: true, trims: false }],
  ['one that trims', templates.trims, { system: true, systemBetween: false, trims: true }],
  ['one that refuses the system role', templates.withoutSystem, { system: false, systemBetween: false, trims: false }],
  ['one that reads lists of parts', templates.asParts, { system: true, systemBetween: true, trims: false }],
] as const

for (const [name, source, traits] of cases) {
  test(`traits of ${name}`, () => assert.deepEqual(openTemplate(source, tokens).traits, traits))
}

test('a template that reads parts gets parts', () => {
  const { render } = openTemplate(templates.asParts, tokens)
  const rendered = render({ messages: [{ role: 'user', content: 'hi' }], tools: [], thinking: false })
  assert.equal(rendered, '[user]hi[end][assistant]')
})

test('a template gets the tokens, the tools and whether to think', () => {
  const source =
    '{{ bos_token }}|{{ eos_token }}|{{ enable_thinking }}|{{ tools is none }}|{{ add_generation_prompt }}|' +
    '{% for m in messages %}{{ m.content }}{% endfor %}'
  const { render } = openTemplate(source, tokens)
  const messages = [{ role: 'user', content: 'hi' }] as const
  assert.equal(render({ messages, tools: [], thinking: false }), '<s>|</s>|false|true|true|hi')
  assert.equal(render({ messages, tools: [{ name: 'tool' }], thinking: true }), '<s>|</s>|true|false|true|hi')
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
