import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseFormat, type FormatFacts } from '../../../workers/formats/registry.ts'
import { templates } from '../../support/chat-templates.ts'
import { assistant, requestOf, user } from '../../support/generate-requests.ts'
import { renderPrompt } from '../../support/render-prompt.ts'

function factsOf(facts: Partial<FormatFacts>): FormatFacts {
  return { chatTemplate: null, tokens: { bos: '<s>', eos: '</s>' }, hasControlToken: () => false, ...facts }
}

function rendered(facts: FormatFacts): string {
  const request = requestOf('', {
    system: [{ text: 'Be kind.', cacheMark: null }],
    turns: [user('Hi'), assistant('Hello'), user('Bye')],
  })
  return renderPrompt(chooseFormat(facts).template, request)
    .map(({ text }) => text)
    .join('')
}

test("the model's own template is taken as it is", () => {
  const format = chooseFormat(factsOf({ chatTemplate: templates.everyRole }))
  assert.equal(format.warning, null)
  assert.equal(format.source, templates.everyRole)
  assert.deepEqual(format.stops, [])
})

test('without a template: ChatML where the vocabulary has its tokens, with a warning', () => {
  const facts = factsOf({ hasControlToken: (text) => ['<|im_start|>', '<|im_end|>'].includes(text) })
  const { warning, stops } = chooseFormat(facts)
  assert.match(warning ?? '', /no chat template.*ChatML.*instruction-tuned/)
  assert.deepEqual(stops, [])
  assert.equal(
    rendered(facts),
    '<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n' +
      '<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\n',
  )
})

test('without a template and without those tokens: a plain dialogue that stops at the next heading', () => {
  const facts = factsOf({})
  const { warning, stops } = chooseFormat(facts)
  assert.match(warning ?? '', /no chat template.*plain/)
  assert.deepEqual(stops, ['\n### '])
  assert.equal(
    rendered(facts),
    '<s>### System:\nBe kind.\n\n### User:\nHi\n\n### Assistant:\nHello\n\n### User:\nBye\n\n### Assistant:\n',
  )
})

test('a template that cannot be used is replaced, and the warning says why', () => {
  assert.match(chooseFormat(factsOf({ chatTemplate: '{% if %}' })).warning ?? '', /cannot be used \(.+\)/)
  assert.match(chooseFormat(factsOf({ chatTemplate: 'x' })).warning ?? '', /does not render a user message/)
})
