import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { summarizeModel } from '../../src/config/structure-summary.ts'
import { resolveConfig, type Sources } from '../../src/config.ts'
import type { ModelSettings } from '../../src/model-settings.ts'
import { fileOf, problems } from '../support/config-sources.ts'

function models(sources: Partial<Sources>): readonly ModelSettings[] {
  return resolveConfig({ flags: {}, env: {}, file: null, ...sources }).config.models
}

/** Two upstreams, the embedded model, and these models. */
function file(text: string): NonNullable<Sources['file']> {
  return fileOf(
    `model: embedded\nupstreams:\n  - { name: openai, url: http://a }\n  - { name: vllm, url: http://b }\n${text}`,
  )
}

const plain: ModelSettings = {
  id: 'm',
  displayName: null,
  aliases: [],
  targets: [],
  outputTokensMax: null,
  contextTokens: null,
  system: null,
  spillAfterMs: null,
  hedgeAfterMs: null,
}

describe('models of the file', () => {
  it('say everything, in any spelling of the keys', () => {
    const yaml = `
models:
  - id: claude-sonnet
    display_name: Sonnet, here
    aliases: [claude-sonnet-*, sonnet]
    patterns: '*sonnet*'
    targets:
      - { upstream: openai, model: gpt-5, weight: 2, quirks: { output_tokens_max: 8192, streaming: true } }
      - { upstream: vllm }
      - { local: headend-tiny, weight: 0.5 }
    output_tokens_max: 4096
    context_tokens: 200000
    supports_streaming: false
    quirks: { thinking: none, output_tokens_max: 100 }
    system: Be brief.
    spill_after: 2s
    hedge_after: 500ms
`
    const expected: ModelSettings = {
      id: 'claude-sonnet',
      displayName: 'Sonnet, here',
      aliases: ['claude-sonnet-*', 'sonnet', '*sonnet*'],
      targets: [
        {
          kind: 'upstream',
          upstream: 'openai',
          model: 'gpt-5',
          weight: 2,
          quirks: { thinking: 'none', outputTokensMax: 8192, streaming: true },
        },
        {
          kind: 'upstream',
          upstream: 'vllm',
          model: 'claude-sonnet',
          weight: null,
          quirks: { thinking: 'none', outputTokensMax: 100, streaming: false },
        },
        { kind: 'local', model: 'headend-tiny', weight: 0.5 },
      ],
      outputTokensMax: 4096,
      contextTokens: 200_000,
      system: 'Be brief.',
      spillAfterMs: 2000,
      hedgeAfterMs: 500,
    }
    const camel = yaml.replace(/_([a-z])(?=\w*:)/g, (_, letter) => letter.toUpperCase())
    const synonyms = yaml
      .replace('    output_tokens_max: 4096', '    max-tokens: 4096')
      .replace('context_tokens', 'context-window')
    assert.notEqual(synonyms, yaml)
    for (const text of [yaml, camel, synonyms]) assert.deepEqual(models({ file: file(text) }), [expected])
  })

  it('may have one target without a list', () => {
    const text =
      'models:\n  - { id: m, model: x }\n  - { id: n, upstream: vllm }\n  - { id: o, upstream: vllm, model: y }'
    const common = { kind: 'upstream', weight: null, quirks: {} } as const
    assert.deepEqual(models({ file: file(text) }), [
      { ...plain, id: 'm', targets: [{ ...common, upstream: 'openai', model: 'x' }] },
      { ...plain, id: 'n', targets: [{ ...common, upstream: 'vllm', model: 'n' }] },
      { ...plain, id: 'o', targets: [{ ...common, upstream: 'vllm', model: 'y' }] },
    ])
    const local = fileOf('model: tiny=embedded\nmodels: [{ id: m, model: tiny }]')
    assert.deepEqual(models({ file: local }), [{ ...plain, targets: [{ kind: 'local', model: 'tiny', weight: null }] }])
  })

  it('switch spilling and hedging off with 0', () => {
    const [model] = models({ file: file('models: [{ id: m, model: x, spill_after: 0, hedge_after: 0 }]') })
    assert.deepEqual([model?.spillAfterMs, model?.hedgeAfterMs], [0, 0])
  })

  it('may name an upstream of the options, and local models whose ids only their files tell', () => {
    const text = 'model: ./a.gguf\nmodels: [{ id: m, targets: [{ upstream: "c:1" }, { local: a }] }]'
    const [model] = models({ file: fileOf(text), flags: { upstream: 'http://c:1' } })
    assert.deepEqual(
      model?.targets.map((target) => target.kind),
      ['upstream', 'local'],
    )
  })

  it('need no local model', () => {
    const { config } = resolveConfig({
      flags: { upstream: 'http://a' },
      env: {},
      file: fileOf('models: [{ id: m, model: x }]'),
    })
    assert.deepEqual(config.model, [])
  })

  const refused: readonly [string, string, readonly string[]][] = [
    [
      'an upstream that is not there',
      'models:\n  - id: m\n    targets:\n      - { upstream: openia }',
      [
        "headend.yaml:8: models.0.targets.0.upstream: no upstream is named 'openia'; there is openai, vllm (did you mean openai?)",
      ],
    ],
    [
      'a local model that is not there',
      'models:\n  - { id: m, targets: [{ local: x }] }',
      ["headend.yaml:6: models.0.targets.0.local: no local model is named 'x'; there is headend-tiny"],
    ],
    ['a model without id', 'models:\n  - model: x', ['headend.yaml:6: models.0: needs id']],
    [
      'a model without targets',
      'models:\n  - id: m',
      ['headend.yaml:6: models.0: give either targets, or one model and its upstream'],
    ],
    [
      'two ways to name a target',
      'models: [{ id: m, model: x, targets: [{ upstream: vllm }] }]',
      ['headend.yaml:5: models.0: give either targets, or one model and its upstream'],
    ],
    [
      'no target',
      'models: [{ id: m, targets: [] }]',
      ['headend.yaml:5: models.0.targets: expected at least one target'],
    ],
    [
      'a target without a place',
      'models: [{ id: m, targets: [{ model: x }] }]',
      ['headend.yaml:5: models.0.targets.0: needs either upstream or local'],
    ],
    [
      'a target in two places',
      'models: [{ id: m, targets: [{ local: headend-tiny, upstream: vllm }] }]',
      ['headend.yaml:5: models.0.targets.0: needs either upstream or local'],
    ],
    [
      'quirks of a local model',
      'models: [{ id: m, targets: [{ local: headend-tiny, quirks: {} }] }]',
      ['headend.yaml:5: models.0.targets.0: model and quirks are for targets at an upstream'],
    ],
    [
      'a weight of nothing',
      'models: [{ id: m, targets: [{ upstream: vllm, weight: 0 }] }]',
      ['headend.yaml:5: models.0.targets.0.weight: expected a number from 0.001 to 1000, got 0'],
    ],
    [
      'a pattern for an id',
      'models: [{ id: "m*", model: x }]',
      ['headend.yaml:5: models.0.id: an id is one name: patterns belong to aliases'],
    ],
    [
      'one name for two models',
      'models:\n  - { id: m, model: x, aliases: [n] }\n  - { id: n, model: x, aliases: m }',
      [
        'headend.yaml:7: models.1.id: n is a name already (headend.yaml:6: models.0.aliases.0)',
        'headend.yaml:7: models.1.aliases: m is a name already (headend.yaml:6: models.0.id)',
      ],
    ],
    [
      'a key in two words for one thing',
      'models: [{ id: m, model: x, max_tokens: 1, output_tokens_max: 1 }]',
      ['headend.yaml:5: models.0.output_tokens_max: this says the same as max_tokens: give one of them'],
    ],
    [
      'an answer of no tokens',
      'models: [{ id: m, model: x, max_tokens: 0 }]',
      ['headend.yaml:5: models.0.max_tokens: expected an integer from 1 to 1000000000, got 0'],
    ],
    [
      'an unknown key',
      'models: [{ id: m, model: x, alias: y }]',
      ['headend.yaml:5: models.0: unknown key alias (did you mean aliases?)'],
    ],
  ]
  for (const [what, text, lines] of refused) {
    it(`refuse ${what}`, () => assert.deepEqual(problems({ file: file(text) }), lines))
  }

  it('say what to do where there is nothing to name', () => {
    const text = 'models:\n  - { id: m, targets: [{ upstream: a }] }\n  - { id: n, model: headend-tiny }'
    assert.deepEqual(problems({ file: fileOf(text) }), [
      "headend.yaml:2: models.0.targets.0.upstream: no upstream is named 'a'; there is none: name it under upstreams",
      "headend.yaml:3: models.1: no local model is named 'headend-tiny'; there is none: say --model embedded, or another one",
    ])
  })
})

describe('a model map', () => {
  const map = [
    {
      anthropic_id: 'claude-3-5-sonnet-latest',
      sf_model: 'big',
      max_tokens: 4096,
      supports_streaming: true,
      display_name: 'Claude 3.5 Sonnet',
    },
    { anthropic_id: 'claude-3-5-haiku-latest', model: 'small', max_tokens: 1024, supports_streaming: false },
  ]
  const target = { kind: 'upstream', upstream: 'gpu', weight: null } as const
  const expected: readonly ModelSettings[] = [
    {
      ...plain,
      id: 'claude-3-5-sonnet-latest',
      displayName: 'Claude 3.5 Sonnet',
      outputTokensMax: 4096,
      targets: [{ ...target, model: 'big', quirks: { streaming: true } }],
    },
    {
      ...plain,
      id: 'claude-3-5-haiku-latest',
      outputTokensMax: 1024,
      targets: [{ ...target, model: 'small', quirks: { streaming: false } }],
    },
  ]

  it('is a file, or the JSON itself', (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-map-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const path = join(folder, 'models.json')
    writeFileSync(path, JSON.stringify(map, null, 2))
    const flags = { upstream: 'http://gpu' }
    assert.deepEqual(models({ flags: { ...flags, modelMap: path } }), expected)
    assert.deepEqual(models({ flags, env: { HEADEND_MODEL_MAP: JSON.stringify(map) } }), expected)

    writeFileSync(path, '[\n  { "id": "a" }\n]')
    assert.deepEqual(problems({ flags: { ...flags, modelMap: path } }), [
      `${path}:2: 0: give either targets, or one model and its upstream`,
    ])
  })

  it('comes after the models of the file', () => {
    const sources = {
      file: fileOf('models: [{ id: m, model: x }]'),
      flags: { upstream: 'http://gpu', modelMap: '[{"id":"n","model":"y"}]' },
    }
    assert.deepEqual(
      models(sources).map(({ id }) => id),
      ['m', 'n'],
    )
  })

  const refused: readonly [string, string, RegExp][] = [
    [
      'a name of the file',
      '[{"id":"m","model":"x"}]',
      /^--model-map: 0\.id: m is a name already \(headend\.yaml:1: models\.0\.id\)$/,
    ],
    ['broken JSON', '[{"id":', /^--model-map: /],
    ['a file that is not there', './nowhere.json', /^--model-map: cannot read \.\/nowhere\.json: no such file$/],
  ]
  for (const [what, modelMap, expectedLine] of refused) {
    it(`refuses ${what}`, () => {
      const lines = problems({
        file: fileOf('models: [{ id: m, model: x }]'),
        flags: { upstream: 'http://a', modelMap },
      })
      assert.match(lines.join('\n'), expectedLine)
    })
  }
})

it('the default model may be called default in the file', () => {
  const { config, origins } = resolveConfig({ flags: {}, env: {}, file: fileOf('default: headend-tiny') })
  assert.deepEqual([config.defaultModel, origins.defaultModel], ['headend-tiny', 'file'])
  assert.deepEqual(problems({ file: fileOf('default: a\ndefaultModel: b') }), [
    'headend.yaml:2: defaultModel: this says the same as headend.yaml:1: default: give one of them',
  ])
})

it('a model in a few lines, for people', () => {
  const text = `models: [{ id: m, aliases: [n, 'o*'], targets: [{ upstream: vllm, weight: 2, quirks: { images: false } }, { local: headend-tiny }] }]`
  assert.deepEqual(models({ file: file(text) }).map(summarizeModel), [
    { heading: 'model m', lines: ['also n, o*', '1. vllm/m, weight 2; images: false', '2. headend-tiny, local'] },
  ])
})
