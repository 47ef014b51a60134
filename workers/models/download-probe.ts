import { shownSource } from './download-source.ts'
import { ModelError } from './model-error.ts'

/** What a server says about a file before it is downloaded. `null`: nothing. */
export interface Probe {
  readonly bytes: number | null
  /** Hexadecimal. */
  readonly sha256: string | null
  /** Changes when the file does. */
  readonly version: string | null
}

export interface ProbeOptions {
  readonly headers: Readonly<Record<string, string>>
  readonly signal: AbortSignal | null
  readonly timeoutMs: number
}

const hopsMax = 10

/**
 * Asks for the first four bytes: tells a wrong URL at once, where the downloader would retry for minutes or fetch gigabytes
 * of something else.
 * @throws ModelError; the reason of `signal`
 */
export async function probe(url: string, { headers, signal, timeoutMs }: ProbeOptions): Promise<Probe> {
  const timeout = AbortSignal.timeout(timeoutMs)
  try {
    return await follow(url, headers, signal === null ? timeout : AbortSignal.any([signal, timeout]))
  } catch (cause) {
    if (cause instanceof ModelError) throw cause
    signal?.throwIfAborted()
    const reason = timeout.aborted ? `no answer for ${Math.round(timeoutMs / 1000)} s` : reasonOf(cause)
    throw new ModelError(`${new URL(url).host} cannot be reached (${reason}): check the URL and the network`, cause)
  }
}

/** Redirects are followed by hand because Hugging Face names the hash on the first of them. */
async function follow(url: string, headers: ProbeOptions['headers'], signal: AbortSignal): Promise<Probe> {
  const range = { range: 'bytes=0-3', 'accept-encoding': 'identity' }
  let linkedBytes: number | null = null
  let sha256: string | null = null
  let location = url
  for (let hop = 0; hop <= hopsMax; hop += 1) {
    const secret = new URL(location).origin === new URL(url).origin ? headers : {} // a token is for its own server only
    const response = await fetch(location, { headers: { ...range, ...secret }, redirect: 'manual', signal })
    linkedBytes ??= decimal(response.headers.get('x-linked-size'))
    sha256 ??= sha256Of(response.headers.get('x-linked-etag'))
    const next = response.headers.get('location')
    if (response.status >= 300 && response.status < 400 && next !== null) {
      await response.body?.cancel()
      location = new URL(next, location).href
      continue
    }
    const magic = await firstBytes(response)
    if (!response.ok) throw refusal(shownSource(url), response.status)
    if (magic !== 'GGUF') {
      throw new ModelError(`${shownSource(url)} is not a GGUF file: give the URL of the .gguf file itself`)
    }
    return { bytes: linkedBytes ?? lengthOf(response), sha256, version: response.headers.get('etag') }
  }
  throw new ModelError(`${shownSource(url)} redirects without end: check the URL`)
}

export function refusal(source: string, status: number): ModelError {
  if (status === 401 || status === 403) {
    return new ModelError(
      `${source} is not open to everybody (HTTP ${status}): check the URL or, on Hugging Face, set HF_TOKEN`,
    )
  }
  if (status === 404 || status === 410) return new ModelError(`There is no ${source} (HTTP ${status}): check its name`)
  return new ModelError(`${source} cannot be downloaded now (HTTP ${status}): try again later`)
}

/** `fetch` says only "fetch failed" and hides the reason in its cause. */
function reasonOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  return cause.cause instanceof Error ? cause.cause.message || cause.cause.name : cause.message
}

/** A server without ranges sends everything: take the first bytes and hang up. */
async function firstBytes(response: Response): Promise<string> {
  const reader = response.body?.getReader()
  let bytes = Buffer.alloc(0)
  while (reader !== undefined && bytes.length < 4) {
    const { value, done } = await reader.read()
    if (done) break
    bytes = Buffer.concat([bytes, value])
  }
  await reader?.cancel()
  return bytes.toString('latin1', 0, 4)
}

function lengthOf(response: Response): number | null {
  if (response.status === 206) return decimal(response.headers.get('content-range')?.split('/')[1] ?? null)
  return decimal(response.headers.get('content-length'))
}

function decimal(text: string | null): number | null {
  return text !== null && /^\d+$/.test(text) ? Number(text) : null
}

/** Only of `x-linked-etag`: an `etag` may be 64 hexadecimal digits of anything. */
function sha256Of(etag: string | null): string | null {
  return /^"?([0-9a-f]{64})"?$/.exec(etag ?? '')?.[1] ?? null
}
