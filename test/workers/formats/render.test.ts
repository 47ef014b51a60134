import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Template } from '@huggingface/jinja'
import fc from 'fast-check'
import type { ContentBlock, GenerateRequest, SystemBlock, Turn } from '../../../src/contract/request.ts'
import { openTemplate } from '../../../workers/formats/template.ts'
import { templates } from '../../support/chat-templates.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'
import { renderPrompt } from '../../support/render-prompt.ts'
import { openVocabularyModel, type VocabularyModel } from '../../support/vocabulary-model.ts'

let vocabulary: VocabularyModel
before(async () => {
  vocabulary = await openVocabularyModel()
})
after(() => vocabulary.close())

function rendered(source: string, request: GenerateRequest): string {
  return renderPrompt(openTemplate(source, { bos: '<s>', eos: '</s>' }), request)
    .map(({ text }) => text)
    .join('')
}

function conversation(turns: readonly Turn[], ...systemTexts: readonly string[]): GenerateRequest {
  return requestOf('', { turns, system: systemTexts.map(systemBlock) })
}

function systemBlock(text: string): SystemBlock {
  return { text, cacheMark: null }
}

function call(id: string): ContentBlock {
  return { kind: 'tool-call', id, name: 'look', input: { at: 'it' }, cacheMark: null }
}

function result(callId: string, text: string, isError = false): ContentBlock {
  return { kind: 'tool-result', callId, content: [textBlock(text)], isError, cacheMark: null }
}

const calling: Turn = { role: 'assistant', content: [call('1')] }
const answered: Turn = { role: 'user', content: [result('1', 'seen')] }

const cases: readonly [name: string, source: string, request: GenerateRequest, expected: string][] = [
  [
    'system blocks are one system message, a blank line apart',
    templates.everyRole,
    conversation([user('Hi')], 'Be kind.', 'Be short.'),
    '[system]Be kind.\n\nBe short.[end][user]Hi[end][assistant]',
  ],
  [
    'a template without system role: the system text opens the first user message',
    templates.withoutSystem,
    conversation([user('Hi'), assistant('Hello'), user('Bye')], 'Be kind.'),
    '[user]Be kind.\n\nHi[end][assistant]Hello[end][user]Bye[end][assistant]',
  ],
  [
    'a system turn in the middle stays there where the template shows it',
    templates.everyRole,
    conversation([user('Hi'), assistant('Hello'), system('Now French.'), user('Bye')]),
    '[user]Hi[end][assistant]Hello[end][system]Now French.[end][user]Bye[end][assistant]',
  ],
  [
    'behind a user message it is appended to that message',
    templates.systemFirst,
    conversation([user('Hi'), system('Now French.')], 'Be kind.'),
    '[system]Be kind.[end][user]Hi\n\nNow French.[end][assistant]',
  ],
  [
    'behind an answer it opens the next user message',
    templates.systemFirst,
    conversation([user('Hi'), assistant('Hello'), system('Now French.'), user('Bye')]),
    '[user]Hi[end][assistant]Hello[end][user]Now French.\n\nBye[end][assistant]',
  ],
  [
    'behind the last answer it becomes a user message',
    templates.systemFirst,
    conversation([user('Hi'), assistant('Hello'), system('Go on.')]),
    '[user]Hi[end][assistant]Hello[end][user]Go on.[end][assistant]',
  ],
  [
    'between two user messages it joins both',
    templates.systemFirst,
    conversation([user('Hi'), system('Now French.'), user('Bye')]),
    '[user]Hi\n\nNow French.\n\nBye[end][assistant]',
  ],
  [
    'behind tool results alone it is appended to the last result',
    templates.systemFirst,
    conversation([
      user('Look'),
      { role: 'assistant', content: [call('1'), call('2')] },
      { role: 'user', content: [result('1', 'one'), result('2', 'two')] },
      system('Hurry.'),
    ]),
    '[user]Look[end][assistant](call look {"at": "it"})(call look {"at": "it"})[end][tool]one[end][tool]two\nHurry.[end][assistant]',
  ],
  [
    'behind tool results and a text it is appended to the text',
    templates.systemFirst,
    conversation([
      user('Look'),
      calling,
      { role: 'user', content: [result('1', 'one'), textBlock('and?')] },
      system('Hurry.'),
    ]),
    '[user]Look[end][assistant](call look {"at": "it"})[end][tool]one[end][user]and?\n\nHurry.[end][assistant]',
  ],
  [
    'between a call and its result it moves behind the result',
    templates.systemFirst,
    conversation([user('Look'), calling, system('Hurry.'), answered]),
    '[user]Look[end][assistant](call look {"at": "it"})[end][tool]seen\nHurry.[end][assistant]',
  ],
  [
    'between a call and its result it moves behind the result, also where the template shows it',
    templates.everyRole,
    conversation([user('Look'), calling, system('Hurry.'), answered]),
    '[user]Look[end][assistant][end][tool]seen[end][system]Hurry.[end][assistant]',
  ],
  [
    'a system turn before anything else joins the first user message where it cannot be shown',
    templates.withoutSystem,
    conversation([system('First.'), user('Hi')], 'Be kind.'),
    '[user]Be kind.\n\nFirst.\n\nHi[end][assistant]',
  ],
  [
    'blocks of a user message are a blank line apart, blocks of an answer are one text',
    templates.everyRole,
    conversation([user('one', 'two'), assistant('three', 'four'), user('five')]),
    '[user]one\n\ntwo[end][assistant]threefour[end][user]five[end][assistant]',
  ],
  [
    'a final answer is a prefill: it is continued and not closed',
    templates.everyRole,
    conversation([user('Hi'), assistant('The capital', ' of')]),
    '[user]Hi[end][assistant]The capital of',
  ],
  [
    'a prefill keeps its white space, even where the template trims',
    templates.trims,
    conversation([user('Hi'), assistant(' The ')]),
    '[user]Hi[end][assistant] The ',
  ],
  [
    'an empty prefill is none',
    templates.everyRole,
    conversation([user('Hi'), { role: 'assistant', content: [] }]),
    '[user]Hi[end][assistant]',
  ],
  [
    'a template that trims gets trimmed texts, and the space between blocks stays',
    templates.trims,
    conversation([user(' \nHi ', ' there\n'), assistant(' Hello\n'), user('Bye ')], ' Be kind. '),
    '[system]Be kind.[end][user]Hi \n\n there[end][assistant]Hello[end][user]Bye[end][assistant]',
  ],
  [
    'a failed tool says so, once',
    templates.everyRole,
    conversation([
      user('Look'),
      { role: 'assistant', content: [call('1'), call('2')] },
      { role: 'user', content: [result('1', 'gone', true), result('2', 'Error: gone', true)] },
    ]),
    '[user]Look[end][assistant][end][tool]Error: gone[end][tool]Error: gone[end][assistant]',
  ],
  [
    'tool results come before the text of their turn',
    templates.everyRole,
    conversation([user('Look'), calling, { role: 'user', content: [textBlock('and?'), result('1', 'seen')] }]),
    '[user]Look[end][assistant][end][tool]seen[end][user]and?[end][assistant]',
  ],
]

for (const [name, source, request, expected] of cases) {
  test(name, () => assert.equal(rendered(source, request), expected))
}

test('whatever the conversation, a template that wants alternating roles gets them', () => {
  const role = fc.constantFrom('user', 'assistant', 'system')
  const alternating = fc.array(role, { maxLength: 12 }).map((roles) => {
    const distinct = roles.filter((one, index) => one !== roles[index - 1])
    return [user('first'), ...distinct.filter((one, index) => index > 0 || one !== 'user').map(turnOf)]
  })
  fc.assert(
    fc.property(alternating, (turns) => {
      // Two assistant turns with only a system turn between them alternate by the user turn that it becomes.
      assert.match(rendered(templates.withoutSystem, conversation(turns)), /^\[user\]/)
    }),
  )
})

function turnOf(role: string, index: number): Turn {
  const text = `${role} ${index}`
  return role === 'user' ? user(text) : role === 'assistant' ? assistant(text) : system(text)
}

test('appending turns never changes what was rendered before them', () => {
  const turns = [
    user('Hi'),
    system('Now French.'),
    assistant('Bonjour'),
    user('Look'),
    calling,
    answered,
    system('Hurry.'),
  ]
  for (const source of [templates.everyRole, templates.systemFirst]) {
    const whole = rendered(source, conversation([...turns, assistant('Done'), user('Bye')], 'Be kind.'))
    for (let count = 1; count <= turns.length; count++) {
      // A turn that may still grow is left open, so that much of the shorter prompt is compared.
      const shorter = rendered(source, conversation(turns.slice(0, count), 'Be kind.'))
      const stable = shorter.replace(/(\[end\])?\[assistant\](\(.*\)\[end\]|[^[]*)?$/, '')
      assert.ok(whole.startsWith(stable), `${stable} begins ${whole}`)
    }
  }
})

test('cache marks do not change the prompt', () => {
  const marked = requestOf('', {
    system: [{ text: 'Be kind.', cacheMark: 'long' }],
    turns: [{ role: 'user', content: [{ kind: 'text', text: 'Hi', cacheMark: 'short' }] }],
  })
  assert.equal(
    rendered(vocabulary.chatTemplate, marked),
    rendered(vocabulary.chatTemplate, conversation([user('Hi')], 'Be kind.')),
  )
})

test('tools, calls and results are written as the embedded template itself writes them', () => {
  const inputSchema = {
    type: 'object',
    properties: { 'city "name"': { type: 'string', description: 'a\n"b"\\ é 👩 </tool_call>', enum: ['x', 'y'] } },
    required: ['city "name"'],
    additionalProperties: false,
  }
  const input = { 'city "name"': 'Z\u00fcrich\n"x"\\', depth: 2, deep: [null, true, { k: 1.5 }] }
  const request = requestOf('', {
    tools: [{ name: 'look', description: 'Looks at "it"\n', inputSchema, strict: false, cacheMark: null }],
    system: [systemBlock('Be kind.')],
    turns: [
      user('Look'),
      {
        role: 'assistant',
        content: [textBlock('I look.'), { kind: 'tool-call', id: 't1', name: 'look', input, cacheMark: null }],
      },
      { role: 'user', content: [result('t1', '{"seen": "it"}')] },
    ],
  })
  const plain = new Template(vocabulary.chatTemplate).render({
    messages: [
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: 'Look' },
      { role: 'assistant', content: 'I look.', tool_calls: [{ function: { name: 'look', arguments: input } }] },
      { role: 'tool', content: '{"seen": "it"}' },
    ],
    tools: [{ type: 'function', function: { name: 'look', description: 'Looks at "it"\n', parameters: inputSchema } }],
    add_generation_prompt: true,
    enable_thinking: false,
  })
  assert.equal(rendered(vocabulary.chatTemplate, request), plain)
})
