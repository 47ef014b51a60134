/**
 * `npm run bench` runs the micro-benches, `npm run bench -- NAME...` the named ones. Every bench is a process of its own: what one
 * leaves in the just-in-time compiler and the heap must not help or harm the next.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { describeMachine } from './support/machine.ts'

const benches: Readonly<Record<string, readonly string[]>> = {
  micro: ['micro/parse.ts', 'micro/frame.ts', 'micro/choose-slot.ts'],
  stall: ['stall.ts'],
  native: ['native.ts'],
  proxy: ['proxy.ts'],
  start: ['start.ts'],
}

const [name = 'micro', ...rest] = process.argv.slice(2)
const files = benches[name]
if (files === undefined) {
  console.error(`There is no bench ${name}; there are ${Object.keys(benches).join(', ')}`)
  process.exitCode = 1
} else {
  console.log(describeMachine())
  for (const file of files) await run(file, rest)
}

async function run(file: string, args: readonly string[]): Promise<void> {
  const path = fileURLToPath(new URL(file, import.meta.url))
  const env = { ...process.env, UV_THREADPOOL_SIZE: '32' } // as bin/headend.cjs does: libuv reads it before any module runs
  const child = spawn(process.execPath, ['--import', 'tsx', path, ...args], { stdio: 'inherit', env })
  const [code] = await once(child, 'exit')
  if (code !== 0) process.exitCode = 1
}
