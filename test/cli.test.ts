import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { parseCommandLine } from '../src/cli.ts'
import { ConfigError } from '../src/config/config-error.ts'
import { flagName, flagOptions, optionNames, options } from '../src/config/options.ts'
import { version } from '../src/version.ts'

const root = dirname(import.meta.dirname)

interface Running {
  readonly process: ChildProcess
  /** Standard output and error so far. */
  readonly output: { text: string; errors: string }
  readonly exit: Promise<number | null>
}

/** Without the HEADEND_ variables of whoever runs the tests. */
function start(test: TestContext, words: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const clean = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HEADEND_')))
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src', 'main.ts'), ...words], {
    cwd: root,
    env: { ...clean, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  test.after(() => child.kill('SIGKILL'))
  const output = { text: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output.text += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output.errors += text
  })
  const exit = once(child, 'close').then(([code]) => code as number | null)
  return { process: child, output, exit }
}

async function run(test: TestContext, words: readonly string[], env?: NodeJS.ProcessEnv) {
  const running = start(test, words, env)
  const code = await running.exit
  return { code, ...running.output }
}

/** The first match in what the process prints; rejects with its output when it ends before. */
async function printed(running: Running, pattern: RegExp): Promise<string> {
  for (;;) {
    const match = pattern.exec(running.output.text)
    if (match !== null) return match[1] ?? match[0]
    const more = once(running.process.stdout as NodeJS.EventEmitter, 'data')
    const ended = running.exit.then((code) => {
      throw new Error(`ended with ${code}: ${running.output.text}${running.output.errors}`)
    })
    await Promise.race([more, ended])
  }
}

function refusal(words: readonly string[]): string {
  try {
    parseCommandLine(words)
  } catch (cause) {
    assert.ok(cause instanceof ConfigError)
    return cause.message
  }
  throw new assert.AssertionError({ message: 'expected a ConfigError' })
}

describe('command line', () => {
  it('serves when no command is named', () => {
    assert.deepEqual(parseCommandLine([]), { kind: 'run', command: 'serve', json: false, flags: {} })
  })

  it('takes options before and after the command', () => {
    assert.deepEqual(parseCommandLine(['--port', '81', 'check', '--json', '--model=a', '--model', 'b']), {
      kind: 'run',
      command: 'check',
      json: true,
      flags: { port: '81', model: ['a', 'b'] },
    })
  })

  it('takes switches without a value', () => {
    const invocation = parseCommandLine(['--strict', 'check'])
    assert.deepEqual(invocation, { kind: 'run', command: 'check', json: false, flags: { strict: true } })
  })

  it('takes a name for a new key', () => {
    assert.deepEqual(parseCommandLine(['key']), { kind: 'key', name: null, json: false })
    const named = parseCommandLine(['key', '--json', 'laptop\nof', ' Ada'])
    assert.deepEqual(named, { kind: 'key', name: 'laptop of Ada', json: true })
  })

  const refused: readonly [readonly string[], string][] = [
    [['--prot', '1'], 'unknown option --prot (did you mean --port?)'],
    [['--lag-level=debug'], 'unknown option --lag-level (did you mean --log-level?)'],
    [['-x'], 'unknown option -x'],
    [
      ['--api-key', 'hd-secret'],
      '--api-key: secrets do not belong on a command line, which others can read; set HEADEND_API_KEY',
    ],
    [['--strict=yes'], '--strict takes no value'],
    [['modles'], 'unknown command modles (did you mean models?)'],
    [['frobnicate'], 'unknown command frobnicate (the commands are serve, check, models, key, replay)'],
    [['check', 'this'], 'unexpected argument this: options begin with --'],
    [['--port'], "option '--port <integer>' argument missing"],
    [['serve', '--json'], '--json belongs to check, models and key'],
    [['replay', 'file', '--json'], '--json belongs to check, models and key'],
    [['replay'], 'replay needs the path of one recording: headend replay <file>'],
    [['replay', 'one', 'two'], 'replay needs the path of one recording: headend replay <file>'],
  ]
  for (const [words, message] of refused) {
    it(`refuses ${words.join(' ')}`, () => assert.equal(refusal(words), message))
  }

  it('helps with every option, its group and its default', () => {
    const invocation = parseCommandLine(['check', '--help'])
    assert.ok(invocation.kind === 'help')
    const words = invocation.text.replace(/\s+/g, ' ')
    for (const name of flagOptions) {
      const flag = `${flagName(name)} ${options[name].placeholder}`.trimEnd()
      assert.ok(words.includes(` ${flag} ${options[name].help} (`), name)
      assert.ok(words.includes(`${options[name].group}: --`), options[name].group)
    }
    assert.ok(words.includes('Port to listen on; 0 takes a free one. (default: 8080)'))
    for (const other of ['--json', '-h, --help', '-v, --version']) assert.ok(words.includes(other), other)
  })
})

describe('headend', () => {
  it('prints help and version on standard output', async (test) => {
    const [help, versionLine] = await Promise.all([run(test, ['--help']), run(test, ['--version'])])
    assert.deepEqual([help.code, help.errors], [0, ''])
    assert.match(help.text, /^Usage: headend/)
    assert.deepEqual(versionLine, { code: 0, text: `${version}\n`, errors: '' })
  })

  it('refuses in one line per problem, without a stack', async (test) => {
    const { code, text, errors } = await run(test, ['--port', 'x'], { HEADEND_QUEU: '1' })
    assert.deepEqual(
      { code, text, errors },
      {
        code: 1,
        text: '',
        errors:
          'headend: unknown environment variable HEADEND_QUEU (did you mean HEADEND_QUEUE?)\n' +
          'headend: --port: expected an integer from 0 to 65535, got "x"\n',
      },
    )
  })

  it('checks: every option, its value and its origin', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-cli-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'headend.json')
    writeFileSync(file, '{"slots": 2, "port": 1}')
    const specs = ['embedded', 'hf:user/repo:Q4_K_M']
    const words = ['check', '--port', '81', ...specs.flatMap((spec) => ['--model', spec]), '--cache-dir', folder]
    const env = { HEADEND_CONFIG: file, HEADEND_QUEUE: '7' }
    const [plain, json] = await Promise.all([run(test, words, env), run(test, [...words, '--json'], env)])
    assert.deepEqual([plain.code, plain.errors, json.code, json.errors], [0, '', 0, ''])
    for (const row of [
      /^port +81 +flag$/m,
      /^queue +7 +environment$/m,
      /^slots +2 +file$/m,
      /^threads +- +default$/m,
    ]) {
      assert.match(plain.text, row)
    }
    const { config, origins, models } = JSON.parse(json.text)
    assert.deepEqual(Object.keys(config), optionNames)
    assert.deepEqual([config.port, config.model, origins.slots, origins.host], [81, specs, 'file', 'default'])
    assert.match(plain.text, /^headend-tiny\n {2}workers 1: /m)
    assert.match(models[1].reasons[0], /not downloaded yet/)
  })

  it('checks a model that is not there', async (test) => {
    const { code, errors } = await run(test, ['check', '--model', './nowhere.gguf'])
    assert.equal(code, 1)
    assert.match(errors, /^headend: No model file at .*nowhere\.gguf/)
  })

  it('makes keys that its server then asks for, and shows them nowhere else', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-cli-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const [plain, json] = await Promise.all([run(test, ['key']), run(test, ['key', 'laptop', '--json'])])
    assert.match(plain.text, /^ {2}hd-[\w-]{43}$[\s\S]*^ {2}sha256:[0-9a-f]{64}$/m)
    const { key, line } = JSON.parse(json.text)
    assert.match(line, /^sha256:[0-9a-f]{64} laptop$/)
    const file = join(folder, 'keys')
    writeFileSync(file, `# who may ask\n${line}\nplain-key of Bob\n`)

    const other = 'hd-from-the-environment'
    const words = [
      '--backend',
      'echo',
      '--host',
      '0.0.0.0',
      '--port',
      '0',
      '--log-format',
      'json',
      '--api-key-file',
      file,
    ]
    const env = { HEADEND_API_KEY: other }
    const server = start(test, words, env)
    const port = await printed(server, /Listening on http:\/\/localhost:(\d+)/)
    const ask = async (credential: string | null) => {
      const headers: Record<string, string> = credential === null ? {} : { authorization: `Bearer ${credential}` }
      return (await fetch(`http://127.0.0.1:${port}/v1/models`, { headers })).status
    }
    assert.deepEqual(
      await Promise.all([key, other, 'plain-key', line, 'x', null].map(ask)),
      [200, 200, 200, 401, 401, 401],
    )
    server.process.kill('SIGTERM')
    await server.exit
    const log = server.output.text + server.output.errors
    assert.match(log, /"key":"laptop"/)
    assert.match(log, /keys, line 3: keys as plain text/)
    const checks = await Promise.all([
      run(test, ['check', ...words], env),
      run(test, ['check', '--json', ...words], env),
    ])
    assert.match(checks[0].text, /^apiKey +\(hidden\) +environment$/m)
    for (const text of [log, ...checks.map(({ text }) => text)]) {
      for (const secret of [key, other, 'plain-key']) {
        assert.equal(text.includes(secret), false)
        assert.equal(text.includes(createHash('sha256').update(secret).digest('hex')), false)
      }
    }
  })

  it('refuses a file of keys that it cannot use, without repeating what it says', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-cli-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const file = join(folder, 'keys')
    writeFileSync(file, 'sha256:abc\n')
    for (const command of ['serve', 'check']) {
      const { code, errors } = await run(test, [command, '--backend', 'echo', '--port', '0', '--api-key-file', file])
      assert.equal(code, 1)
      const expected = 'expected sha256: and 64 hexadecimal digits; `headend key` writes such a line'
      assert.equal(errors, `headend: ${file}:1: ${expected}\n`)
    }
  })

  it('lists the models that are on this machine', async (test) => {
    const folder = mkdtempSync(join(tmpdir(), 'headend-cli-'))
    test.after(() => rmSync(folder, { recursive: true }))
    const words = ['models', '--cache-dir', folder]
    const [plain, json] = await Promise.all([run(test, words), run(test, [...words, '--json'])])
    assert.deepEqual([plain.code, plain.errors, json.code, json.errors], [0, '', 0, ''])
    assert.match(plain.text, /^headend-tiny +5 MB +embedded +\S+headend-tiny\.gguf$/m)
    assert.match(plain.text, /^Configured: embedded$/m)
    const { models, configured } = JSON.parse(json.text)
    assert.deepEqual(
      [models.length, models[0].id, models[0].bytes, configured],
      [1, 'headend-tiny', 4_710_208, ['embedded']],
    )
  })

  it('says in one line that its port is taken', async (test) => {
    const other = createServer().listen(0, '127.0.0.1')
    test.after(() => other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    const { code, errors } = await run(test, ['--backend', 'echo', '--port', String(port)])
    assert.equal(code, 1)
    assert.match(errors, new RegExp(`^headend: .*${port}.*\\n$`))
  })
})

describe('signals', { skip: process.platform === 'win32' && 'Windows cannot send them to another process' }, () => {
  const words = ['--backend', 'echo', '--port', '0', '--log-format', 'json']

  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    it(`ends with 0 after ${signal} when nothing runs`, async (test) => {
      const server = start(test, words)
      await printed(server, /Listening on http:\/\/127\.0\.0\.1:\d+/)
      server.process.kill(signal)
      assert.equal(await server.exit, 0)
      assert.equal(server.output.errors, '')
    })
  }

  for (const [signal, code] of [
    ['SIGTERM', 143],
    ['SIGINT', 130],
  ] as const) {
    it(`ends at once with ${code} after a second signal, ${signal}`, async (test) => {
      const server = start(test, words)
      const port = Number(await printed(server, /Listening on http:\/\/127\.0\.0\.1:(\d+)/))
      const client = connect(port, '127.0.0.1')
      client.on('error', () => {}) // the server cuts it off
      // A request whose body never comes keeps a polite end waiting; the answer to `expect` shows that it has begun.
      client.write('POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 9\r\nexpect: 100-continue\r\n\r\n')
      await once(client, 'data')
      server.process.kill('SIGTERM')
      await printed(server, /SIGTERM: no new requests/)
      server.process.kill(signal)
      assert.equal(await server.exit, code)
    })
  }

  it('prints the banner for people where the log is for people', async (test) => {
    const server = start(test, ['--backend', 'echo', '--port', '0', '--log-format', 'pretty'])
    await printed(server, new RegExp(`headend ${version.replaceAll('.', '\\.')} on .*\\n(.*\\n)*.*curl http://127`))
    server.process.kill('SIGTERM')
    assert.equal(await server.exit, 0)
  })
})
