import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Chat templates and vocabularies of well-known models, as llama.cpp has them for its own tests. */
export interface LlamaBundle {
  /** File names without their ending. */
  readonly templateNames: readonly string[]
  readTemplate(name: string): string
  /** @param name as in `ggml-vocab-NAME.gguf` */
  vocabularyPath(name: string): string
}

const vocabularies = ['llama-bpe', 'qwen2', 'phi-3', 'gemma-4']

/**
 * From the git bundle that node-llama-cpp carries to build its engine from; nothing of it is committed here. Unpacked once for
 * each version of the engine, into the cache folder of `node_modules`.
 *
 * @returns the reason when it cannot be had, for `skip`
 */
export function openLlamaBundle(): LlamaBundle | string {
  const engine = fileURLToPath(new URL('../llama', import.meta.resolve('node-llama-cpp')))
  const bundle = join(engine, 'gitRelease.bundle')
  if (!existsSync(bundle)) return 'this node-llama-cpp carries no llama.cpp bundle'
  const { release } = JSON.parse(readFileSync(join(engine, 'binariesGithubRelease.json'), 'utf8')) as {
    release: string
  }
  const cache = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url))
  const folder = join(cache, `llama.cpp-${release}`)
  const problem = existsSync(folder) ? null : unpack(bundle, cache, folder)
  if (problem !== null) return problem
  const templates = join(folder, 'models', 'templates')
  const ending = '.jinja'
  return {
    templateNames: readdirSync(templates)
      .filter((name) => name.endsWith(ending))
      .map((name) => name.slice(0, -ending.length))
      .sort(),
    readTemplate: (name) => readFileSync(join(templates, name + ending), 'utf8'),
    vocabularyPath: (name) => join(folder, 'models', `ggml-vocab-${name}.gguf`),
  }
}

/** Test files run at the same time, so each unpacks into a folder of its own, and the first to be done wins. */
function unpack(bundle: string, cache: string, folder: string): string | null {
  mkdirSync(cache, { recursive: true })
  const own = mkdtempSync(join(cache, 'unpacking-'))
  try {
    const files = ['models/templates', ...vocabularies.map((name) => `models/ggml-vocab-${name}.gguf`)]
    const problem =
      git(cache, 'clone', '--quiet', '--no-checkout', bundle, own) ??
      git(own, 'checkout', '--quiet', 'HEAD', '--', ...files)
    if (problem !== null) return problem
    rmSync(join(own, '.git'), { recursive: true })
    renameSync(own, folder)
    return null
  } catch (cause) {
    if (existsSync(folder)) return null // another was faster
    throw cause
  } finally {
    rmSync(own, { recursive: true, force: true })
  }
}

function git(cwd: string, ...words: readonly string[]): string | null {
  const { error, status, stderr } = spawnSync('git', words, { cwd, encoding: 'utf8' })
  if (error !== undefined) return 'git is needed to unpack the templates of llama.cpp, and it is not installed'
  return status === 0 ? null : `git could not unpack the templates of llama.cpp: ${stderr.trim()}`
}
