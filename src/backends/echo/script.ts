import type { FinishReason } from '../../contract/events.ts'
import type { GenerateRequest } from '../../contract/request.ts'

/** What an echo answers, and how. A client writes it as JSON behind `echo:` in its last message. */
export interface Script {
  readonly text: string
  /** Deltas that the text is cut into: words, unless this says how many characters each has. */
  readonly pieces: readonly string[]
  /** Silence before the first event and before each delta, milliseconds. */
  readonly startDelayMs: number
  readonly delayMs: number
  /** Fails after so many deltas; `null`: never. */
  readonly failAfter: number | null
  readonly finish: FinishReason
}

const marker = 'echo:'
const delayMsMax = 60_000
const repeatMax = 100_000

/** The last user text, word by word; or what its script says. */
export function readScript(request: GenerateRequest): Script {
  const text = lastUserText(request)
  const written = text.startsWith(marker) ? parseJson(text.slice(marker.length)) : null
  if (written === null) return scriptOf(text, {})
  return scriptOf(typeof written.text === 'string' ? written.text : '', written)
}

function scriptOf(text: string, written: Readonly<Record<string, unknown>>): Script {
  const repeated = text.repeat(bounded(written.repeat, 1, repeatMax))
  const pieceCharacters = bounded(written.pieceCharacters, 0, repeated.length)
  return {
    text: repeated,
    pieces: pieceCharacters === 0 ? (repeated.match(/\s*\S+\s*$|\s*\S+/g) ?? []) : cut(repeated, pieceCharacters),
    startDelayMs: bounded(written.startDelayMs, 0, delayMsMax),
    delayMs: bounded(written.delayMs, 0, delayMsMax),
    failAfter: typeof written.failAfter === 'number' ? written.failAfter : null,
    finish: written.finish === 'refusal' ? 'refusal' : 'end-turn',
  }
}

function lastUserText(request: GenerateRequest): string {
  const turn = request.turns.findLast(({ role }) => role === 'user')
  return turn?.content.map((block) => (block.kind === 'text' ? block.text : '')).join('') ?? ''
}

function parseJson(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null // then it is a text to echo like any other
  }
}

function bounded(value: unknown, fallback: number, max: number): number {
  return typeof value === 'number' && value >= 0 ? Math.min(Math.floor(value), max) : fallback
}

/** By characters, not by UTF-16 units: half an emoji is no text. */
function cut(text: string, pieceCharacters: number): string[] {
  const characters = Array.from(text)
  const pieces: string[] = []
  for (let index = 0; index < characters.length; index += pieceCharacters) {
    pieces.push(characters.slice(index, index + pieceCharacters).join(''))
  }
  return pieces
}
