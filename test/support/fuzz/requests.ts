import { brotliCompressSync, gzipSync } from 'node:zlib'
import { mutateBytes, mutateValue } from './mutations.ts'
import { SeededRandom } from './seeded-random.ts'
import { validBody } from './valid-bodies.ts'

export interface FuzzedRequest {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Send it without a length. */
  readonly chunked: boolean
  /** Go away when the answer begins. */
  readonly leaves: boolean
}

const headerValues: Readonly<Record<string, readonly string[]>> = {
  'anthropic-version': ['2023-06-01', '2026-10-21', '', 'a, a', '9999-99-99', '\u00e9\u00ff', 'x'.repeat(3000)],
  'anthropic-beta': ['', ',,,', 'claude-code-20250219,nonsense', '\u00ff'.repeat(50), 'a,'.repeat(1000)],
  'content-type': ['', 'text/plain', 'application/json; charset=latin1', 'multipart/form-data', 'x'.repeat(500)],
  'content-encoding': ['identity', 'gzip', 'br', 'zstd', 'gzip, gzip', 'nonsense', ''],
  accept: ['', 'text/html', '*/*;q=0'],
  'x-api-key': ['', 'x'.repeat(2000), '\u00e9'],
  authorization: ['', 'Bearer', 'Bearer  ', 'Basic eDp5', 'bearer \u00ff'],
  'x-claude-code-session-id': ['', 'one', 'two', 's'.repeat(1000), '\u00ff', '__proto__'],
  'x-forwarded-for': ['', '1.2.3.4', 'nobody, ::1, 999.1.1.1'],
  origin: ['null', 'http://localhost:3000', 'https://evil.example', '::', ''],
  'sec-fetch-site': ['cross-site', 'same-origin', 'none'],
  host: ['localhost', 'evil.example', '[::1]:99999', ''],
  'x-stainless-retry-count': ['-1', 'x'],
  cookie: ['a=b; '.repeat(200)],
}

const oddPaths = [
  '/v1/messages/',
  '/v1//messages',
  '/V1/messages',
  '/v1/messages/%zz',
  '/v1/models/%ff',
  '/v1/complete',
  '/',
]
const methods = ['PUT', 'DELETE', 'PATCH', 'GET', 'OPTIONS']

/** The request that this number makes: a valid one, changed in a few places. */
export function fuzzedRequest(seed: number, model: string): FuzzedRequest {
  const random = new SeededRandom(seed)
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    'anthropic-version': '2023-06-01',
  }
  while (random.chance(0.3)) {
    const name = random.pick(Object.keys(headerValues))
    headers[name] = random.pick(headerValues[name] as readonly string[])
  }
  const body = fuzzedBody(random, model)
  return {
    method: random.chance(0.01) ? random.pick(methods) : 'POST',
    path: fuzzedPath(random),
    headers,
    body: random.chance(0.3) ? compress(headers['content-encoding'], body) : body,
    chunked: random.chance(0.05),
    leaves: random.chance(0.03),
  }
}

function fuzzedPath(random: SeededRandom): string {
  if (random.chance(0.01)) return random.pick(oddPaths)
  const path = random.chance(0.25) ? '/v1/messages/count_tokens' : '/v1/messages'
  return random.chance(0.2) ? `${path}?${random.pick(['beta=true', 'a[]=%ff&&=', '%', '?/'])}` : path
}

function fuzzedBody(random: SeededRandom, model: string): Buffer {
  const body = validBody(random, model)
  const times = random.pick([0, 1, 1, 1, 2, 3, 6])
  for (let time = 0; time < times; time++) mutateValue(random, body)
  const json = JSON.stringify(body)
  return random.chance(0.15) ? mutateBytes(random, json) : Buffer.from(json)
}

/** Else the body is not what its header says. */
function compress(encoding: string | undefined, body: Buffer): Buffer {
  if (encoding === 'gzip') return gzipSync(body)
  if (encoding === 'br') return brotliCompressSync(body)
  return body
}
