// A registry that does not serve every platform's optional packages makes `npm install` leave them out of the lock file, and recent
// npm then refuses `npm ci` on every platform. This writes the missing entries: name and version, which are certain, and the platform,
// which these packages have in their names. They carry no integrity hash; `npm install` against a complete registry adds it.
// Run it after `npm install` has changed package-lock.json: node scripts/complete-lock.mjs

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const systems = { android: 'android', darwin: 'darwin', mac: 'darwin', linux: 'linux', win: 'win32', win32: 'win32' }
const processors = { arm64: 'arm64', armv7l: 'arm', riscv64: 'riscv64', x64: 'x64' }

const path = join(import.meta.dirname, '..', 'package-lock.json')
const lock = JSON.parse(readFileSync(path, 'utf8'))
const { '': root, ...packages } = lock.packages
const added = []

for (const [place, { optionalDependencies = {}, dev, license, engines }] of Object.entries(packages)) {
  for (const [name, version] of Object.entries(optionalDependencies)) {
    if (`node_modules/${name}` in packages || `${place}/node_modules/${name}` in packages) continue
    packages[`node_modules/${name}`] = {
      version,
      ...platformOf(name),
      ...(dev && { dev }),
      license,
      optional: true,
      engines,
    }
    added.push(`${name}@${version}`)
  }
}

const sorted = Object.entries(packages).sort(([one], [other]) => one.localeCompare(other, 'en'))
lock.packages = { '': root, ...Object.fromEntries(sorted) }
writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`)
console.log(added.length === 0 ? 'The lock file is complete' : `Added ${added.join(', ')}`)

/** `@scope/cli-linux-arm64-musl` to what npm compares with the machine. */
function platformOf(name) {
  const words = name.split('/').at(-1).split('-')
  const os = words.map((word) => systems[word]).find(Boolean)
  const cpu = words.map((word) => processors[word]).find(Boolean)
  if (os === undefined || cpu === undefined) throw new Error(`${name}: its name does not tell its platform`)
  const libc = os !== 'linux' ? {} : { libc: [words.includes('musl') ? 'musl' : 'glibc'] }
  return { os: [os], cpu: [cpu], ...libc }
}
