import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, it, type TestContext } from 'node:test'

const root = dirname(import.meta.dirname)

interface Lock {
  readonly packages?: Readonly<Record<string, { readonly optionalDependencies?: Readonly<Record<string, string>> }>>
}

interface Setup {
  installReason(root: string): string | null
  installArguments(lock: Lock): readonly string[]
  enginePackage(platform: string, arch: string): string | null
  missingEngine(root: string, platform: string, arch: string): string | null
  buildReason(root: string): string | null
}

interface InstallUws {
  chooseRelease(nodeMajor: number, glibc: string | null): string | null
  packageFolder(root: string): string
}

const setup: Setup = await import(new URL('../scripts/setup.mjs', import.meta.url).href)
const installUws: InstallUws = await import(new URL('../scripts/install-uws.mjs', import.meta.url).href)

/** A folder with these files, by path; what is no text is written as JSON. */
function project(test: TestContext, files: Readonly<Record<string, unknown>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'headend-setup-'))
  test.after(() => rmSync(folder, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, name)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  }
  return folder
}

function age(root: string, name: string, seconds: number): void {
  utimesSync(join(root, name), seconds, seconds)
}

describe('what to install', () => {
  it('is everything when node_modules is missing, or was not finished', (test) => {
    const empty = project(test, { 'package-lock.json': {} })
    assert.match(setup.installReason(empty) ?? '', /missing/)
    const unfinished = project(test, { 'package-lock.json': {}, 'node_modules/pino/package.json': {} })
    assert.match(setup.installReason(unfinished) ?? '', /incomplete/)
  })

  it('depends on which is newer, the lock file or node_modules', (test) => {
    const folder = project(test, { 'package-lock.json': {}, 'node_modules/.package-lock.json': {} })
    age(folder, 'node_modules/.package-lock.json', 2000)
    age(folder, 'package-lock.json', 1000)
    assert.equal(setup.installReason(folder), null)
    age(folder, 'package-lock.json', 3000)
    assert.match(setup.installReason(folder) ?? '', /newer/)
  })

  it('is what the lock file says, by the command that accepts it', () => {
    const parent = { optionalDependencies: { '@engine/linux': '1.0.0', '@engine/mac': '1.0.0' } }
    const whole: Lock = {
      packages: {
        '': {},
        'node_modules/engine': parent,
        'node_modules/@engine/linux': {},
        'node_modules/@engine/mac': {},
      },
    }
    const partial: Lock = { packages: { '': {}, 'node_modules/engine': parent, 'node_modules/@engine/linux': {} } }
    const nested: Lock = {
      packages: {
        'node_modules/engine': { optionalDependencies: { '@engine/mac': '1.0.0' } },
        'node_modules/engine/node_modules/@engine/mac': {},
      },
    }
    assert.equal(setup.installArguments(whole)[0], 'ci')
    assert.equal(setup.installArguments(nested)[0], 'ci')
    assert.deepEqual(setup.installArguments(partial).slice(0, 2), ['install', '--no-save'])
  })
})

describe('the engine of this platform', () => {
  it('has a package for every platform that the engine itself lists', () => {
    const engine = JSON.parse(readFileSync(join(root, 'node_modules/node-llama-cpp/package.json'), 'utf8'))
    const published = Object.keys(engine.optionalDependencies).filter((name) => !/-(cuda|cuda-ext|vulkan)$/.test(name))
    const platforms = ['darwin', 'linux', 'win32'].flatMap((platform) =>
      ['arm', 'arm64', 'riscv64', 'x64'].map((arch) => setup.enginePackage(platform, arch)),
    )
    assert.deepEqual(platforms.filter((name) => name !== null).sort(), published.sort())
    assert.equal(setup.enginePackage('aix', 'ppc64'), null)
  })

  it('is asked for by the exact version that the engine wants', (test) => {
    const engine = { optionalDependencies: { '@node-llama-cpp/mac-x64': '3.22.1' } }
    const without = project(test, { 'node_modules/node-llama-cpp/package.json': engine })
    assert.equal(setup.missingEngine(without, 'darwin', 'x64'), '@node-llama-cpp/mac-x64@3.22.1')
    const binary = 'node_modules/@node-llama-cpp/mac-x64/package.json'
    const old = project(test, { 'node_modules/node-llama-cpp/package.json': engine, [binary]: { version: '3.0.0' } })
    assert.equal(setup.missingEngine(old, 'darwin', 'x64'), '@node-llama-cpp/mac-x64@3.22.1')
    const good = project(test, { 'node_modules/node-llama-cpp/package.json': engine, [binary]: { version: '3.22.1' } })
    assert.equal(setup.missingEngine(good, 'darwin', 'x64'), null)
    assert.equal(setup.missingEngine(good, 'aix', 'ppc64'), null)
  })

  it('is installed, without touching the lock file, where it is missing', async (test) => {
    const version = '3.22.1'
    const engine = setup.enginePackage(process.platform, process.arch)
    if (engine === null) return test.skip(`no engine is published for ${process.platform}-${process.arch}`)
    const probe = spawnSync(`npm view ${engine}@${version} version --fetch-retries=0 --fetch-timeout=5000`, {
      shell: true,
      encoding: 'utf8',
    })
    if (probe.stdout.trim() !== version) return test.skip('the registry does not answer, or does not have this package')

    const lock = { name: 'fixture', lockfileVersion: 3, packages: { '': { name: 'fixture' } } }
    const folder = project(test, {
      'package.json': { name: 'fixture', private: true },
      'package-lock.json': lock,
      'node_modules/node-llama-cpp/package.json': { optionalDependencies: { [engine]: version } },
      'node_modules/.package-lock.json': lock,
    })
    cpSync(join(root, 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts', 'setup.mjs')], { encoding: 'utf8' })
    assert.equal(status, 0, stderr)
    assert.match(stderr, /the engine for this platform is missing: installing it/)
    assert.equal(
      JSON.parse(readFileSync(join(folder, 'node_modules', engine, 'package.json'), 'utf8')).version,
      version,
    )
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')), lock)
  })
})

describe('the build', () => {
  const sources = { 'src/main.ts': '', 'workers/main.ts': '', 'package.json': {}, 'dist/src/main.js': '' }

  it('is due when dist is missing or older than a source', (test) => {
    const folder = project(test, sources)
    for (const name of Object.keys(sources)) age(folder, name, 1000)
    for (const name of ['src', 'workers']) age(folder, name, 1000) // a folder is newer when a file in it came or went
    age(folder, 'dist/src/main.js', 2000)
    assert.equal(setup.buildReason(folder), null)
    age(folder, 'workers/main.ts', 3000)
    assert.match(setup.buildReason(folder) ?? '', /newer/)
    rmSync(join(folder, 'dist'), { recursive: true })
    assert.match(setup.buildReason(folder) ?? '', /missing/)
  })
})

describe('set-up that is done', () => {
  it('is silent', (test) => {
    const folder = project(test, { 'package-lock.json': {}, 'node_modules/.package-lock.json': {} })
    cpSync(join(root, 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
    age(folder, 'package-lock.json', 1000)
    const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, 'scripts', 'setup.mjs')], {
      encoding: 'utf8',
    })
    assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '' })
  })

  it('stops with npm when npm fails', (test) => {
    const folder = project(test, { 'package.json': 'not JSON', 'package-lock.json': {} })
    cpSync(join(root, 'scripts', 'setup.mjs'), join(folder, 'scripts', 'setup.mjs'))
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'scripts', 'setup.mjs')], { encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /npm ci failed; what it said stands above/)
  })
})

describe('bin/headend.cjs', () => {
  it('sets the size of the thread pool before anything uses it', {
    skip: process.platform !== 'linux' && 'counts threads in /proc',
  }, (test) => {
    const folder = project(test, {
      'package.json': { type: 'module' },
      'dist/src/main.js': `
        import { readdirSync, stat } from 'node:fs'
        stat('.', () => console.log(process.env.UV_THREADPOOL_SIZE, readdirSync('/proc/self/task').length))`,
    })
    cpSync(join(root, 'bin', 'headend.cjs'), join(folder, 'bin', 'headend.cjs'))
    const count = (size: string | undefined): readonly number[] => {
      const { UV_THREADPOOL_SIZE: _, ...env } = process.env
      const { stdout } = spawnSync(process.execPath, [join(folder, 'bin', 'headend.cjs')], {
        encoding: 'utf8',
        env: size === undefined ? env : { ...env, UV_THREADPOOL_SIZE: size },
      })
      return stdout.trim().split(' ').map(Number)
    }
    const [size, threads = 0] = count(undefined)
    assert.equal(size, 132)
    assert.ok(threads > 132, `${threads} threads`)
    const [givenSize, fewThreads = 0] = count('6')
    assert.equal(givenSize, 6)
    assert.ok(fewThreads < 132, `${fewThreads} threads`)
  })

  it('says what to type when it is not built', (test) => {
    const folder = project(test, {})
    cpSync(join(root, 'bin', 'headend.cjs'), join(folder, 'bin', 'headend.cjs'))
    const { status, stderr } = spawnSync(process.execPath, [join(folder, 'bin', 'headend.cjs')], { encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /^headend is not built yet: type npm start/)
  })

  it('names the Node version that it needs', (test) => {
    const folder = project(test, {
      'old.cjs': `Object.defineProperty(process, 'versions', { value: { node: '20.18.0' } })`,
    })
    cpSync(join(root, 'bin', 'headend.cjs'), join(folder, 'bin', 'headend.cjs'))
    const words = ['--require', join(folder, 'old.cjs'), join(folder, 'bin', 'headend.cjs')]
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8' })
    assert.deepEqual(
      { status, stderr },
      { status: 1, stderr: 'headend needs Node 20.18.1 or newer; this is Node 20.18.0\n' },
    )
  })
})

describe('scripts/install-uws.mjs', () => {
  const releases: readonly [number, string | null, string | null][] = [
    [26, null, '20.67.0'],
    [24, '2.39', '20.67.0'],
    [24, '2.36', '20.52.0'], // an older release for an older system
    [22, '2.31', null],
    [25, '2.40', '20.60.0'],
    [20, '2.39', '20.60.0'],
    [19, null, null],
  ]
  for (const [nodeMajor, glibc, version] of releases) {
    it(`takes ${version} for Node ${nodeMajor} and glibc ${glibc}`, () => {
      assert.equal(installUws.chooseRelease(nodeMajor, glibc), version)
    })
  }

  const installed = 'node_modules/uWebSockets.js/package.json'

  it('finds the package of a global or nested install', (test) => {
    const folder = project(test, { [installed]: {}, 'node_modules/headend/package.json': {} })
    assert.equal(installUws.packageFolder(join(folder, 'node_modules/headend')), join(folder, dirname(installed)))
    const empty = project(test, {})
    assert.equal(installUws.packageFolder(empty), join(empty, dirname(installed)))
  })

  /** Runs a copy of the script in a project of its own, on the tarball of a package with this code. */
  function install(test: TestContext, code: string): { folder: string; status: number | null; stderr: string } {
    const folder = project(test, { 'package.json': {}, [installed]: { version: '1.0.0' } })
    cpSync(join(root, 'scripts', 'install-uws.mjs'), join(folder, 'scripts', 'install-uws.mjs'))
    const source = project(test, { 'package.json': { name: 'uWebSockets.js', version: '2.0.0' }, 'index.js': code })
    spawnSync(`npm pack --silent --pack-destination "${folder}"`, { cwd: source, shell: true })
    const script = join(folder, 'scripts', 'install-uws.mjs')
    const tarball = join(folder, 'uWebSockets.js-2.0.0.tgz')
    const { status, stderr } = spawnSync(process.execPath, [script, tarball], { encoding: 'utf8' })
    return { folder, status, stderr }
  }

  function version(folder: string): string {
    return JSON.parse(readFileSync(join(folder, installed), 'utf8')).version
  }

  it('replaces the package by one that loads', (test) => {
    const { folder, status, stderr } = install(test, 'exports.App = () => {}')
    assert.equal(status, 0, stderr)
    assert.equal(version(folder), '2.0.0')
    assert.ok(!existsSync(join(folder, 'node_modules/uWebSockets.js.old')))
  })

  it('leaves the old package alone when the new one does not load', (test) => {
    const { folder, status, stderr } = install(test, `throw new Error("version 'GLIBC_2.38' not found")`)
    assert.equal(status, 1)
    assert.match(
      stderr,
      /^uWebSockets\.js was not installed: it does not load here\.\n.*GLIBC_2\.38.*\nNothing was changed/,
    )
    assert.equal(version(folder), '1.0.0')
  })

  it('leaves the old package alone when the new one cannot be fetched', (test) => {
    const folder = project(test, { 'package.json': {}, [installed]: { version: '1.0.0' } })
    cpSync(join(root, 'scripts', 'install-uws.mjs'), join(folder, 'scripts', 'install-uws.mjs'))
    const words = [join(folder, 'scripts', 'install-uws.mjs'), 'http://127.0.0.1:9/none.tgz']
    const env = { ...process.env, npm_config_fetch_retries: '0' }
    const { status, stderr } = spawnSync(process.execPath, words, { encoding: 'utf8', env })
    assert.equal(status, 1)
    assert.match(stderr, /^uWebSockets\.js was not installed: npm could not fetch it/)
    assert.equal(version(folder), '1.0.0')
  })
})
