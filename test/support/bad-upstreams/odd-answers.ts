import { respond, stream } from '../bad-upstream.ts'
import { chunk, streamedAnswer, type Wording } from './misbehaving-upstream.ts'
import { answered, type Misbehaviour, streamed, whole } from './misbehaviour.ts'

const json = ['content-type: application/json']
const kept = { kept: true }

/** Faulty content in good order, which is mended or passed on: refusing it would help nobody. */
export function mendedAnswers(say: Wording): readonly Misbehaviour[] {
  const long = 'a'.repeat(1024 * 1024)
  const longer = answered(`Hello${long} there`)
  const { opening, hello, there, farewell } = say
  const spoilt = answered('Hello\ufffd\ufffd\ufffd there')
  return [
    streamed('invalid UTF-8', stream([spoil(streamedAnswer(say))]), spoilt, kept),
    whole('invalid UTF-8', respond(spoil(say.whole), json), spoilt, kept),
    streamed('an event of 1 MiB', stream([opening, hello, say.delta(long), there, farewell]), longer, kept),
    whole('a text of 1 MiB', respond(say.whole.replace('Hello', `Hello${long}`), json), longer, kept),
  ]
}

/** Behind `Hello`. */
function spoil(text: string): Buffer {
  const at = text.indexOf('Hello') + 'Hello'.length
  const invalid = Buffer.from([0xff, 0xfe, 0xff])
  return Buffer.concat([Buffer.from(text.slice(0, at)), invalid, Buffer.from(text.slice(at))])
}

/** Of servers whose answers are translated. */
export function mendedChunks({ opening, hello, there, farewell }: Wording): readonly Misbehaviour[] {
  const calls = [
    ['arguments that break off', '{"city": "Par', { city: 'Par' }],
    ['arguments with a trailing comma', '{"city": "Paris",}', { city: 'Paris' }],
    ['arguments that are no JSON', 'city=Paris', {}],
    ['arguments that are a list', '["Paris"]', {}],
  ] as const
  return [
    streamed('no last word behind the reason to end', stream([opening, hello, there]), answered(), kept),
    ...calls.map(([name, args, input]) => ({
      ...streamed(name, stream([opening, ...callChunks(args), farewell]), { kind: 'answer', text: '', input }, kept),
      ...whole(name, respond(callAnswer(args), json), { kind: 'answer', text: '', input }, kept),
    })),
  ]
}

function callChunks(args: string): readonly string[] {
  const call = { index: 0, id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '' } }
  const pieces = args.match(/.{1,3}/g) ?? []
  return [
    chunk({ tool_calls: [call] }),
    ...pieces.map((piece) => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
    chunk({}, 'tool_calls'),
  ]
}

function callAnswer(args: string): string {
  const call = { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: args } }
  const message = { role: 'assistant', content: null, tool_calls: [call] }
  return JSON.stringify({ choices: [{ index: 0, message, finish_reason: 'tool_calls' }] })
}
