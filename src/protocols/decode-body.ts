import { HeadendError } from '../contract/errors.ts'

// Reused: a fatal decoder keeps no state between whole bodies. It also takes a leading byte order mark away.
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** @throws HeadendError invalid-request: not UTF-8, not JSON, or not an object */
export function decodeBody(body: Uint8Array): object {
  const value = parseJson(decodeText(body))
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
  throw new HeadendError('invalid-request', 'The request body is not a JSON object: send one such as {"model": ...}')
}

function decodeText(body: Uint8Array): string {
  try {
    return utf8.decode(body)
  } catch (cause) {
    throw new HeadendError('invalid-request', 'The request body is not valid UTF-8: send JSON encoded as UTF-8', {
      cause,
    })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : 'it cannot be read'
    throw new HeadendError('invalid-request', `The request body is not valid JSON: ${reason}`, { cause })
  }
}
