import { type Behaviour, begin, writeChunk } from '../bad-upstream.ts'
import type { Wording } from './misbehaving-upstream.ts'

/** Which limit of its upstream is short enough to be met, milliseconds, as the config file has it. */
export const deadlines = {
  none: {},
  'first-byte': { first_byte: 100 },
  idle: { idle: 100, first_byte: 60_000 },
  total: { total: 200 },
} as const

/** What the client is to see. */
export type Expected = Answered | Failed | CutOff

export interface Answered {
  readonly kind: 'answer'
  readonly text: string
  /** Of a call. */
  readonly input?: unknown
}

/** A status, and a body that says why. */
export interface Failed {
  readonly kind: 'error'
  readonly status: number
  readonly type: string
  readonly message: RegExp
  readonly retryAfter?: string
  /** It is the upstream's own, word by word. */
  readonly isRelayed?: boolean
}

/** The answer had begun: its last event says why it ends. */
export interface CutOff {
  readonly kind: 'cut'
  readonly text: string
  readonly type: string
  readonly message: RegExp
  readonly isRelayed?: boolean
}

export interface Case {
  readonly behave: Behaviour
  /** What follows once the client has seen the first content, so that it is certain to have seen it. */
  readonly goOn?: Behaviour
  readonly expected: Expected
  /** The connection may serve another request; else it is closed. */
  readonly kept: boolean
  readonly deadline: keyof typeof deadlines
}

export interface Misbehaviour {
  readonly name: string
  /** Of requests for a stream, and of those for a whole answer. */
  readonly streamed?: Case
  readonly whole?: Case
}

interface Circumstances {
  readonly kept?: boolean
  readonly deadline?: keyof typeof deadlines
  readonly goOn?: Behaviour
}

export function streamed(name: string, behave: Behaviour, expected: Expected, more: Circumstances = {}): Misbehaviour {
  return { name, streamed: { behave, expected, kept: false, deadline: 'none', ...more } }
}

export function whole(name: string, behave: Behaviour, expected: Expected, more: Circumstances = {}): Misbehaviour {
  return { name, whole: { behave, expected, kept: false, deadline: 'none', ...more } }
}

export function both(name: string, behave: Behaviour, expected: Expected, more: Circumstances = {}): Misbehaviour {
  return { ...streamed(name, behave, expected, more), ...whole(name, behave, expected, more) }
}

/** A stream that is good as far as `Hello`. */
export function behind(
  say: Wording,
  name: string,
  goOn: Behaviour,
  expected: Expected,
  more: Circumstances = {},
): Misbehaviour {
  return streamed(`${name} behind the first content`, begin([say.opening, say.hello]), expected, { ...more, goOn })
}

export function answered(text = 'Hello there'): Answered {
  return { kind: 'answer', text }
}

export function failed(
  status: number,
  type: string,
  message: RegExp,
  more: Pick<Failed, 'retryAfter' | 'isRelayed'> = {},
): Failed {
  return { kind: 'error', status, type, message, ...more }
}

export function cutOff(type: string, message: RegExp, more: Pick<CutOff, 'isRelayed'> = {}): CutOff {
  return { kind: 'cut', text: 'Hello', type, message, ...more }
}

/** Writes `text` again and again until the socket is closed. */
export function drip(text: string, everyMs = 10): Behaviour {
  return ({ socket }) => {
    const timer = setInterval(() => socket.write(text), everyMs)
    socket.once('close', () => clearInterval(timer))
  }
}

/** As `drip`, and as fast as the socket takes it. */
export function flood(text: string): Behaviour {
  return ({ socket }) => {
    const fill = (): void => {
      while (!socket.destroyed && socket.write(text));
    }
    socket.on('drain', fill)
    fill()
  }
}

export function inTurn(...behaviours: readonly Behaviour[]): Behaviour {
  return (request) => {
    for (const behave of behaviours) behave(request)
  }
}

/** As it stands in a chunked body. */
export function asChunk(text: string): string {
  return `${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`
}

/** More of a stream that has begun. */
export function chunks(...pieces: readonly (string | Uint8Array)[]): Behaviour {
  return ({ socket }) => {
    for (const piece of pieces) writeChunk(socket, piece)
  }
}
