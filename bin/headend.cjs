#!/usr/bin/env node
process.env.UV_THREADPOOL_SIZE = process.env.UV_THREADPOOL_SIZE || '132'
// First of all, because libuv reads it once, at the first use of its pool. Decoding runs on that pool, too, and all workers share
// it: with libuv's 4 threads, four decoding slots would keep every file read and DNS look-up of the process waiting. It takes
// 4 + workers x slots; 132 is enough for 128 slots and costs about 1 MB. Whoever runs more slots sets the variable.

require('node:v8').setFlagsFromString('--no-allocation-site-pretenuring')
// V8 moves what seems to live long to its old memory at once, after what it saw while the server warmed up. Of a request nothing
// lives long, but what stands in old memory keeps the rest of its request alive until the next full collection: a twelfth of all that
// was allocated.

const { existsSync } = require('node:fs')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')

const [major, minor, patch] = process.versions.node.split('.').map(Number)
const isNodeTooOld = major < 20 || (major === 20 && (minor < 18 || (minor === 18 && patch < 1)))
const entry = join(__dirname, '..', 'dist', 'src', 'main.js')

if (isNodeTooOld) {
  console.error(`headend needs Node 20.18.1 or newer; this is Node ${process.versions.node}`)
  process.exitCode = 1
} else if (!existsSync(entry)) {
  console.error('headend is not built yet: type npm start, which builds and starts it, or npm run build')
  process.exitCode = 1
} else {
  import(pathToFileURL(entry).href)
}
