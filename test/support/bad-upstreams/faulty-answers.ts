import { gzipSync } from 'node:zlib'
import { begin, eventStream, hang, head, raw, reset, respond, stream, writeChunk } from '../bad-upstream.ts'
import { streamedAnswer, type Wording } from './misbehaving-upstream.ts'
import { answered, both, drip, failed, flood, inTurn, type Misbehaviour, streamed, whole } from './misbehaviour.ts'

const json = ['content-type: application/json']
const html = ['content-type: text/html']
const text = ['content-type: text/plain']
const gzip = 'content-encoding: gzip'
const page = '<!DOCTYPE html><html><body>Sign in at /srv/secret</body></html>'
const kept = { kept: true }

/** There is a connection, and no answer to speak of. */
export function withoutAnswer(): readonly Misbehaviour[] {
  const late = failed(504, 'timeout_error', /has not begun to answer within 100 ms/)
  const closed = failed(502, 'api_error', /closed the connection without an answer/)
  const soon = { deadline: 'first-byte' } as const
  const begun = raw('HTTP/1.1 200 OK\r\n')
  return [
    both('a hang before the headers', hang, late, soon),
    both('headers and nothing more', raw(head(200, ['content-length: 100', ...json])), late, soon),
    both('headers of a stream and nothing more', begin([]), late, soon),
    both('headers that drip for ever', inTurn(begun, drip('x-a: a\r\n')), late, soon),
    both(
      'headers without end',
      inTurn(begun, flood('x-a: a\r\n'.repeat(1000))),
      failed(502, 'api_error', /headers are too large/),
    ),
    both('a reset', reset, closed),
    both('an end', ({ socket }) => socket.end(), closed),
    both('an end amid the headers', ({ socket }) => socket.end('HTTP/1.1 200 OK\r\ncontent-'), closed),
    both(
      'another protocol',
      raw('* OK IMAP4rev1 ready\r\n\r\n'),
      failed(502, 'api_error', /does not speak HTTP\/1\.1/),
    ),
  ]
}

/** The upstream says in order that it will not or cannot answer. */
export function refusals(say: Wording): readonly Misbehaviour[] {
  const isRelayed = say.protocol === 'anthropic'
  const broken = say.error('api_error', 'Something broke')
  const limited = say.error('rate_limit_error', 'Slow down')
  const slowDown = (more = {}) => failed(429, 'rate_limit_error', /^Slow down$/, { isRelayed, ...more })
  const unknown = say.error('not_found_error', 'No such model')
  return [
    both('a redirect', respond('', ['location: /elsewhere'], 307), failed(502, 'api_error', /redirect \(307\)/), kept),
    both('a page with status 502', respond(page, html, 502), failed(502, 'api_error', /status 502/), kept),
    both('a page with status 503', respond(page, html, 503), failed(529, 'overloaded_error', /status 503/), kept),
    both(
      'a failure',
      respond(broken, json, 500),
      failed(isRelayed ? 500 : 502, 'api_error', /^Something broke$/, { isRelayed }),
      kept,
    ),
    both(
      'no such model',
      respond(unknown, json, 404),
      failed(404, 'not_found_error', /^No such model$/, { isRelayed }),
      kept,
    ),
    both('a wrong key', respond(broken, json, 401), failed(500, 'api_error', /^upstream authentication failed$/), kept),
    both('a limit', respond(limited, json, 429), slowDown(), kept),
    both(
      'a limit with an end',
      respond(limited, [...json, 'retry-after: 7'], 429),
      slowDown({ retryAfter: '7' }),
      kept,
    ),
    both('an error with status 200', respond(limited, json), slowDown({ isRelayed: false }), kept),
  ]
}

/** The upstream says 200, and something is wrong with what it sends. */
export function wrongAnswers(say: Wording): readonly Misbehaviour[] {
  const isRelayed = say.protocol === 'anthropic'
  const all = streamedAnswer(say)
  const noMessage = failed(502, 'api_error', isRelayed ? /is not a message/ : /is not JSON/)
  const early = failed(502, 'api_error', /closed the stream early/)
  const noGzip = failed(502, 'api_error', /not valid gzip/)
  return [
    both('204', raw(head(204, [])), isRelayed ? noMessage : early, kept),
    both('an empty body', respond('', json), noMessage, kept),
    streamed('an empty stream', stream([]), early, kept),
    whole('an empty stream', stream([]), isRelayed ? noMessage : early, kept),
    both('a page', respond(page, html), noMessage, kept),
    both('half of the JSON', respond(say.whole.slice(0, -20), json), noMessage, kept),
    streamed('JSON that calls itself a stream', respond(say.whole, eventStream), isRelayed ? early : answered(), kept),
    whole('JSON that calls itself a stream', respond(say.whole, eventStream), answered(), kept),
    both('JSON that calls itself a page', respond(say.whole, html), answered(), kept),
    both('JSON, whatever was asked for', respond(say.whole, json), answered(), kept),
    both('JSON without a type', respond(say.whole), answered(), kept),
    both('a stream that calls itself JSON', stream([all], json), noMessage, kept),
    both('a stream that calls itself text', stream([all], text), isRelayed ? noMessage : answered(), kept),
    whole('a stream where none was asked for', stream([all]), isRelayed ? noMessage : answered(), kept),
    both('gzip', respond(gzipSync(say.whole), [gzip, ...json]), answered(), kept),
    streamed('gzip of a stream', stream([gzipSync(all)], [gzip, ...eventStream]), answered(), kept),
    both('gzip that is none', respond(say.whole, ['connection: close', gzip, ...json]), noGzip),
    both(
      'gzip that is cut',
      respond(gzipSync(say.whole).subarray(0, 40), ['connection: close', gzip, ...json]),
      noGzip,
    ),
  ]
}

/** What HTTP says of the answer's length is wrong, or unusual. */
export function wrongLengths(say: Wording): readonly Misbehaviour[] {
  const all = streamedAnswer(say)
  const begun = say.opening + say.hello
  const withLength = (length: number, body: string, headers: readonly string[]): string =>
    head(200, [`content-length: ${length}`, ...headers]) + body
  const longStream = withLength(all.length + 100, all, eventStream)
  const longJson = withLength(say.whole.length + 100, say.whole, json)
  const cut = failed(502, 'api_error', /closed the connection before its answer was complete/)
  const noMessage = failed(502, 'api_error', say.protocol === 'anthropic' ? /is not a message/ : /is not JSON/)
  const silent = failed(504, 'timeout_error', /fell silent for 100 ms/)
  return [
    streamed('a length that is too long, then an end', ({ socket }) => socket.end(longStream), answered()),
    whole('a length that is too long, then an end', ({ socket }) => socket.end(longJson), cut),
    streamed('a length that is too long, then a hang', raw(longStream), answered(), { deadline: 'idle' }),
    whole('a length that is too long, then a hang', raw(longJson), silent, { deadline: 'idle' }),
    streamed('a length that is too short', raw(withLength(begun.length, begun + say.there, eventStream)), {
      kind: 'cut',
      text: 'Hello',
      type: 'api_error',
      message: /closed the stream early/,
    }),
    whole('a length that is too short', raw(withLength(say.whole.length - 20, say.whole, json)), noMessage),
    both('two lengths', raw(withLength(2, '{}', ['content-length: 3'])), failed(502, 'api_error', /Content-Length/)),
    both('no length, and an end', ({ socket }) => socket.end(`HTTP/1.0 200 OK\r\n\r\n${say.whole}`), answered()),
    both(
      'hints first',
      raw(`HTTP/1.1 103 Early Hints\r\n\r\n${withLength(say.whole.length, say.whole, json)}`),
      answered(),
      kept,
    ),
    streamed('a slow drip', slowly(all), answered(), kept),
  ]
}

/** One byte in each piece, and a pause behind every hundredth. */
function slowly(text: string) {
  return async (request: Parameters<typeof hang>[0]): Promise<void> => {
    begin([])(request)
    for (const [index, letter] of [...text].entries()) {
      writeChunk(request.socket, letter)
      if (index % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    }
    request.socket.write('0\r\n\r\n')
  }
}
