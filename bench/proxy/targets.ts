import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MockCounts } from './mock.ts'
import type { Dialect } from './mock-answers.ts'
import { cores, type ServerProcess, startProcess } from './process.ts'
import { requestBytes, type Shape } from './requests.ts'
import type { ScenarioName } from './scenarios.ts'

export const targetNames = ['mock', 'floor', 'headend', 'relay'] as const
export type TargetName = (typeof targetNames)[number]

/** Something that answers; `mock` stands for the upstream itself. */
export interface Target {
  readonly name: TargetName
  readonly process: ServerProcess
  request(model: ScenarioName, isStream: boolean, shape?: Shape): Buffer
}

export interface Mock extends Target {
  counts(): Promise<MockCounts>
  /** Ends the streams that are silent. */
  release(): Promise<void>
}

const repository = fileURLToPath(new URL('../../', import.meta.url))
const built = join(repository, 'node_modules', '.cache', 'headend-bench')
const flags = ['--port', '0', '--transport', 'uws', '--log-level', 'info', '--log-format', 'json', '--upstream']

/** Mock and floor run as the product does, compiled by the same compiler: a loader would add calls to each closure that they make. */
export function compile(): void {
  mkdirSync(join(built, 'logs'), { recursive: true })
  writeFileSync(join(built, 'package.json'), '{"type":"module"}') // the search for one ends at node_modules
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin', 'tsc')
  const sources = ['mock.ts', 'floor.ts'].map((file) => join(repository, 'bench', 'proxy', file))
  const options = ['--ignoreConfig', '--skipLibCheck', '--target', 'es2023', '--module', 'nodenext', '--types', 'node']
  const paths = ['--rewriteRelativeImportExtensions', '--rootDir', dirname(sources[0] as string), '--outDir', built]
  execFileSync(process.execPath, [compiler, ...options, ...paths, ...sources], { cwd: repository, stdio: 'inherit' })
}

export async function startMock(): Promise<Mock> {
  const server = await startProcess([join(built, 'mock.js')], cores?.load ?? null, logPath('mock'))
  return {
    ...createTarget('mock', server, 'openai'),
    counts: async () => (await fetch(new URL('/counts', server.url))).json() as Promise<MockCounts>,
    async release() {
      await fetch(new URL('/release', server.url), { method: 'POST' })
    },
  }
}

export async function startTarget(name: Exclude<TargetName, 'mock'>, upstream: URL): Promise<Target> {
  const bin = join(repository, 'bin', 'headend.cjs')
  const commands = {
    floor: [join(built, 'floor.js'), upstream.origin],
    headend: [bin, ...flags, upstream.origin],
    relay: [bin, ...flags, upstream.origin, '--upstream-protocol', 'anthropic'],
  }
  const server = await startProcess(commands[name], cores?.server ?? null, logPath(name))
  return createTarget(name, server, 'anthropic')
}

function createTarget(name: TargetName, server: ServerProcess, dialect: Dialect): Target {
  return {
    name,
    process: server,
    request: (model, isStream, shape = 'small') => requestBytes(server.url, dialect, model, isStream, shape),
  }
}

function logPath(name: string): string {
  return join(built, 'logs', `${name}.log`)
}
