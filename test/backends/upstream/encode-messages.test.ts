import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { encodeMessages } from '../../../src/backends/upstream/encode-messages.ts'
import { defaultQuirks, type UpstreamQuirks } from '../../../src/backends/upstream/settings.ts'
import type { ContentBlock, GenerateRequest, Turn } from '../../../src/contract/request.ts'
import { assistant, requestOf, system, textBlock, user } from '../../support/generate-requests.ts'

function encode(turns: readonly Turn[], quirks: Partial<UpstreamQuirks> = {}, more: Partial<GenerateRequest> = {}) {
  return encodeMessages(requestOf('', { turns, ...more }), { ...defaultQuirks, ...quirks }).messages
}

type Image = ContentBlock & { readonly kind: 'image' }

function image(data: string, path = 'messages.0.content.0'): Image {
  return { kind: 'image', source: { kind: 'base64', mediaType: 'image/png', data }, path, cacheMark: null }
}

function imagePart(data: string) {
  return { type: 'image_url', image_url: { url: `data:image/png;base64,${data}` } }
}

function call(id: string, input: Readonly<Record<string, unknown>> = {}): ContentBlock {
  return { kind: 'tool-call', id, name: 'read', input, cacheMark: null }
}

function sentCall(id: string, json = '{}') {
  return { id, type: 'function', function: { name: 'read', arguments: json } }
}

function result(
  callId: string,
  ...content: readonly (string | ContentBlock)[]
): ContentBlock & { kind: 'tool-result' } {
  const blocks = content.map((part) => (typeof part === 'string' ? textBlock(part) : part))
  return { kind: 'tool-result', callId, content: blocks, isError: false, cacheMark: null }
}

function thought(text: string): ContentBlock {
  return { kind: 'thinking', text, signature: 's' }
}

function turn(role: Turn['role'], ...content: readonly ContentBlock[]): Turn {
  return { role, content }
}

describe('text', () => {
  test('of one block is a string, of several a list, or one string where that is all the upstream reads', () => {
    assert.deepEqual(encode([user('a')]), [{ role: 'user', content: 'a' }])
    const parts = ['a', 'b'].map((text) => ({ type: 'text', text }))
    assert.deepEqual(encode([user('a', 'b')]), [{ role: 'user', content: parts }])
    assert.deepEqual(encode([user('a', 'b')], { textOnly: true }), [{ role: 'user', content: 'a\n\nb' }])
  })

  test('of the assistant is joined as it was', () => {
    assert.deepEqual(encode([user('a'), assistant('b', 'c'), user('d')])[1], { role: 'assistant', content: 'bc' })
  })

  test('of the system stands first, in the role that the upstream wants', () => {
    const blocks = [
      { text: 'a', cacheMark: null },
      { text: 'b', cacheMark: 'short' as const },
    ]
    const more = { system: blocks }
    assert.deepEqual(encode([user('c')], {}, more)[0], { role: 'system', content: 'a\n\nb' })
    assert.equal(encode([user('c')], { systemRole: 'developer' }, more)[0]?.role, 'developer')
  })
})

describe('cache marks', () => {
  const marked: Turn = turn('user', { kind: 'text', text: 'a', cacheMark: 'long' })
  const part = { type: 'text', text: 'a', cache_control: { type: 'ephemeral', ttl: '1h' } }
  const head = { system: [{ text: 's', cacheMark: 'short' as const }] }

  test('ride on parts where the upstream knows them', () => {
    const answered = turn('user', { ...result('c', 'r'), cacheMark: 'short' })
    const turns = [marked, turn('assistant', call('c')), answered]
    const messages = encode(turns, { cacheControl: true }, head)
    const short = { type: 'ephemeral' }
    assert.deepEqual(messages[0]?.content, [{ type: 'text', text: 's', cache_control: short }])
    assert.deepEqual(messages[1]?.content, [part])
    assert.deepEqual(messages[3]?.content, [{ type: 'text', text: 'r', cache_control: short }])
  })

  test('are dropped elsewhere, and where content is text only', () => {
    assert.deepEqual(
      encode([marked], {}, head).map(({ content }) => content),
      ['s', 'a'],
    )
    const quirks = { cacheControl: true, textOnly: true }
    assert.deepEqual(
      encode([marked], quirks, head).map(({ content }) => content),
      ['s', 'a'],
    )
  })
})

describe('images', () => {
  const shown = turn('user', textBlock('a'), image('AAAA'), textBlock('b'))

  test('are parts in their order', () => {
    const web: ContentBlock = { ...image(''), source: { kind: 'url', url: 'https://x.test/a.png' } }
    const { messages, images } = encodeMessages(
      requestOf('', { turns: [turn('user', ...shown.content, web)] }),
      defaultQuirks,
    )
    const parts = [
      { type: 'text', text: 'a' },
      imagePart('AAAA'),
      { type: 'text', text: 'b' },
      { type: 'image_url', image_url: { url: 'https://x.test/a.png' } },
    ]
    assert.deepEqual(messages, [{ role: 'user', content: parts }])
    assert.equal(images.count, 2)
  })

  test('are refused where the model takes none, by their own path', () => {
    const picture = image('AAAA', 'messages.4.content.2')
    const refused = { kind: 'invalid-request', field: 'messages.4.content.2' }
    const message = 'messages.4.content.2: this model does not accept images'
    assert.throws(() => encode([turn('user', picture)], { images: false }), { ...refused, message })
    assert.throws(() => encode([turn('user', picture)], { textOnly: true }), refused)
    assert.throws(
      () => encode([user('a'), turn('assistant', call('c')), turn('user', result('c', picture))], { images: false }),
      refused,
    )
  })

  test('of tool results stand in the message behind the results', () => {
    const answered = turn('user', textBlock('look'), result('c', 'x', image('AAAA')), result('d', image('BBBB')))
    assert.deepEqual(encode([user('a'), turn('assistant', call('c'), call('d')), answered]).slice(2), [
      { role: 'tool', tool_call_id: 'c', content: 'x\n[image below]' },
      { role: 'tool', tool_call_id: 'd', content: '[image below]' },
      { role: 'user', content: [imagePart('AAAA'), imagePart('BBBB'), { type: 'text', text: 'look' }] },
    ])
  })
})

describe('calls and results', () => {
  test('results come first, and what else the user says behind them', () => {
    const answered = turn('user', textBlock('and now'), result('c', '1', '2'), result('d'))
    const input = { path: 'a"b', deep: [1] }
    assert.deepEqual(
      encode([user('a'), turn('assistant', textBlock('t'), call('c', input), call('d')), answered]).slice(1),
      [
        { role: 'assistant', content: 't', tool_calls: [sentCall('c', JSON.stringify(input)), sentCall('d')] },
        { role: 'tool', tool_call_id: 'c', content: '1\n2' },
        { role: 'tool', tool_call_id: 'd', content: '' },
        { role: 'user', content: 'and now' },
      ],
    )
  })

  test('calls without text have the content that the upstream wants', () => {
    const turns = [user('a'), turn('assistant', call('c')), turn('user', result('c'))]
    assert.deepEqual(encode(turns)[1], { role: 'assistant', content: '', tool_calls: [sentCall('c')] })
    assert.deepEqual(encode(turns, { emptyContent: 'null' })[1], {
      role: 'assistant',
      content: null,
      tool_calls: [sentCall('c')],
    })
  })

  test('errors are marked as such, once', () => {
    const failed = (text: string) => turn('user', { ...result('c', text), isError: true })
    const sent = (text: string) => encode([user('a'), turn('assistant', call('c')), failed(text)])[2]?.content
    assert.equal(sent('no such file'), 'Error: no such file')
    assert.equal(sent('Error: no such file'), 'Error: no such file')
  })
})

describe('thoughts of earlier turns', () => {
  const turns = [
    user('first'),
    turn('assistant', thought('old'), textBlock('one')),
    user('second'),
    turn('assistant', thought('new'), thought(''), thought('er'), textBlock('text'), call('c')),
    turn('user', result('c')),
  ]
  const calls = { tool_calls: [sentCall('c')] }
  const old = { role: 'assistant', content: 'one' }

  const cases: readonly [UpstreamQuirks['reasoningHistory'], unknown][] = [
    ['drop', { role: 'assistant', content: 'text', ...calls }],
    ['reasoning_content', { role: 'assistant', content: 'text', reasoning_content: 'new\n\ner', ...calls }],
    ['reasoning', { role: 'assistant', content: 'text', reasoning: 'new\n\ner', ...calls }],
    ['think_tags', { role: 'assistant', content: '<think>\nnew\n\ner\n</think>\n\ntext', ...calls }],
  ]
  for (const [reasoningHistory, expected] of cases) {
    test(reasoningHistory, () => {
      const messages = encode(turns, { reasoningHistory })
      assert.deepEqual(messages[1], old)
      assert.deepEqual(messages[3], expected)
    })
  }

  test('end with the next question', () => {
    const asked = [...turns.slice(0, -1), turn('user', result('c'), textBlock('third'))]
    const message = encode(asked, { reasoningHistory: 'reasoning' })[3]
    assert.deepEqual(message, { role: 'assistant', content: 'text', ...calls })
  })

  test('have the markers of the model', () => {
    const thinkMarkers = [{ open: '[THINK]', close: '[/THINK]' }]
    const { content } = encode(turns, { reasoningHistory: 'think_tags', thinkMarkers })[3] ?? {}
    assert.equal(content, '[THINK]\nnew\n\ner\n[/THINK]\n\ntext')
  })

  test('alone leave an empty message, so that roles still alternate', () => {
    const silent = [user('a'), turn('assistant', thought('hm')), user('b')]
    assert.deepEqual(encode(silent, { emptyContent: 'null' })[1], { role: 'assistant', content: '' })
  })
})

describe('system turns amid the conversation', () => {
  const roles = (turns: readonly Turn[], quirks: Partial<UpstreamQuirks> = {}) => {
    return encode(turns, quirks).map(
      ({ role, content }) => `${role}: ${typeof content === 'string' ? content : JSON.stringify(content)}`,
    )
  }
  const fold = { inlineSystem: 'fold', textOnly: true } as const

  test('stay where they are', () => {
    const turns = [user('a'), system('s'), assistant('b'), system('t'), user('c')]
    assert.deepEqual(roles(turns), ['user: a', 'system: s', 'assistant: b', 'system: t', 'user: c'])
    assert.deepEqual(roles(turns, { systemRole: 'developer' })[1], 'developer: s')
  })

  test('are folded into the user turn before them, else after them, never into the head', () => {
    const turns = [user('a'), system('s'), user('b'), assistant('c'), system('t'), user('d')]
    assert.deepEqual(roles(turns, fold), ['user: a\n\ns\n\nb', 'assistant: c', 'user: t\n\nd'])
    assert.deepEqual(roles([user('a'), assistant('b'), system('s')], fold), ['user: a', 'assistant: b', 'user: s'])
  })

  test('go behind results, which follow their calls directly', () => {
    const turns = [user('a'), turn('assistant', call('c')), system('s'), turn('user', result('c', 'r')), system('t')]
    assert.deepEqual(roles(turns), ['user: a', 'assistant: ', 'tool: r', 'system: s', 'system: t'])
    assert.deepEqual(roles(turns, fold), ['user: a', 'assistant: ', 'tool: r\ns\nt'])
  })

  test('join a text behind results rather than a result', () => {
    const turns = [
      user('a'),
      turn('assistant', call('c')),
      turn('user', textBlock('and'), result('c', 'r')),
      system('s'),
    ]
    assert.deepEqual(roles(turns, fold), ['user: a', 'assistant: ', 'tool: r', 'user: and\n\ns'])
  })
})
