import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readConfigFile } from '../src/config/config-file.ts'
import { environmentName, flagName, type OptionName, optionNames, options } from '../src/config/options.ts'
import { type Config, configPath, redacted, resolveConfig, type Sources } from '../src/config.ts'
import { fileOf as file, problems } from './support/config-sources.ts'

function resolve(sources: Partial<Sources>): ReturnType<typeof resolveConfig> {
  return resolveConfig({ flags: {}, env: {}, file: null, ...sources })
}

describe('names', () => {
  it('derives the flag and the variable from the name in the file', () => {
    assert.equal(flagName('queueTimeoutMs'), '--queue-timeout-ms')
    assert.equal(environmentName('queueTimeoutMs'), 'HEADEND_QUEUE_TIMEOUT_MS')
  })
})

describe('defaults', () => {
  it('are what the documents promise', () => {
    const { config, origins } = resolve({})
    const promised: Partial<Config> = {
      host: '127.0.0.1',
      port: 8080,
      transport: 'auto',
      config: null,
      pathPrefix: [],
      model: ['embedded'],
      workers: null,
      gpuLayers: null,
      sessionConcurrency: 4,
      queueTimeoutMs: 300_000,
      bodyBytesMax: 33_554_432,
      bodiesBytesMax: 268_435_456,
      trustedProxy: [],
      logFormat: 'auto',
      strict: false,
      allowAnonymous: false,
      modelAlias: [],
      corsOrigin: [],
      upstream: null,
      upstreamProtocol: 'openai',
      upstreamConcurrency: 0,
      upstreamFirstByteTimeoutMs: null,
      upstreamIdleTimeoutMs: 300_000,
      upstreamTotalTimeoutMs: 0,
      upstreamRetries: 2,
      spillAfterMs: 0,
      hedgeAfterMs: 0,
      recordSample: 0,
      upstreams: [],
      models: [],
    }
    for (const [name, value] of Object.entries(promised)) assert.deepEqual(config[name as keyof Config], value, name)
    assert.deepEqual(new Set(Object.values(origins)), new Set(['default']))
  })

  it('pass the checks of their own options', () => {
    for (const name of optionNames) {
      const value: unknown = options[name].fallback({})
      if (value !== null) assert.deepEqual(options[name].parse(value), value, name)
    }
  })

  it('put the cache where the system wants it', { skip: process.platform !== 'linux' && 'XDG is for Linux' }, () => {
    assert.equal(resolve({ env: { XDG_CACHE_HOME: '/xdg' } }).config.cacheDir, '/xdg/headend/models')
  })
})

describe('precedence', () => {
  it('is flags, environment, file, defaults', () => {
    const { config, origins } = resolve({
      flags: { port: '1' },
      env: { HEADEND_PORT: '2', HEADEND_QUEUE: '2' },
      file: file('port: 3\nqueue: 3\nslots: 3\n'),
    })
    assert.deepEqual([config.port, config.queue, config.slots, config.threads], [1, 2, 3, null])
    assert.deepEqual(
      [origins.port, origins.queue, origins.slots, origins.threads],
      ['flag', 'environment', 'file', 'default'],
    )
  })

  it('replaces lists and does not add to them', () => {
    const sources = { env: { HEADEND_MODEL: 'b, c' }, file: file('model: [a]') }
    assert.deepEqual(resolve(sources).config.model, ['b', 'c'])
    assert.deepEqual(resolve({ ...sources, flags: { model: ['d'] } }).config.model, ['d'])
  })

  it('checks a value that loses', () => {
    assert.match(problems({ flags: { port: '1' }, file: file('port: none') })[0] ?? '', /^headend\.yaml:1: port: /)
  })

  it('takes an empty variable for one that is not set', () => {
    assert.equal(resolve({ env: { HEADEND_PORT: '' } }).origins.port, 'default')
  })

  it('finds the config file by flag first', () => {
    assert.equal(configPath({ flags: { config: 'a.yaml' }, env: { HEADEND_CONFIG: 'b.yaml' } }), 'a.yaml')
    assert.equal(configPath({ flags: {}, env: { HEADEND_CONFIG: 'b.yaml' } }), 'b.yaml')
    assert.equal(configPath({ flags: {}, env: {} }), null)
  })
})

describe('values', () => {
  const accepted: readonly [OptionName, unknown, unknown][] = [
    ['queueTimeoutMs', '250', 250],
    ['queueTimeoutMs', '10s', 10_000],
    ['queueTimeoutMs', '1.5s', 1500],
    ['queueTimeoutMs', '2 m', 120_000],
    ['queueTimeoutMs', '1h', 3_600_000],
    ['bodyBytesMax', '65536', 65_536],
    ['bodyBytesMax', '64KiB', 65_536],
    ['bodyBytesMax', '1mb', 1_000_000],
    ['bodyBytesMax', '32MiB', 33_554_432],
    ['workers', 'auto', null],
    ['workers', '3', 3],
    ['gpuLayers', 'max', 'max'],
    ['gpuLayers', '0', 0],
    ['pathPrefix', ['/anthropic/', '/a/b'], ['/anthropic', '/a/b']],
    ['trustedProxy', ['10.0.0.0/8', '::1', 'fd00::/8'], ['10.0.0.0/8', '::1/128', 'fd00::/8']],
    ['strict', 'true', true],
    ['strict', '0', false],
    ['allowedHost', ['Models.Example.com', 'fd00::1', '[::2]'], ['models.example.com', '[fd00::1]', '[::2]']],
    ['corsOrigin', ['https://App.example.com/', 'app://x', '*'], ['https://app.example.com', 'app://x', '*']],
    ['modelAlias', ['fast = org/m', 'gpt-*=b'], ['fast=org/m', 'gpt-*=b']],
  ]
  for (const [name, input, value] of accepted) {
    it(`${flagName(name)} ${JSON.stringify(input)} is ${JSON.stringify(value)}`, () => {
      assert.deepEqual(resolve({ flags: { [name]: input } }).config[name], value)
    })
  }

  const refused: readonly [OptionName, unknown, RegExp][] = [
    ['port', '65536', /expected an integer from 0 to 65535, got "65536"/],
    ['port', '-1', /got "-1"/],
    ['port', '80.5', /got "80\.5"/],
    ['port', '0x50', /got "0x50"/],
    ['slots', '0', /auto or an integer from 1 to 256/],
    ['gpuLayers', 'all', /auto, max or an integer/],
    ['queueTimeoutMs', '10 parsecs', /such as 250, 10s, 5m or 1h, got "10 parsecs"/],
    ['queueTimeoutMs', '30d', /got "30d"/],
    ['queueTimeoutMs', '600h', /got "600h"/], // setTimeout would fire at once
    ['queueTimeoutMs', '0.3ms', /got "0\.3ms"/],
    ['bodyBytesMax', '1', /bytes from 1KiB to 511MiB/],
    ['transport', 'uvs', /expected one of auto, uws, node, got "uvs" \(did you mean uws\?\)/],
    ['pathPrefix', ['anthropic'], /a path such as \/anthropic, got "anthropic"/],
    ['pathPrefix', ['/'], /got "\/"/],
    ['trustedProxy', ['10.0.0.0/33'], /an address range/],
    ['trustedProxy', ['10.0.0/8'], /an address range/],
    ['host', ' ', /a text that is not empty/],
    ['strict', 'yes', /expected true or false, got "yes"/],
    ['allowedHost', ['models.example.com:8080'], /a name or an address without a port.*got "models/],
    ['allowedHost', ['https://models.example.com'], /got "https:/],
    ['corsOrigin', ['app.example.com'], /\* or an origin such as https:\/\/app\.example\.com, got "app/],
    ['corsOrigin', ['https://app.example.com/path'], /got "https:/],
    ['modelAlias', ['fast'], /NAME=ID.*got "fast"/],
    ['modelAlias', ['=id'], /got "=id"/],
  ]
  for (const [name, input, expected] of refused) {
    it(`${flagName(name)} ${JSON.stringify(input)} is refused`, () => {
      const [line = '', ...others] = problems({ flags: { [name]: input } })
      assert.ok(line.startsWith(`${flagName(name)}: expected `), line)
      assert.match(line, expected)
      assert.equal(others.length, 0)
    })
  }

  it('refuses secrets without repeating them', () => {
    assert.deepEqual(problems({ env: { HEADEND_API_KEY: 'a, sha256:secret' } }), [
      'HEADEND_API_KEY: expected sha256: to be followed by 64 hexadecimal digits',
    ])
    assert.deepEqual(problems({ file: file('apiKey: [{ secret: 1 }]') }), [
      'headend.yaml:1: apiKey: expected a key, or sha256: and its hash',
    ])
    assert.deepEqual(problems({ flags: { apiKey: ['secret'] } }), [
      '--api-key: secrets do not belong on a command line, which others can read; set HEADEND_API_KEY',
    ])
  })

  it('keeps only hashes of keys, and shows not even those', () => {
    const { config } = resolve({ env: { HEADEND_API_KEY: 'one, two' } })
    assert.match(config.apiKey.join(' '), /^sha256:[0-9a-f]{64} sha256:[0-9a-f]{64}$/)
    assert.deepEqual(redacted(config), { ...config, apiKey: ['(hidden)', '(hidden)'] })
  })

  it('asks for keys where other machines can connect', () => {
    const [line = '', ...others] = problems({ flags: { host: '0.0.0.0' } })
    assert.match(
      line,
      /^--host 0\.0\.0\.0: without API keys .* --api-key-file or HEADEND_API_KEY .* --allow-anonymous$/,
    )
    assert.equal(others.length, 0)
    for (const host of ['::', '192.168.1.5', 'example.com', '127.example.com']) problems({ flags: { host } })
    for (const host of ['localhost', '127.0.0.2', '::1']) resolve({ flags: { host } })
    resolve({ flags: { host: '0.0.0.0', allowAnonymous: true } })
    resolve({ flags: { host: '0.0.0.0', apiKeyFile: 'keys' } })
    resolve({ flags: { host: '0.0.0.0' }, env: { HEADEND_API_KEY: 'one' } })
  })

  it('refuses values that contradict each other', () => {
    assert.deepEqual(problems({ flags: { tlsCert: 'c.pem' } }), ['--tls-cert needs --tls-key, too'])
    assert.deepEqual(problems({ flags: { tlsKey: 'k.pem' } }), ['--tls-key needs --tls-cert, too'])
    assert.match(
      problems({ flags: { bodyBytesMax: '300MiB' } })[0] ?? '',
      /^--bodies-bytes-max .* below --body-bytes-max/,
    )
    assert.match(problems({ file: file('model: []') })[0] ?? '', /at least one model/)
  })
})

describe('unknown names', () => {
  it('are refused with the nearest one', () => {
    assert.deepEqual(problems({ flags: { prot: '1' } }), ['unknown option --prot (did you mean --port?)'])
    assert.deepEqual(problems({ env: { HEADEND_QUEUE_TIMEOUT: '1' } }), [
      'unknown environment variable HEADEND_QUEUE_TIMEOUT (did you mean HEADEND_QUEUE_TIMEOUT_MS?)',
    ])
    assert.deepEqual(problems({ file: file('\nqueue-timeout-ms: 1') }), [
      'headend.yaml:2: unknown option queue-timeout-ms (did you mean queueTimeoutMs?)',
    ])
  })

  it('get no wild guess', () => {
    assert.deepEqual(problems({ flags: { frobnicate: '1' } }), ['unknown option --frobnicate'])
  })

  it('are not taken from an object’s own methods', () => {
    assert.deepEqual(problems({ file: file('constructor: 1') }), ['headend.yaml:1: unknown option constructor'])
  })

  it('leave other programs’ variables alone', () => {
    assert.equal(resolve({ env: { PORT: 'x', HEADENDLESS: '1' } }).config.port, 8080)
  })

  it('are reported all together', () => {
    assert.equal(problems({ flags: { prot: '1', port: 'x' }, file: file('a: 1\nslots: 0') }).length, 4)
  })
})

describe('config file', () => {
  it('may be YAML or JSON, with native values', () => {
    const expected = { port: 9000, model: ['a', 'b'], workers: null, queueTimeoutMs: 10_000 }
    const yaml = '# mine\nport: 9000\nmodel:\n  - a\n  - b\nworkers: auto\nqueueTimeoutMs: 10s\n'
    for (const text of [yaml, JSON.stringify(expected)]) {
      const { config } = resolve({ file: file(text) })
      const { port, model, workers, queueTimeoutMs } = config
      assert.deepEqual({ port, model, workers, queueTimeoutMs }, expected)
    }
  })

  it('takes one value for a list of one', () => {
    assert.deepEqual(resolve({ file: file('model: a.gguf') }).config.model, ['a.gguf'])
  })

  it('may be empty', () => {
    assert.equal(resolve({ file: file('# nothing yet\n') }).config.port, 8080)
  })

  const refused: readonly [string, string, RegExp][] = [
    ['a bad value', 'host: a\n\nport: eighty\n', /^headend\.yaml:3: port: expected an integer/],
    ['a key given twice', 'port: 1\nport: 2\n', /^headend\.yaml:2: .*unique/],
    ['broken YAML', 'host: a\nmodel: [b\n', /^headend\.yaml:\d+: /],
    ['broken JSON', '{"port": 1,\n "host": "a}', /^headend\.yaml:\d+: /],
    ['a list at the top', '- port\n', /^headend\.yaml:1: expected options/],
    ['a mapping for a value', 'port:\n  a: 1\n', /^headend\.yaml:1: port: expected an integer .*got \{"a":1\}/],
    ['a list for a single value', 'port: [1]\n', /^headend\.yaml:1: port: /],
    ['a number for a text', 'host: 3\n', /^headend\.yaml:1: host: expected a text/],
    ['a file that names another', 'config: b.yaml\n', /^headend\.yaml:1: config: /],
  ]
  for (const [what, text, expected] of refused) {
    it(`refuses ${what} with file and line`, () => assert.match(problems({ file: file(text) })[0] ?? '', expected))
  }

  it('says why it cannot be read', (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-config-'))
    test.after(() => rmSync(folder, { recursive: true }))
    assert.throws(() => readConfigFile(join(folder, 'none.yaml')), /--config: cannot read .*none\.yaml: no such file/)
    assert.throws(() => readConfigFile(folder), /it is a folder/)
    writeFileSync(join(folder, 'a.yaml'), 'port: 1')
    assert.equal(readConfigFile(join(folder, 'a.yaml')).text, 'port: 1')
  })
})
