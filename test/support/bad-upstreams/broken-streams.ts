import { type Behaviour, begin, cut, eventStream, hang, head, lastChunk, raw, reset, stream } from '../bad-upstream.ts'
import type { Wording } from './misbehaving-upstream.ts'
import {
  answered,
  asChunk,
  behind,
  chunks,
  cutOff,
  drip,
  failed,
  inTurn,
  type Misbehaviour,
  streamed,
} from './misbehaviour.ts'

const mebibyte = 1024 * 1024
const kept = { kept: true }
const soon = { deadline: 'idle' } as const

const early = /closed the stream early/
const cutShort = /closed the connection before its answer was complete/
const tooLarge = /event of more than 8388608 bytes/
const told = /^Too much to do$/

function overloaded(say: Wording): string {
  return say.errorEvent(say.protocol === 'anthropic' ? 'overloaded_error' : 'service_unavailable', 'Too much to do')
}

function signOfLife({ protocol }: Wording): string {
  return asChunk(protocol === 'anthropic' ? 'event: ping\ndata: {"type":"ping"}\n\n' : ': still here\n\n')
}

/** The deltas of a relayed stream are not looked into, all other events are. */
function garbled(event: string, { protocol }: Wording): string {
  return protocol === 'anthropic' ? `event: ${event}\ndata: {"type":\n\n` : 'data: {"choices":[{\n\n'
}

function noJson({ protocol }: Wording): RegExp {
  return protocol === 'anthropic' ? /whose data is no JSON object/ : /an event that is not JSON/
}

/** Nothing of an answer has reached the client, so it learns of the failure by its status. */
export function brokenBeginnings(say: Wording): readonly Misbehaviour[] {
  const { opening } = say
  const silent = failed(504, 'timeout_error', /fell silent for 100 ms/)
  const endless = failed(504, 'timeout_error', /has not finished its answer within 200 ms/)
  const busy = failed(529, 'overloaded_error', told)
  const huge = say.delta('a'.repeat(10 * mebibyte))
  const resetAmid: Behaviour = (request) => {
    const begun = head(200, ['transfer-encoding: chunked', ...eventStream]) + asChunk(opening).slice(0, 30)
    request.socket.write(begun, () => reset(request))
  }
  return [
    streamed('a hang behind the opening', begin([opening]), silent, soon),
    streamed('an end behind the opening', stream([opening]), failed(502, 'api_error', early), kept),
    streamed('a cut behind the opening', cut([opening]), failed(502, 'api_error', cutShort)),
    streamed('a reset amid the first event', resetAmid, failed(502, 'api_error', /closed the connection/)),
    streamed('an error as first event', begin([overloaded(say)]), busy),
    streamed('an error behind the opening', begin([opening, overloaded(say)]), busy),
    streamed('JSON that is none', begin([garbled('message_start', say)]), failed(502, 'api_error', noJson(say))),
    streamed('an event of 10 MiB', begin([opening, huge]), failed(502, 'api_error', tooLarge)),
    streamed('signs of life for ever', inTurn(begin([]), drip(signOfLife(say))), endless, { deadline: 'total' }),
  ]
}

/** The client has had a part of the answer: an error event ends it, and nobody else is asked. */
export function brokenEndings(say: Wording): readonly Misbehaviour[] {
  const isRelayed = say.protocol === 'anthropic'
  const { opening, hello, there, farewell } = say
  const busy = cutOff('overloaded_error', told, { isRelayed })
  const silent = cutOff('timeout_error', /fell silent for 100 ms/)
  const endless = cutOff('timeout_error', /has not finished its answer within 200 ms/)
  const huge = chunks(say.delta('a'.repeat(10 * mebibyte)))
  const resetAmid: Behaviour = (request) => {
    request.socket.write(asChunk(there).slice(0, 40), () => reset(request))
  }
  const end = raw(lastChunk)
  return [
    behind(say, 'a hang', hang, silent, soon),
    behind(say, 'an end', end, cutOff('api_error', early), kept),
    behind(say, 'a cut', ({ socket }) => socket.end(), cutOff('api_error', cutShort)),
    behind(say, 'a reset amid an event', resetAmid, cutOff('api_error', cutShort)),
    behind(say, 'a broken chunk', raw('zz\r\n'), cutOff('api_error', /does not speak HTTP\/1\.1/)),
    streamed('an error behind the first content', begin([opening, hello, overloaded(say)]), busy, soon),
    behind(say, 'JSON that is none', chunks(garbled('message_delta', say)), cutOff('api_error', noJson(say))),
    behind(say, 'an event of 10 MiB', huge, cutOff('api_error', tooLarge)),
    behind(say, 'an answer without end', drip(asChunk(say.delta(''))), endless, { deadline: 'total' }),
    streamed('the last word and no end', begin([opening, hello, there, farewell]), answered(), soon),
    behind(say, 'more than the last word', inTurn(chunks(there, farewell, hello), end), answered(), kept),
  ]
}
