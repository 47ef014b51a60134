import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { defaultQuirks, type UpstreamSettings } from '../../src/backends/upstream/settings.ts'
import { summarizeUpstream } from '../../src/config/structure-summary.ts'
import { redacted, resolveConfig, type Sources } from '../../src/config.ts'
import { fileOf, problems } from '../support/config-sources.ts'

function upstreams(sources: Partial<Sources>): readonly UpstreamSettings[] {
  return resolveConfig({ flags: {}, env: {}, file: null, ...sources }).config.upstreams
}

/** What `upstreams: [{ url, ...rest }]` becomes. */
function only(rest: string, env: NodeJS.ProcessEnv = {}): UpstreamSettings {
  const [upstream, ...others] = upstreams({ file: fileOf(`upstreams: [{ url: 'http://gpu:8000', ${rest} }]`), env })
  assert.ok(upstream !== undefined && others.length === 0)
  return upstream
}

function keyFile(test: TestContext, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'headend-key-'))
  test.after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'key')
  writeFileSync(path, text)
  return path
}

describe('one upstream by options', () => {
  it('is named by its host, and serves what it lists', () => {
    assert.deepEqual(upstreams({ flags: { upstream: 'https://API.openai.com/v1/' } }), [
      {
        name: 'api.openai.com',
        url: 'https://api.openai.com/v1',
        protocol: 'openai',
        key: null,
        passThroughCredentials: false,
        headers: {},
        exposesListed: true,
        models: [],
        concurrency: 0,
        connectTimeoutMs: 10_000,
        firstByteTimeoutMs: 300_000,
        idleTimeoutMs: 300_000,
        totalTimeoutMs: 0,
        modelsTtlMs: 300_000,
        healthIntervalMs: 0,
        quirks: { ...defaultQuirks, extraSampling: false }, // what this host is known to refuse
      },
    ])
  })

  it('is told everything by flags and the environment', (test) => {
    const flags = {
      upstream: 'http://127.0.0.1:8000',
      upstreamProtocol: 'anthropic',
      upstreamModels: ['gpt-*', 'o3'],
      upstreamConcurrency: '7',
      upstreamConnectTimeoutMs: '1s',
      upstreamFirstByteTimeoutMs: '2s',
      upstreamIdleTimeoutMs: '3s',
      upstreamTotalTimeoutMs: '4s',
      upstreamHealthIntervalMs: '5s',
      upstreamModelsTtlMs: '6s',
    }
    const [upstream] = upstreams({ flags, env: { HEADEND_UPSTREAM_KEY: ' k-1 ' } })
    assert.deepEqual(upstream, {
      name: '127.0.0.1:8000',
      url: 'http://127.0.0.1:8000',
      protocol: 'anthropic',
      key: 'k-1',
      passThroughCredentials: false,
      headers: {},
      exposesListed: true,
      models: ['gpt-*', 'o3'],
      concurrency: 7,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 2000,
      idleTimeoutMs: 3000,
      totalTimeoutMs: 4000,
      modelsTtlMs: 6000,
      healthIntervalMs: 5000,
      quirks: defaultQuirks,
    })
    const path = keyFile(test, '\ufeffk-2\n')
    assert.equal(upstreams({ flags: { upstream: 'http://a', upstreamKeyFile: path } })[0]?.key, 'k-2')
    const [passing] = upstreams({ flags: { upstream: 'http://a', upstreamPassThrough: true } })
    assert.deepEqual([passing?.key, passing?.passThroughCredentials], [null, true])
  })

  it('comes before those of the file, for which its times and limits hold, too', () => {
    const file = fileOf(
      'upstreams:\n  - { name: b, url: http://b }\n  - { url: http://c, concurrency: 0, timeouts: { idle: 9 } }',
    )
    const list = upstreams({
      file,
      flags: { upstream: 'http://a', upstreamConcurrency: '3', upstreamIdleTimeoutMs: '4' },
    })
    assert.deepEqual(
      list.map(({ name, concurrency, idleTimeoutMs, exposesListed }) => [
        name,
        concurrency,
        idleTimeoutMs,
        exposesListed,
      ]),
      [
        ['a', 3, 4, true],
        ['b', 3, 4, false],
        ['c', 0, 9, false],
      ],
    )
  })

  it('needs no local model', () => {
    const model = (sources: Partial<Sources>) =>
      resolveConfig({ flags: {}, env: {}, file: null, ...sources }).config.model
    assert.deepEqual(model({}), ['embedded'])
    assert.deepEqual(model({ flags: { upstream: 'http://a' } }), [])
    assert.deepEqual(model({ file: fileOf('upstreams: [{ url: http://a }]') }), [])
    assert.deepEqual(model({ flags: { upstream: 'http://a', model: ['embedded'] } }), ['embedded'])
    assert.deepEqual(model({ file: fileOf('upstreams:\nmodels: []') }), ['embedded'])
  })

  const refused: readonly [string, Partial<Sources>, RegExp][] = [
    ['a URL of another kind', { flags: { upstream: 'ftp://a' } }, /^--upstream: expected the base URL of a server/],
    ['a URL without a scheme', { flags: { upstream: 'localhost:8000' } }, /^--upstream: expected the base URL/],
    ['a query', { flags: { upstream: 'https://a/v1?k=1' } }, /without a query or a fragment$/],
    ['an endpoint', { flags: { upstream: 'https://a/v1/messages' } }, /without \/v1\/messages: that is put behind it$/],
    ['an unknown protocol', { flags: { upstream: 'http://a', upstreamProtocol: 'openia' } }, /did you mean openai/],
    ['a protocol alone', { flags: { upstreamProtocol: 'openai' } }, /^--upstream-protocol needs --upstream;/],
    ['a key alone', { env: { HEADEND_UPSTREAM_KEY: 'k' } }, /^HEADEND_UPSTREAM_KEY needs --upstream;/],
    ['patterns alone', { env: { HEADEND_UPSTREAM_MODELS: '*' } }, /^HEADEND_UPSTREAM_MODELS needs --upstream;/],
    [
      'two credentials',
      { flags: { upstream: 'http://a', upstreamPassThrough: true }, env: { HEADEND_UPSTREAM_KEY: 'k' } },
      /^give one of HEADEND_UPSTREAM_KEY, --upstream-key-file and --upstream-pass-through$/,
    ],
    [
      'a key file that is not there',
      { flags: { upstream: 'http://a', upstreamKeyFile: './no' } },
      /^--upstream-key-file: .*no such file$/,
    ],
    [
      'to show its own keys to an upstream',
      { flags: { upstream: 'http://a', upstreamPassThrough: true }, env: { HEADEND_API_KEY: 'k' } },
      /^upstream a is shown the client's credential, which would be the key of this server: /,
    ],
    ['a sample of nothing', { flags: { recordSample: '0.5' } }, /^--record-sample needs --record/],
    [
      'a share above all',
      { flags: { record: 'r', recordSample: '1.5' } },
      /^--record-sample: expected a number from 0 to 1, got "1\.5"$/,
    ],
    [
      'a share that is no number',
      { flags: { record: 'r', recordSample: '1%' } },
      /^--record-sample: expected a number from 0 to 1/,
    ],
  ]
  for (const [what, sources, expected] of refused) {
    it(`refuses ${what}`, () => {
      const [line = '', ...others] = problems(sources)
      assert.match(line, expected)
      assert.equal(others.length, 0)
    })
  }
})

describe('upstreams of the file', () => {
  it('say everything, in any spelling of the keys', () => {
    const yaml = `
upstreams:
  - name: openai
    url: https://api.openai.com/v1
    protocol: anthropic
    key_env: OPENAI_API_KEY
    headers: { OpenAI-Organization: org-1, x-number: 3 }
    expose: true
    models: gpt-*
    concurrency: 5
    timeouts: { connect: 1s, first_byte: 2m, idle: 3s, total: 0 }
    health_interval: 30s
    models_ttl: 1h
    quirks: { thinking: none, max_tokens_field: max_tokens, empty_content: null }
`
    const env = { OPENAI_API_KEY: 'sk-1\n' }
    const expected = {
      name: 'openai',
      url: 'https://api.openai.com/v1',
      protocol: 'anthropic',
      key: 'sk-1',
      passThroughCredentials: false,
      headers: { 'openai-organization': 'org-1', 'x-number': '3' },
      exposesListed: true,
      models: ['gpt-*'],
      concurrency: 5,
      connectTimeoutMs: 1000,
      firstByteTimeoutMs: 120_000,
      idleTimeoutMs: 3000,
      totalTimeoutMs: 0,
      modelsTtlMs: 3_600_000,
      healthIntervalMs: 30_000,
      quirks: {
        ...defaultQuirks,
        extraSampling: false, // what this host is known to refuse
        thinking: 'none',
        maxTokensField: 'max_tokens',
        emptyContent: 'null',
      },
    }
    const kebab = yaml.replace(/[a-z]+(_[a-z]+)+(?=:)/g, (key) => key.replaceAll('_', '-'))
    const camel = yaml.replace(/_([a-z])(?=\w*:)/g, (_, letter) => letter.toUpperCase())
    assert.ok(kebab.includes('first-byte') && camel.includes('maxTokensField'))
    for (const text of [yaml, kebab, camel]) assert.deepEqual(upstreams({ file: fileOf(text), env }), [expected])
  })

  it('take every quirk', () => {
    const quirks = {
      systemRole: 'developer',
      inlineSystem: 'fold',
      maxTokensField: 'max_completion_tokens',
      outputTokensMax: 8192,
      sampling: false,
      extraSampling: false,
      streamOptions: false,
      streaming: false,
      textOnly: true,
      images: false,
      emptyContent: 'null',
      prefill: 'continue',
      thinking: 'chat_template_kwargs',
      highEfforts: true,
      reasoningHistory: 'think_tags',
      thinkTags: 'off',
      thinkMarkers: [{ open: '[THINK]', close: '[/THINK]' }],
      interleavedThinking: false,
      thinkingOpenInPrompt: true,
      unwantedThinking: 'keep',
      reportsStop: true,
      strictTools: false,
      cacheControl: true,
      sendsUser: true,
      tokenizePath: '/tokenize',
      extraBody: { priority: 1, provider: { order: ['a'], snake_case: null } },
    }
    const text = JSON.stringify({ upstreams: [{ url: 'http://a', quirks }] })
    assert.deepEqual(upstreams({ file: fileOf(text) })[0]?.quirks, quirks)
    for (const [name, value] of Object.entries(quirks)) {
      assert.notDeepEqual(Reflect.get(defaultQuirks, name), value, `${name} should differ from its default here`)
    }
    assert.deepEqual(Object.keys(quirks), Object.keys(defaultQuirks))
  })

  it('share parts by anchors, and errors in them have their own lines', () => {
    const text = 'upstreams:\n  - { url: http://a, quirks: &q { images: false } }\n  - { url: http://b, quirks: *q }\n'
    assert.deepEqual(
      upstreams({ file: fileOf(text) }).map(({ quirks }) => quirks.images),
      [false, false],
    )
    assert.deepEqual(
      problems({ file: fileOf(text.replace('false', 'no')) }).map((line) => line.replace(/: expected.*/, '')),
      ['headend.yaml:2: upstreams.0.quirks.images', 'headend.yaml:2: upstreams.1.quirks.images'],
    )
  })

  it('find keys in files', (test) => {
    assert.equal(only(`key_file: ${JSON.stringify(keyFile(test, 'sk-2\r\n'))}`).key, 'sk-2')
  })

  const refused: readonly [string, string, string][] = [
    [
      'a mapping of upstreams',
      'upstreams:\n  openai: { key: sk-secret }',
      'headend.yaml:1: upstreams: expected a list, got a mapping',
    ],
    [
      'an entry that is none',
      'upstreams:\n  - sk-secret',
      'headend.yaml:2: upstreams.0: expected a mapping with keys such as name, url, protocol, got a text',
    ],
    ['an entry without a URL', 'upstreams:\n  - name: a', 'headend.yaml:2: upstreams.0: needs url'],
    [
      'an unknown key',
      'upstreams:\n  - url: http://a\n    protocl: openai',
      'headend.yaml:3: upstreams.0: unknown key protocl (did you mean protocol?)',
    ],
    [
      'an unknown quirk',
      'upstreams:\n  - url: http://a\n    quirks:\n      imges: true',
      'headend.yaml:4: upstreams.0.quirks: unknown key imges (did you mean images?)',
    ],
    [
      'a key that no object of ours has',
      'upstreams:\n  - { url: http://a, constructor: 1 }',
      'headend.yaml:2: upstreams.0: unknown key constructor',
    ],
    [
      'a key in two spellings',
      'upstreams:\n  - url: http://a\n    models_ttl: 1\n    modelsTtl: 2',
      'headend.yaml:4: upstreams.0.modelsTtl: this says the same as models_ttl: give one of them',
    ],
    [
      'two of one name',
      'upstreams:\n  - url: http://a\n  - url: http://b\n    name: a',
      'headend.yaml:3: upstreams.1: another upstream is named a: give each a name of its own',
    ],
    [
      'a name that no header can carry',
      'upstreams: [{ url: http://a, name: a b }]',
      'headend.yaml:1: upstreams.0.name: expected a name of at most 80 letters, digits and ._:-',
    ],
    [
      'credentials in a URL',
      'upstreams: [{ url: "https://me:sk-secret@a/v1" }]',
      'headend.yaml:1: upstreams.0.url: credentials do not belong in a URL; set HEADEND_UPSTREAM_KEY, or key_env in the file',
    ],
    [
      'a key',
      'upstreams:\n  - url: http://a\n    key: sk-secret',
      'headend.yaml:3: upstreams.0.key: keys do not belong in a file that others get to see: name the environment variable that holds it with key_env, or its file with key_file',
    ],
    [
      'a variable that is not set',
      'upstreams: [{ url: http://a, key_env: NO_SUCH_KEY }]',
      'headend.yaml:1: upstreams.0.key_env: the environment variable NO_SUCH_KEY is not set, or empty: it should hold the key',
    ],
    [
      'a key in place of its variable',
      'upstreams: [{ url: http://a, key_env: sk-secret }]',
      'headend.yaml:1: upstreams.0.key_env: expected the name of an environment variable that is set, such as OPENAI_API_KEY',
    ],
    [
      'a key in place of its file',
      'upstreams: [{ url: http://a, key_file: sk-secret }]',
      'headend.yaml:1: upstreams.0.key_file: cannot read the file of the key: no such file',
    ],
    [
      'a list of keys',
      'upstreams: [{ url: http://a, key_env: [sk-secret] }]',
      'headend.yaml:1: upstreams.0.key_env: expected a text, got a list',
    ],
    [
      'two credentials',
      'upstreams: [{ url: http://a, key_env: EMPTY_OR_NOT, pass_through: true }]',
      'headend.yaml:1: upstreams.0: give one of key_env, key_file and pass_through',
    ],
    [
      'a credential as a header',
      'upstreams: [{ url: http://a, headers: { Authorization: Bearer sk-secret } }]',
      'headend.yaml:1: upstreams.0.headers.Authorization: credentials are not written here: name the environment variable that holds the key with key_env',
    ],
    [
      'a header that describes the body',
      'upstreams: [{ url: http://a, headers: { Content-Length: 3 } }]',
      'headend.yaml:1: upstreams.0.headers.Content-Length: headend writes this header itself',
    ],
    [
      'a header of two lines',
      'upstreams: [{ url: http://a, headers: { x-a: "sk-secret\\nx-b: 1" } }]',
      'headend.yaml:1: upstreams.0.headers.x-a: expected a text in one line, got another',
    ],
    [
      'a header twice',
      'upstreams: [{ url: http://a, headers: { x-a: 1, X-A: 2 } }]',
      'headend.yaml:1: upstreams.0.headers.X-A: this header is given twice',
    ],
    [
      'a timeout of none',
      'upstreams: [{ url: http://a, timeouts: { connect: 0 } }]',
      'headend.yaml:1: upstreams.0.timeouts.connect: expected milliseconds from 1 to 2147483647, such as 250, 10s, 5m or 1h, got 0',
    ],
    [
      'a body that hides the conversation',
      'upstreams: [{ url: http://a, quirks: { extra_body: { messages: [] } } }]',
      'headend.yaml:1: upstreams.0.quirks.extra_body.messages: headend writes this field itself',
    ],
    [
      'markers without an end',
      'upstreams: [{ url: http://a, quirks: { think_markers: [{ open: a }] } }]',
      'headend.yaml:1: upstreams.0.quirks.think_markers.0: needs close',
    ],
    [
      'no markers at all',
      'upstreams: [{ url: http://a, quirks: { think_markers: [] } }]',
      'headend.yaml:1: upstreams.0.quirks.think_markers: expected at least one pair; null stands for the usual ones',
    ],
  ]
  for (const [what, text, line] of refused) {
    it(`refuse ${what}`, () => assert.deepEqual(problems({ file: fileOf(text), env: { EMPTY_OR_NOT: 'k' } }), [line]))
  }

  it('refuse keys that a header cannot carry, without repeating them', (test) => {
    const expected = /expected one key: letters, digits and signs without spaces or line breaks$/
    const path = keyFile(test, 'sk-one\nsk-two\n')
    for (const rest of [`key_env: A_KEY`, `key_file: ${JSON.stringify(path)}`]) {
      const lines = problems({ file: fileOf(`upstreams: [{ url: http://a, ${rest} }]`), env: { A_KEY: 'sk-ä' } })
      assert.match(lines.join('\n'), expected)
      assert.doesNotMatch(lines.join('\n'), /sk-/)
    }
    const empty = keyFile(test, ' \n')
    const lines = problems({ file: fileOf(`upstreams: [{ url: http://a, key_file: ${JSON.stringify(empty)} }]`) })
    assert.match(lines.join('\n'), /upstreams\.0\.key_file: the file of the key is empty$/)
  })

  it('are refused all together, with the options', () => {
    const text =
      'port: x\nupstreams:\n  - { url: http://a, protocol: x }\n  - { name: b }\nmodels:\n  - { id: m, upstream: c }\n'
    assert.deepEqual(
      problems({ file: fileOf(text), flags: { prot: '1' } }).map((line) => line.replace(/^(headend.yaml:\d+).*/, '$1')),
      ['unknown option --prot (did you mean --port?)', ...[1, 3, 4, 6].map((line) => `headend.yaml:${line}`)],
    )
  })
})

describe('secrets', () => {
  const secret = 'sk-very-secret'
  const { config } = resolveConfig({
    flags: { upstream: 'http://a' },
    env: { HEADEND_UPSTREAM_KEY: secret, B_KEY: secret },
    file: fileOf(`upstreams: [{ url: http://b, key_env: B_KEY, headers: { x-team: ${secret} } }, { url: http://c }]`),
  })

  it('are not shown', () => {
    const shown = redacted(config)
    assert.equal(JSON.stringify(shown).includes(secret), false)
    assert.equal(JSON.stringify(config.upstreams.map(summarizeUpstream)).includes(secret), false)
    assert.deepEqual(shown, {
      ...config,
      upstreamKey: '(hidden)',
      upstreams: [
        { ...config.upstreams[0], key: '(hidden)' },
        { ...config.upstreams[1], key: '(hidden)', headers: { 'x-team': '(hidden)' } },
        config.upstreams[2],
      ],
    })
  })

  it('have no flag', () => {
    assert.deepEqual(problems({ flags: { upstreamKey: secret } }), [
      '--upstream-key: secrets do not belong on a command line, which others can read; set HEADEND_UPSTREAM_KEY',
    ])
  })
})

it('an upstream in a few lines, for people', () => {
  const upstream = only(
    'key_env: K, headers: { x-team: a }, models: [m-*], quirks: { images: false, prefill: refuse }',
    {
      K: 'sk-1',
    },
  )
  assert.deepEqual(summarizeUpstream(upstream), {
    heading: 'upstream gpu:8000',
    lines: [
      'http://gpu:8000, openai protocol, with a key',
      'serves m-*',
      'headers x-team',
      'quirks images: false, prefill: refuse',
    ],
  })
  assert.deepEqual(summarizeUpstream(only('expose: true')).lines, [
    'http://gpu:8000, openai protocol, no key',
    'serves what it lists',
  ])
})
