import { createHash } from 'node:crypto'
import { ModelError } from './model-error.ts'

const huggingFace = /^(hf|huggingface):(\/\/)?/

/** `hf:...` or an http(s) URL; anything else is a path. */
export function isRemote(source: string): boolean {
  return huggingFace.test(source) || /^https?:\/\//i.test(source)
}

/**
 * The URL that is downloaded, or `null` where only Hugging Face knows (`hf:`, and its own pages, which name a repository or
 * show a file).
 * @throws ModelError
 */
export function directUrl(source: string): string | null {
  if (huggingFace.test(source)) {
    if (/^[^/:#]+\/[^/:#]+(:[^/]+|\/.+)?$/.test(source.replace(huggingFace, ''))) return null
    throw new ModelError(`${source}: write hf:user/repo:quant or hf:user/repo/file.gguf`)
  }
  const url = parseUrl(source)
  return ['huggingface.co', 'hf.co'].includes(url.hostname) ? null : url.href
}

/** For messages: what is secret in a URL, a password or a signature, is left out. */
export function shownSource(source: string): string {
  if (huggingFace.test(source)) return source
  const url = parseUrl(source)
  return url.origin + url.pathname
}

/** The folder of a download. A signed URL has another query each time and is the same file. */
export function folderName(source: string): string {
  const key = shownSource(source).toLowerCase().endsWith('.gguf') ? shownSource(source) : source
  const words = key.split(/[/:?#]+/).slice(-3)
  const hash = createHash('sha256').update(key).digest('hex').slice(0, 8)
  return `${words
    .join('-')
    .replace(/[^\w.-]+/g, '-')
    .slice(-80)}-${hash}`
}

function parseUrl(source: string): URL {
  if (!URL.canParse(source)) throw new ModelError(`${source} is no valid URL: check its spelling`)
  return new URL(source)
}
