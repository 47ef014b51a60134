import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  assistant,
  draftOf,
  encode,
  parseCount,
  parsed,
  parseMessages,
  requestWith,
  text,
  toolResult,
  toolUse,
  user,
} from './requests.ts'

const plain = (value: string, cacheMark: 'short' | 'long' | null = null) => ({ kind: 'text', text: value, cacheMark })
const system = (content: unknown): object => ({ role: 'system', content })
const marked = (ttl?: string): object => ({ cache_control: { type: 'ephemeral', ...(ttl && { ttl }) } })
const attribution = 'x-anthropic-billing-header: cc_version=1; cch=a1b2;'

test('the smallest request', () => {
  assert.deepEqual(parseMessages(requestWith({})), {
    model: 'm',
    system: [],
    turns: [{ role: 'user', content: [plain('hi')] }],
    tools: [],
    toolChoice: { kind: 'auto', parallel: true },
    thinking: { kind: 'unset' },
    effort: null,
    outputSchema: null,
    maxTokens: 16,
    outputMustFit: false,
    sampling: { temperature: null, topP: null, topK: null, minP: null, seed: null, penalties: null, logitBias: null },
    stopSequences: [],
    stream: false,
    userId: null,
  })
})

test('the fields of generation', () => {
  const request = parsed({
    max_tokens: 0,
    stream: true,
    stop_sequences: ['END', ' .'],
    temperature: 0,
    top_p: 1,
    top_k: 0,
  })
  assert.equal(request.maxTokens, 0)
  assert.equal(request.stream, true)
  assert.deepEqual(request.stopSequences, ['END', ' .'])
  assert.deepEqual(request.sampling, {
    temperature: 0,
    topP: 1,
    topK: 0,
    minP: null,
    seed: null,
    penalties: null,
    logitBias: null,
  })
})

test('what real clients send beside is accepted', () => {
  const extras = {
    service_tier: 'auto',
    speed: null,
    inference_geo: 'us',
    container: null,
    mcp_servers: [],
    context_management: { edits: [{ type: 'clear_thinking_20251015' }] },
    betas: ['x'],
    diagnostics: {},
    some_future_field: 1,
    output_config: { effort: null, task_budget: {} },
  }
  assert.deepEqual(parsed(extras), parsed({}))
})

test('a byte order mark in front of the body is no mistake', () => {
  assert.deepEqual(parseMessages(Buffer.concat([Buffer.from('\ufeff'), requestWith({})])), parsed({}))
})

describe('system text', () => {
  const rows: readonly (readonly [string, unknown, readonly object[]])[] = [
    ['a string', 'be brief', [{ text: 'be brief', cacheMark: null }]],
    ['an empty string is absent', '', []],
    ['no blocks', [], []],
    [
      'blocks with marks',
      [
        { ...text('a'), ...marked() },
        { ...text('b'), ...marked('1h') },
        { ...text('c'), cache_control: null },
      ],
      [
        { text: 'a', cacheMark: 'short' },
        { text: 'b', cacheMark: 'long' },
        { text: 'c', cacheMark: null },
      ],
    ],
    ['an attribution block is dropped', [text(attribution), text('a')], [{ text: 'a', cacheMark: null }]],
    ['an attribution line is cut', `${attribution}\nbe brief\n`, [{ text: 'be brief\n', cacheMark: null }]],
    ['an attribution string alone', attribution, []],
    ['the words inside a text stay', `see ${attribution}\nx`, [{ text: `see ${attribution}\nx`, cacheMark: null }]],
  ]
  for (const [name, value, expected] of rows) {
    test(name, () => assert.deepEqual(parsed({ system: value }).system, expected))
  }

  test('leading system messages join it, later ones stay in place', () => {
    const request = parsed({
      system: 'a',
      messages: [system('b'), system([{ ...text('c'), ...marked() }]), user('1'), system('d'), user('2')],
    })
    assert.deepEqual(request.system, [
      { text: 'a', cacheMark: null },
      { text: 'b', cacheMark: null },
      { text: 'c', cacheMark: 'short' },
    ])
    assert.deepEqual(
      request.turns.map(({ role, content }) => [role, content]),
      [
        ['user', [plain('1')]],
        ['system', [plain('d')]],
        ['user', [plain('2')]],
      ],
    )
  })
})

describe('turns', () => {
  test('consecutive messages of one role are one turn', () => {
    const { turns } = parsed({ messages: [user('a'), user([text('b'), text('c')]), assistant('d'), assistant('e')] })
    assert.deepEqual(turns, [
      { role: 'user', content: [plain('a'), plain('b'), plain('c')] },
      { role: 'assistant', content: [plain('d'), plain('e')] },
    ])
  })

  test('a final assistant message is a prefill, an empty one is dropped', () => {
    assert.equal(parsed({ messages: [user('a'), assistant('b ')] }).turns.length, 2)
    assert.equal(parsed({ messages: [user('a'), assistant('')] }).turns.length, 1)
    assert.equal(parsed({ messages: [user('a'), assistant([])] }).turns.length, 1)
  })

  test('the top-level mark stands on the last block', () => {
    const { turns } = parsed({ messages: [user('a'), assistant('b'), user([text('c'), text('d')])], ...marked('1h') })
    assert.deepEqual(turns.at(-1)?.content, [plain('c'), plain('d', 'long')])
    assert.deepEqual(turns[0]?.content, [plain('a')])
  })

  test('a mark of its own outranks the top-level one', () => {
    const { turns } = parsed({ messages: [user([{ ...text('a'), ...marked('5m') }])], ...marked('1h') })
    assert.deepEqual(turns[0]?.content, [plain('a', 'short')])
  })
})

describe('content', () => {
  const contentOf = (...blocks: readonly unknown[]) => parsed({ messages: [user(blocks)] }).turns[0]?.content

  test('images keep their source and their place', () => {
    const base64 = { type: 'base64', media_type: 'image/png', data: 'AAAA' }
    assert.deepEqual(contentOf(text('a'), { type: 'image', source: base64, ...marked() }), [
      plain('a'),
      {
        kind: 'image',
        source: { kind: 'base64', mediaType: 'image/png', data: 'AAAA' },
        path: 'messages.0.content.1',
        cacheMark: 'short',
      },
    ])
    assert.deepEqual(contentOf({ type: 'image', source: { type: 'url', url: 'https://x/y.png' } }), [
      {
        kind: 'image',
        source: { kind: 'url', url: 'https://x/y.png' },
        path: 'messages.0.content.0',
        cacheMark: null,
      },
    ])
  })

  test('documents become text', () => {
    const plainText = { type: 'text', media_type: 'text/plain', data: 'one\ntwo' }
    assert.deepEqual(contentOf({ type: 'document', source: plainText, title: 'A "b"', context: 'c', ...marked() }), [
      plain('<document title="A &quot;b&quot;" context="c">one\ntwo</document>', 'short'),
    ])
    assert.deepEqual(contentOf({ type: 'document', source: { type: 'content', content: 'x' }, title: null }), [
      plain('<document>x</document>'),
    ])
  })

  test("a document's images follow its text", () => {
    const content = [text('x'), { type: 'image', source: { type: 'url', url: 'u' } }, text('y')]
    assert.deepEqual(contentOf({ type: 'document', source: { type: 'content', content } }), [
      plain('<document>x\ny</document>'),
      {
        kind: 'image',
        source: { kind: 'url', url: 'u' },
        path: 'messages.0.content.0.document.source.content.content.1',
        cacheMark: null,
      },
    ])
  })

  test('a mark inside a block marks the whole, unless that has its own', () => {
    const content = [{ ...text('a'), ...marked('1h') }, text('b')]
    const document = { type: 'document', source: { type: 'content', content } }
    const search = { type: 'search_result', title: 'T', source: 's', content }
    const marksOf = (...blocks: readonly unknown[]) =>
      contentOf(...blocks)?.map((block) => 'cacheMark' in block && block.cacheMark)
    assert.deepEqual(marksOf(document, { ...document, ...marked() }, search), ['long', 'short', 'long'])
    const messages = [assistant([toolUse('a'), toolUse('b')]), user([{ ...toolResult('a'), content }, toolResult('b')])]
    const results = parsed({ messages }).turns[1]?.content
    assert.deepEqual(
      results?.map((block) => 'cacheMark' in block && block.cacheMark),
      ['long', null],
    )
  })

  test('search results become text', () => {
    const result = { type: 'search_result', title: 'T', source: 'https://s', content: [text('a'), text('b')] }
    assert.deepEqual(contentOf(result), [plain('<search_result title="T" source="https://s">a\nb</search_result>')])
  })

  test('thinking is kept, redacted thinking is dropped', () => {
    const { turns } = parsed({
      messages: [
        user('a'),
        assistant([
          { type: 'thinking', thinking: 'hm', signature: 'foreign' },
          { type: 'redacted_thinking', data: 'xx' },
          text('b'),
        ]),
        user('c'),
      ],
    })
    assert.deepEqual(turns[1]?.content, [{ kind: 'thinking', text: 'hm', signature: 'foreign' }, plain('b')])
  })

  test('a turn of which nothing is left keeps its place', () => {
    const { turns } = parsed({
      messages: [user('a'), assistant([{ type: 'redacted_thinking', data: 'x' }]), user('b')],
    })
    assert.deepEqual(turns[1], { role: 'assistant', content: [] })
  })

  test('blocks of hosted tools become text or are dropped', () => {
    const { turns } = parsed({
      messages: [
        user('a'),
        assistant([
          { type: 'server_tool_use', id: 's', name: 'web_search', input: { query: 'q' } },
          {
            type: 'web_search_tool_result',
            tool_use_id: 's',
            content: [{ type: 'web_search_result', title: 'T', url: 'https://u', encrypted_content: 'zzz' }],
          },
          {
            type: 'code_execution_tool_result',
            tool_use_id: 's',
            content: { stdout: 'out', stderr: '', return_code: 0 },
          },
          { type: 'mcp_tool_result', tool_use_id: 's', content: [text('mcp')] },
          { type: 'web_search_tool_result', tool_use_id: 's', content: { error_code: 'unavailable' } },
          { type: 'container_upload', file_id: 'f' },
          { type: 'compaction', content: 'earlier: hello' },
        ]),
      ],
    })
    assert.deepEqual(turns[1]?.content, [
      plain('[web_search was called with {"query":"q"}]'),
      plain('T\nhttps://u'),
      plain('out'),
      plain('mcp'),
      plain('earlier: hello'),
    ])
  })
})

describe('tool calls and results', () => {
  test('a round with results in every form', () => {
    const image = { type: 'image', source: { type: 'url', url: 'u' } }
    const { turns } = parsed({
      messages: [
        user('x'),
        assistant([
          text('calling'),
          toolUse('a', { n: 1 }),
          toolUse('b'),
          toolUse('c'),
          { ...toolUse('d'), ...marked() },
        ]),
        user([
          toolResult('b', { content: 'two' }),
          toolResult('a', { content: [text('one'), text(''), image], is_error: true }),
          toolResult('c'),
          { ...toolResult('d', { content: '' }), ...marked('1h') },
          text('go on'),
        ]),
      ],
    })
    const call = (id: string, input: object, cacheMark: string | null = null) => ({
      kind: 'tool-call',
      id,
      name: 'f',
      input,
      cacheMark,
    })
    const result = (callId: string, content: readonly unknown[], isError = false, cacheMark: string | null = null) => ({
      kind: 'tool-result',
      callId,
      content,
      isError,
      cacheMark,
    })
    assert.deepEqual(turns[1]?.content, [
      plain('calling'),
      call('a', { n: 1 }),
      call('b', {}),
      call('c', {}),
      call('d', {}, 'short'),
    ])
    const path = 'messages.2.content.1.tool_result.content.2'
    assert.deepEqual(turns[2]?.content, [
      result('b', [plain('two')]),
      result('a', [plain('one'), { kind: 'image', source: { kind: 'url', url: 'u' }, path, cacheMark: null }], true),
      result('c', []),
      result('d', [], false, 'long'),
      plain('go on'),
    ])
  })

  test('a system message between call and result breaks nothing', () => {
    const messages = [user('x'), assistant([toolUse('a')]), system('s'), user([toolResult('a')])]
    assert.equal(parsed({ messages }).turns.length, 4)
  })

  test('calls and results may be spread over messages of one turn', () => {
    const messages = [
      assistant([toolUse('a')]),
      assistant([toolUse('b')]),
      user([toolResult('b')]),
      user([toolResult('a')]),
    ]
    assert.equal(parsed({ messages }).turns.length, 2)
  })

  test('an id may come again in a later round', () => {
    const round = [assistant([toolUse('a')]), user([toolResult('a')])]
    assert.equal(parsed({ messages: [...round, ...round] }).turns.length, 4)
  })

  test('the order of keys is kept', () => {
    const input = { z: 1, a: { y: 2, b: 3 } }
    const { turns } = parsed({ messages: [assistant([toolUse('a', input)]), user([toolResult('a')])] })
    assert.equal(JSON.stringify(turns[0]?.content[0]).includes(JSON.stringify(input)), true)
  })
})

describe('tools', () => {
  const schema = { type: 'object', properties: { a: { type: 'weird', $ref: '#' } }, required: ['a'] }
  const tool = { name: 'get-it_1', input_schema: schema }

  test('declarations', () => {
    const tools = [
      { ...tool, description: 'gets it', strict: true, ...marked('1h') },
      { ...tool, name: 'b', type: 'custom' },
      { ...tool, name: 'c', type: null },
    ]
    assert.deepEqual(parsed({ tools }).tools, [
      { name: 'get-it_1', description: 'gets it', inputSchema: schema, strict: true, cacheMark: 'long' },
      { name: 'b', description: null, inputSchema: schema, strict: false, cacheMark: null },
      { name: 'c', description: null, inputSchema: schema, strict: false, cacheMark: null },
    ])
  })

  const choices: readonly (readonly [object, object])[] = [
    [{ type: 'auto' }, { kind: 'auto', parallel: true }],
    [
      { type: 'auto', disable_parallel_tool_use: true },
      { kind: 'auto', parallel: false },
    ],
    [{ type: 'any' }, { kind: 'any', parallel: true }],
    [{ type: 'none' }, { kind: 'none', parallel: true }],
    [
      { type: 'tool', name: 'get-it_1' },
      { kind: 'tool', name: 'get-it_1', parallel: true },
    ],
  ]
  for (const [choice, expected] of choices) {
    test(`choice ${JSON.stringify(choice)}`, () => {
      assert.deepEqual(parsed({ tools: [tool], tool_choice: choice }).toolChoice, expected)
    })
  }

  const thinking = { type: 'adaptive' }
  test('a forced call leaves no room for thinking', () => {
    assert.deepEqual(parsed({ tools: [tool], tool_choice: { type: 'any' }, thinking }).thinking, { kind: 'off' })
    assert.deepEqual(parsed({ tools: [tool], tool_choice: { type: 'auto' }, thinking }).thinking, {
      kind: 'adaptive',
      shown: true,
    })
  })
})

describe('thinking and output', () => {
  const rows: readonly (readonly [object, object])[] = [
    [
      { type: 'enabled', budget_tokens: 1024, display: 'summarized' },
      { kind: 'budget', budgetTokens: 1024, shown: true },
    ],
    [
      { type: 'enabled', budget_tokens: 1999, display: 'omitted' },
      { kind: 'budget', budgetTokens: 1999, shown: false },
    ],
    [
      { type: 'adaptive', display: 'omitted' },
      { kind: 'adaptive', shown: false },
    ],
    [
      { type: 'adaptive', display: null },
      { kind: 'adaptive', shown: true },
    ],
    [{ type: 'disabled' }, { kind: 'off' }],
    [{ type: 'between_tools' }, { kind: 'off' }],
  ]
  for (const [thinking, expected] of rows) {
    test(`thinking ${JSON.stringify(thinking)}`, () => {
      assert.deepEqual(parsed({ max_tokens: 2000, thinking }).thinking, expected)
    })
  }

  test('effort', () => {
    assert.equal(parsed({ output_config: { effort: 'xhigh' } }).effort, 'xhigh')
    assert.equal(parsed({ output_config: {} }).effort, null)
  })

  test('an output schema by either name', () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } } }
    const format = { type: 'json_schema', schema }
    assert.deepEqual(parsed({ output_config: { format } }).outputSchema, schema)
    assert.deepEqual(parsed({ output_format: format }).outputSchema, schema)
    assert.equal(parsed({ output_config: { format: null, effort: null }, output_format: null }).outputSchema, null)
  })
})

describe('the session that metadata names', () => {
  const uuid = '0b0a9ad6-3c3f-4f0e-8f0e-2f6b1c1d2e3f'
  const rows: readonly (readonly [string, unknown, string | null])[] = [
    ['old form', `user_${'a1'.repeat(32)}_account_${uuid}_session_${uuid}`, uuid],
    ['old form without an account', `user_${'a1'.repeat(32)}_account__session_${uuid}`, uuid],
    ['JSON form', JSON.stringify({ device_id: 'd', account_uuid: '', session_id: uuid }), uuid],
    ['JSON without a session', JSON.stringify({ device_id: 'd' }), null],
    ['JSON with a session of another type', JSON.stringify({ session_id: 5 }), null],
    ['JSON with an empty session', JSON.stringify({ session_id: '' }), null],
    ['broken JSON', '{oops', null],
    ['a user', 'user-123', null],
    ['a session that is too long', JSON.stringify({ session_id: 'x'.repeat(129) }), null],
    ['null', null, null],
  ]
  for (const [name, userId, expected] of rows) {
    test(name, () => assert.equal(draftOf({ metadata: { user_id: userId } }).sessionHint, expected))
  }
})

test('counting takes the prompt and ignores the fields of generation', () => {
  const prompt = { model: 'm', system: 's', messages: [user('hi')], thinking: { type: 'enabled', budget_tokens: 4096 } }
  const bare = parseCount(encode(prompt))
  assert.equal(bare.maxTokens, null)
  assert.deepEqual(bare.thinking, { kind: 'budget', budgetTokens: 4096, shown: true })
  const ignored = { max_tokens: 'x', stream: 'x', stop_sequences: 5, temperature: 7, top_p: {}, top_k: -1 }
  assert.deepEqual(parseCount(encode({ ...prompt, ...ignored })), bare)
})

describe('types that only the hosted service may know', () => {
  const rows: readonly (readonly [string, object, RegExp])[] = [
    ['a server tool', { tools: [{ type: 'web_search_20250305', name: 'web_search' }] }, /^tools.0: server tool/],
    ['a client tool', { tools: [{ type: 'bash_20250124', name: 'bash' }] }, /^tools.0: tool type/],
    ['a block', { messages: [user([{ type: 'hologram' }])] }, /^messages.0.content.0: Input tag 'hologram'/],
    ['a source', { messages: [user([{ type: 'image', source: { type: 'cloud' } }])] }, /Input tag 'cloud'/],
  ]
  for (const [name, fields, message] of rows) {
    test(`${name}: the draft is there for a relay, and nobody else can complete it`, () => {
      const draft = draftOf(fields as Readonly<Record<string, unknown>>)
      assert.equal(draft.model, 'm')
      assert.match(draft.fault?.message ?? '', message)
      assert.throws(() => draft.complete(), { message: draft.fault?.message })
    })
  }

  test('what is wrong for everybody is refused at once', () => {
    assert.throws(() => draftOf({ tools: [{ type: 5 }] }), { message: 'tools.0.type: Input should be a valid string' })
    assert.equal(draftOf({}).fault, null)
  })
})

describe('what a draft says before its meaning is known', () => {
  test('whether it streams, and whether thoughts are shown', () => {
    assert.deepEqual([draftOf({}).stream, draftOf({ stream: true }).stream], [false, true])
    const omitted = { thinking: { type: 'enabled', budget_tokens: 1024, display: 'omitted' } }
    assert.deepEqual([draftOf({}).showsThinking, draftOf(omitted).showsThinking], [true, false])
  })
})
