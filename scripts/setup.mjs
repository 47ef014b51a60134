// Makes a fresh clone ready: `npm start` and `npm test` run this first, so it has no dependencies and says what it does and why.
// When there is nothing to do it only looks at a few dates and is quiet.

import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Which prebuilt package of the inference engine each platform needs. Those with CUDA or Vulkan come on top where they fit. */
const enginePackages = {
  'darwin-arm64': 'mac-arm64-metal',
  'darwin-x64': 'mac-x64',
  'linux-arm': 'linux-armv7l',
  'linux-arm64': 'linux-arm64',
  'linux-riscv64': 'linux-riscv64',
  'linux-x64': 'linux-x64',
  'win32-arm64': 'win-arm64',
  'win32-x64': 'win-x64',
}

/**
 * No install scripts: nothing here needs one, and the engine's own would try to compile it. Development packages also where
 * NODE_ENV says production, because the build needs the compiler.
 */
const installFlags = ['--include=dev', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error']

/** Why packages must be installed, in words; `null` when they are in place. */
export function installReason(root) {
  const installed = join(root, 'node_modules', '.package-lock.json') // npm writes it last
  if (!existsSync(installed)) return 'node_modules is missing or incomplete'
  const isStale = modifiedMs(join(root, 'package-lock.json')) > modifiedMs(installed)
  return isStale ? 'package-lock.json is newer than node_modules' : null
}

/**
 * A registry that lacks some platforms leaves their optional packages out of a lock file that is written against it, and recent
 * npm refuses such a file with `npm ci`. `npm install --no-save` reads the same versions from it and leaves it as it is.
 */
export function installArguments(lock) {
  return isComplete(lock) ? ['ci', ...installFlags] : ['install', '--no-save', ...installFlags]
}

/** Whether every optional dependency that a package of the lock file names has its own entry. */
export function isComplete(lock) {
  const entries = lock.packages ?? {}
  return Object.entries(entries).every(([place, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).every(
      (name) => `node_modules/${name}` in entries || `${place}/node_modules/${name}` in entries,
    ),
  )
}

/** The engine's package for a platform, or `null` where none is published. */
export function enginePackage(platform, arch) {
  const name = enginePackages[`${platform}-${arch}`]
  return name === undefined ? null : `@node-llama-cpp/${name}`
}

/** `name@version` of the engine's package when it is not there in the version that the engine asks for; else `null`. */
export function missingEngine(root, platform, arch) {
  const name = enginePackage(platform, arch)
  const engine = readJson(join(root, 'node_modules', 'node-llama-cpp', 'package.json'))
  const wanted = name === null ? undefined : engine?.optionalDependencies?.[name]
  if (wanted === undefined) return null
  const found = readJson(join(root, 'node_modules', name, 'package.json'))?.version
  return found === wanted ? null : `${name}@${wanted}`
}

/** Why `dist/` must be built, in words; `null` when it is newer than every source. */
export function buildReason(root) {
  const built = join(root, 'dist', 'src', 'main.js')
  if (!existsSync(built)) return 'dist is missing'
  const sources = [...filesBelow(join(root, 'src')), ...filesBelow(join(root, 'workers'))]
  const settings = ['package.json', 'tsconfig.json', 'tsconfig.build.json'].map((name) => join(root, name))
  const newestMs = Math.max(...[...sources, ...settings].map(modifiedMs))
  return newestMs > modifiedMs(built) ? 'a source is newer than dist' : null
}

function main(root, words) {
  const reason = installReason(root)
  if (reason !== null) {
    const lock = readJson(join(root, 'package-lock.json')) ?? {}
    npm(
      root,
      installArguments(lock),
      `${reason}: installing packages (about 1 GB on Linux x64, half of it GPU engines)`,
    )
  }
  const engine = missingEngine(root, process.platform, process.arch)
  if (engine !== null) {
    npm(
      root,
      ['install', '--no-save', ...installFlags, engine],
      'the engine for this platform is missing: installing it',
    )
  }
  if (enginePackage(process.platform, process.arch) === null) {
    say(`there is no prebuilt engine for ${process.platform}-${process.arch}: only --backend echo will work`)
  }
  const staleness = words.includes('--build') ? buildReason(root) : null
  if (staleness !== null) npm(root, ['run', '--silent', 'build'], `${staleness}: compiling TypeScript`)
}

function npm(root, words, why) {
  say(`${why}\n  npm ${words.join(' ')}`)
  // One command line and a shell, because npm is npm.cmd on Windows. Nothing in it comes from outside this repository.
  const { status } = spawnSync(`npm ${words.join(' ')}`, { cwd: root, shell: true, stdio: 'inherit' })
  if (status === 0) return
  say(`npm ${words[0]} failed; what it said stands above. Mend that and run the same command again`)
  process.exit(1)
}

function say(text) {
  console.error(`headend set-up: ${text}`)
}

function filesBelow(folder) {
  return readdirSync(folder, { recursive: true }).map((name) => join(folder, name))
}

/** A missing file counts as infinitely old. */
function modifiedMs(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

function readJson(path) {
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(dirname(import.meta.dirname), process.argv.slice(2))
}
