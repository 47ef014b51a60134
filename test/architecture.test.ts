import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, sep } from 'node:path'
import { describe, it } from 'node:test'

const root = dirname(import.meta.dirname)

interface Import {
  /** As written. */
  readonly specifier: string
  /** Leaves nothing behind in the JavaScript. `import { type A }` does: it still loads the module. */
  readonly typeOnly: boolean
}

/**
 * A file or folder of `src` and its layer. Imports point down, or stay inside a folder; only files of layer 2 may import each
 * other. A new file or folder needs a line here: that is where its author decides what it may know.
 */
const layers: Readonly<Record<string, number>> = {
  'main.ts': 4,
  'server.ts': 3,

  'generate.ts': 2,
  'router.ts': 2,
  'routes.ts': 2,
  'banner.ts': 2,
  'request-log.ts': 2,
  routing: 2,
  // What main.ts reads the options with. The rooms below are handed values.
  'cli.ts': 2,
  'config.ts': 2,
  config: 2,
  'model-settings.ts': 2,

  http: 1,
  protocols: 1,
  backends: 1,
  admission: 1,

  contract: 0,
  wire: 0,
  observe: 0,
  text: 0,
  'version.ts': 0,
}

/** Where each heavy dependency lives; nothing else may import it, types included. */
const rooms: Readonly<Record<string, string>> = {
  'uWebSockets.js': 'src/http/',
  undici: 'src/backends/upstream/',
  piscina: 'src/backends/local/',
  'node-llama-cpp': 'workers/',
}

/** What the main thread may run of `workers/`: files are looked at and downloaded there, no engine is loaded. */
const sharedWorkerFolder = 'workers/models/'

/**
 * The formatter puts every static import at the beginning of a line and ends its source in single quotes, so no full parser is
 * needed. Lines of comments are left out, because they may quote code.
 */
function parseImports(source: string): readonly Import[] {
  const code = withoutComments(source)
  const statements = code.matchAll(/^(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?'([^']+)'/gm)
  const calls = code.matchAll(/\b(?:import|require(?:\.resolve)?)\(\s*['"]([^'"]+)['"]/g)
  return [
    ...[...statements].map(([, type, specifier = '']) => ({ specifier, typeOnly: type !== undefined })),
    ...[...calls].map(([, specifier = '']) => ({ specifier, typeOnly: false })),
  ]
}

function withoutComments(source: string): string {
  return source.replace(/^\s*\/\*[\s\S]*?\*\//gm, '').replace(/^\s*\/\/.*$/gm, '')
}

function sourcesBelow(folder: string): readonly string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => posix.join(folder, String(name).split(sep).join('/')))
    .filter((path) => /\.(ts|mjs)$/.test(path))
}

const paths = [...sourcesBelow('src'), ...sourcesBelow('workers')]
const sources = new Map(paths.map((path) => [path, readFileSync(join(root, path), 'utf8')]))
const imports = new Map([...sources].map(([path, source]) => [path, parseImports(source)]))

/** The path of the imported file in this repository, or `null` for a package. */
function targetOf(path: string, specifier: string): string | null {
  return specifier.startsWith('.') ? posix.join(posix.dirname(path), specifier) : null
}

/** Imports of this repository's own files, from a file that `from` accepts. */
function edges(from: (path: string) => boolean): readonly { path: string; target: string; typeOnly: boolean }[] {
  return [...imports].flatMap(([path, list]) => {
    if (!from(path)) return []
    return list.flatMap(({ specifier, typeOnly }) => {
      const target = targetOf(path, specifier)
      return target === null ? [] : [{ path, target, typeOnly }]
    })
  })
}

function inSource(path: string): boolean {
  return path.startsWith('src/')
}

/** The first part of the path below `src`: a folder, or a file that lies directly in it. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? ''
}

/** A way from a file back to itself, or `null`. */
function findCircle(graph: ReadonlyMap<string, readonly string[]>): readonly string[] | null {
  const done = new Set<string>()
  const visit = (path: string, trail: readonly string[]): readonly string[] | null => {
    if (trail.includes(path)) return [...trail.slice(trail.indexOf(path)), path]
    if (done.has(path)) return null
    for (const next of graph.get(path) ?? []) {
      const circle = visit(next, [...trail, path])
      if (circle !== null) return circle
    }
    done.add(path)
    return null
  }
  for (const path of graph.keys()) {
    const circle = visit(path, [])
    if (circle !== null) return circle
  }
  return null
}

describe('the reader of imports', () => {
  const cases: readonly [string, readonly Import[]][] = [
    [`import { a } from './a.ts'`, [{ specifier: './a.ts', typeOnly: false }]],
    [`import type { A } from './a.ts'`, [{ specifier: './a.ts', typeOnly: true }]],
    [`import { type A, type B } from './a.ts'`, [{ specifier: './a.ts', typeOnly: false }]],
    [`import {\n  a,\n  type B,\n} from './a.ts'`, [{ specifier: './a.ts', typeOnly: false }]],
    [`import type {\n  A,\n  B,\n} from './a.ts'`, [{ specifier: './a.ts', typeOnly: true }]],
    [`import typed from 'typed'`, [{ specifier: 'typed', typeOnly: false }]],
    [`import * as a from 'a'`, [{ specifier: 'a', typeOnly: false }]],
    [`import './effect.ts'`, [{ specifier: './effect.ts', typeOnly: false }]],
    [`export { a } from './a.ts'`, [{ specifier: './a.ts', typeOnly: false }]],
    [`export type { A } from './a.ts'`, [{ specifier: './a.ts', typeOnly: true }]],
    [`export * from './a.ts'`, [{ specifier: './a.ts', typeOnly: false }]],
    [`  const { a } = await import('./a.ts')`, [{ specifier: './a.ts', typeOnly: false }]],
    [`  return require('a')`, [{ specifier: 'a', typeOnly: false }]],
    [`// import { a } from './a.ts'`, []],
    [`/** import('./a.ts') is\n * import('./b.ts')\n */\nexport const a = 1`, []],
    [`export const from = 'here'`, []],
    [`export type A = 'a' | 'b'`, []],
    [`export function a(): string {\n  return 'b'\n}`, []],
    [
      `import { a } from './a.ts'\nimport { b } from 'b'`,
      [
        { specifier: './a.ts', typeOnly: false },
        { specifier: 'b', typeOnly: false },
      ],
    ],
  ]
  for (const [source, expected] of cases) {
    it(JSON.stringify(source), () => assert.deepEqual(parseImports(source), expected))
  }

  it('finds what is there, and every target exists', () => {
    assert.ok(imports.get('src/main.ts')?.some(({ specifier }) => specifier === './server.ts'))
    for (const { path, target } of edges(() => true)) {
      assert.ok(existsSync(join(root, target)), `${path} imports ${target}, which does not exist`)
    }
  })

  it('finds circles', () => {
    const chain = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', []],
    ])
    assert.equal(findCircle(chain), null)
    assert.deepEqual(findCircle(new Map([...chain, ['c', ['b']]])), ['b', 'c', 'b'])
  })
})

describe('layers', () => {
  it('hold every file and folder of src', () => {
    const unknown = paths.filter((path) => inSource(path) && layers[roomOf(path)] === undefined)
    assert.deepEqual(unknown, [], 'give it a layer in this test')
  })

  it('are imported downwards only', () => {
    const wrong = edges(inSource).filter(({ path, target }) => {
      const [room, other] = [roomOf(path), roomOf(target)]
      const [layer = -1, otherLayer = 9] = [layers[room], layers[other]]
      const isDownwards = room === other || otherLayer < layer || (layer === 2 && otherLayer === 2)
      return inSource(target) && !isDownwards
    })
    assert.deepEqual(wrong, [])
  })

  it('meet the workers in few places', () => {
    const wrong = edges(inSource).filter(({ path, target, typeOnly }) => {
      if (!target.startsWith('workers/')) return false
      if (target === 'workers/messages.ts') return !(typeOnly && path.startsWith('src/backends/local/'))
      return !(target.startsWith(sharedWorkerFolder) && (path === 'src/main.ts' || path.startsWith('src/backends/')))
    })
    assert.deepEqual(wrong, [])
  })

  it('give the workers types of the contract and functions of text, and nothing else', () => {
    const wrong = edges((path) => path.startsWith('workers/')).filter(({ target, typeOnly }) => {
      if (target.startsWith('workers/') || target.startsWith('src/text/')) return false
      return !(target.startsWith('src/contract/') && typeOnly)
    })
    assert.deepEqual(wrong, [])
  })

  it('have no circles', () => {
    const graph = new Map(paths.map((path) => [path, edges((other) => other === path).map(({ target }) => target)]))
    assert.equal(findCircle(graph)?.join(' -> '), undefined)
  })
})

describe('dependencies', () => {
  for (const [name, room] of Object.entries(rooms)) {
    it(`${name} lives in ${room}`, () => {
      const users = [...imports].filter(([, list]) =>
        list.some(({ specifier }) => specifier === name || specifier.startsWith(`${name}/`)),
      )
      assert.deepEqual(
        users.map(([path]) => path).filter((path) => !path.startsWith(room)),
        [],
      )
    })
  }

  it('leave the engine out of the main thread', () => {
    const reached = new Set<string>()
    const visit = (path: string): void => {
      if (reached.has(path)) return
      reached.add(path)
      for (const { target, typeOnly } of edges((other) => other === path)) if (!typeOnly) visit(target)
    }
    visit('src/main.ts')
    const loaders = [...reached].filter((path) =>
      imports.get(path)?.some(({ specifier, typeOnly }) => specifier === 'node-llama-cpp' && !typeOnly),
    )
    assert.deepEqual(loaders, [])
    assert.ok(reached.has('src/backends/registry.ts')) // the walk does go on through dynamic imports
  })
})

describe('the process', () => {
  function users(pattern: RegExp): readonly string[] {
    return [...sources].filter(([, source]) => pattern.test(withoutComments(source))).map(([path]) => path)
  }

  it('is ended in main.ts only', () => {
    assert.deepEqual(users(/\bprocess\.(exit|exitCode|abort)\b|\bprocess\.kill\(process\.pid/), ['src/main.ts'])
  })

  it('gives its environment to main.ts only', () => {
    assert.deepEqual(users(/\bprocess\.env\b|\benv\b.*=\s*process\b/), ['src/main.ts'])
  })
})
