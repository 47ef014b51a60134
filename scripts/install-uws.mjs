// Replaces the packaged uWebSockets.js by the official release for the running Node, so that --transport uws works on every Node
// that has one: `node scripts/install-uws.mjs`, or with a tarball of your own (a file or a URL): `node scripts/install-uws.mjs FILE`.
// The new package is fetched and tried apart from the old one, which stays in place until the new one has loaded.

import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

/**
 * Newest first. Releases carry binaries for a few Node versions and need at least glibc 2.`glibcMinor` on Linux.
 * https://github.com/uNetworking/uWebSockets.js/releases
 */
const releases = [
  { version: '20.67.0', nodeMajors: [22, 24, 26], glibcMinor: 38 },
  { version: '20.60.0', nodeMajors: [20, 22, 24, 25], glibcMinor: 38 },
  { version: '20.52.0', nodeMajors: [20, 22, 23, 24], glibcMinor: 33 },
]

/** `glibc` as the system reports it, such as `2.36`; `null` on systems that have none to worry about. @returns a version or `null` */
export function chooseRelease(nodeMajor, glibc) {
  const minor = glibc === null ? Number.POSITIVE_INFINITY : Number(glibc.split('.')[1])
  const fits = releases.find((release) => release.nodeMajors.includes(nodeMajor) && minor >= release.glibcMinor)
  return fits?.version ?? null
}

/** The folder that `import 'uWebSockets.js'` reads from `root`, wherever npm has put it; where none is, the one to be made. */
export function packageFolder(root) {
  const name = 'uWebSockets.js'
  const folders = createRequire(join(root, 'package.json'))
    .resolve.paths(name)
    .map((modules) => join(modules, name))
  return folders.find((folder) => existsSync(folder)) ?? join(root, 'node_modules', name)
}

function main(root, source) {
  const workshop = mkdtempSync(join(tmpdir(), 'headend-uws-'))
  try {
    const tarball = source ?? officialTarball()
    console.log(`Fetching ${tarball}`)
    const fresh = fetchPackage(workshop, tarball)
    tryToLoad(fresh)
    replace(packageFolder(root), fresh)
    console.log('uWebSockets.js is in place; headend --transport auto takes it from the next start')
  } catch (cause) {
    console.error(`uWebSockets.js was not installed: ${cause.message}`)
    console.error('Nothing was changed. headend runs on node:http without it')
    process.exitCode = 1
  } finally {
    rmSync(workshop, { recursive: true, force: true })
  }
}

function officialTarball() {
  const { glibcVersionRuntime } = process.report.getReport().header
  if (process.platform === 'linux' && glibcVersionRuntime === undefined) {
    throw new Error('its releases need glibc, which this Linux does not have (Alpine and others use musl)')
  }
  const glibc = glibcVersionRuntime ?? null
  const version = chooseRelease(Number(process.versions.node.split('.')[0]), glibc)
  if (version === null) {
    const system = glibc === null ? '' : ` and glibc ${glibc}`
    throw new Error(`no release that is known here supports Node ${process.versions.node}${system}`)
  }
  return `https://github.com/uNetworking/uWebSockets.js/archive/refs/tags/v${version}.tar.gz`
}

/** npm unpacks it into an otherwise empty project, so nothing of ours is looked at or touched. */
function fetchPackage(workshop, tarball) {
  const isFile = existsSync(tarball)
  const dependencies = { 'uWebSockets.js': isFile ? `file:${resolve(tarball)}` : tarball }
  writeFileSync(join(workshop, 'package.json'), JSON.stringify({ private: true, dependencies }))
  const { status, stderr } = spawnSync('npm install --ignore-scripts --no-audit --no-fund --loglevel=error', {
    cwd: workshop,
    shell: true,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  if (status !== 0) throw new Error(`npm could not fetch it.\n${stderr.trim()}`)
  return join(workshop, 'node_modules', 'uWebSockets.js')
}

/** In a process of its own: a native module that does not fit may take its process down. */
function tryToLoad(folder) {
  const script = `if (typeof require(${JSON.stringify(folder)}).App !== 'function') throw new Error('it has no App')`
  const { status, stderr } = spawnSync(process.execPath, ['-e', script], { encoding: 'utf8' })
  if (status === 0) return
  const reason = stderr.split('\n').find((line) => /^Error: /.test(line) || /GLIBC/.test(line)) ?? stderr.trim()
  throw new Error(`it does not load here.\n${reason}`)
}

function replace(target, fresh) {
  const old = `${target}.old`
  rmSync(old, { recursive: true, force: true })
  if (existsSync(target)) renameSync(target, old)
  try {
    cpSync(fresh, target, { recursive: true }) // the workshop may lie on another disk, where a rename fails
  } catch (cause) {
    rmSync(target, { recursive: true, force: true })
    if (existsSync(old)) renameSync(old, target)
    throw cause
  }
  rmSync(old, { recursive: true, force: true })
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  main(dirname(import.meta.dirname), process.argv[2])
}
