import { shapeOf, type Written } from './config-file.ts'
import { Refusal } from './value-kinds.ts'
import { attempt, type Reader } from './written-fields.ts'

/** Headers that go up with every request; names in lower case. */
export function readHeaders(written: Written, problems: string[]): Readonly<Record<string, string>> {
  const fields = written.fields()
  if (fields === null) throw new Refusal(`expected a mapping, got ${shapeOf(written.value)}`)
  const headers = new Map<string, string>()
  for (const { key, written: field } of fields) {
    const name = key.toLowerCase()
    const read: Reader<string> = ({ value }) => headerValue(name, headers.has(name), value)
    attempt(field, read, problems, (value) => headers.set(name, value))
  }
  return Object.fromEntries(headers)
}

/** What was written is never repeated: many headers hold a secret. */
function headerValue(name: string, isRepeated: boolean, value: unknown): string {
  if (!/^[!#$%&'*+.^_`|~0-9a-z-]+$/.test(name)) throw new Refusal('this is no name of a header')
  if (credentialHeaders.includes(name)) {
    throw new Refusal('credentials are not written here: name the environment variable that holds the key with key_env')
  }
  if (headersWrittenHere.includes(name)) throw new Refusal('headend writes this header itself')
  if (isRepeated) throw new Refusal('this header is given twice')
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string' || !/^[\x20-\x7e]+$/.test(text.trim())) {
    throw new Refusal(`expected a text in one line, got ${typeof value === 'string' ? 'another' : shapeOf(value)}`)
  }
  return text.trim()
}

/** They hold credentials, which have their own keys here. */
const credentialHeaders: readonly string[] = ['authorization', 'x-api-key', 'proxy-authorization', 'cookie']

/** They say how a request travels or what its body is, which is for headend to say. */
const headersWrittenHere: readonly string[] = [
  'accept',
  'accept-encoding',
  'connection',
  'content-encoding',
  'content-length',
  'content-type',
  'expect',
  'host',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]
