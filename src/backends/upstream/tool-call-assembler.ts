import { HeadendError } from '../../contract/errors.ts'
import type { BlockQueue } from './block-queue.ts'
import { type Fields, fieldsOf, textOf } from './fields.ts'
import { ToolCall } from './tool-call.ts'
import type { UpstreamUsage } from './upstream-usage.ts'

const callsMax = 1000
/** Names and arguments of all calls of one answer. UTF-16 units. */
const callUnitsMax = 16_777_216

/**
 * Puts calls together from their pieces. `index` should say which call a piece belongs to, but many servers leave it out or write 0
 * always, repeat or change ids, and send names again or in parts; api-surface.md 14.2 lists what has been seen.
 */
export class ToolCallAssembler {
  readonly #queue: BlockQueue
  readonly #usage: UpstreamUsage
  readonly #parallel: boolean
  readonly #calls: ToolCall[] = []
  /** The latest call of each index. */
  readonly #byIndex = new Map<number, ToolCall>()
  /** The call that the latest piece belonged to. */
  #latest: ToolCall | null = null
  #units = 0

  constructor(queue: BlockQueue, usage: UpstreamUsage, parallel: boolean) {
    this.#queue = queue
    this.#usage = usage
    this.#parallel = parallel
  }

  /** More than one call came where one was wanted, and that one is complete. */
  get isCut(): boolean {
    const [first] = this.#calls
    return !this.#parallel && this.#calls.length > 1 && first?.isOpen === true && first.isOver
  }

  /** @param pieces `tool_calls` of a delta */
  addPieces(pieces: readonly unknown[]): void {
    const { length } = this.#calls
    let previous: ToolCall | null = null
    for (const piece of pieces) {
      const fields = fieldsOf(piece)
      if (fields === null) continue
      const index = typeof fields.index === 'number' ? fields.index : null
      previous = this.#addPiece(fields, index, previous) ?? previous
    }
    if (previous !== null || length !== this.#calls.length) this.#queue.advance()
  }

  /** @param calls `tool_calls` of a message: each is a call of its own, and repeats what came of it before */
  addWhole(calls: readonly unknown[]): void {
    for (const [position, item] of calls.entries()) {
      const fields = fieldsOf(item)
      const { id, name, input } = membersOf(fields ?? {})
      if (fields === null || (name === '' && input === '')) continue
      const current = this.#byIndex.get(position) ?? this.#calls[position]
      const isNew = current === undefined || (name !== '' && beginsAnother(current, id, name, input, false))
      const call = isNew ? this.#newCall(position) : current
      this.#extend(call, id, name, call.arguments.newOf(input))
    }
    this.#queue.advance()
  }

  #addPiece(fields: Fields, index: number | null, previous: ToolCall | null): ToolCall | null {
    const { id, name, input } = membersOf(fields)
    if (id === '' && name === '' && input === '') return null
    const current = this.#currentOf(index, id)
    const isNew = current === null || (name !== '' && beginsAnother(current, id, name, input, current === previous))
    const call = isNew ? this.#newCall(index) : current
    // What is sent once more at the end is dropped by the scanner: the object is closed.
    this.#extend(call, id, name, input)
    return call
  }

  /** The call that goes on with this piece, if it does not begin another. */
  #currentOf(index: number | null, id: string): ToolCall | null {
    const latest = index === null ? this.#latest : (this.#byIndex.get(index) ?? null)
    if (id === '' || latest === null || latest.id === id) return latest
    return this.#calls.find((call) => call.id === id && (index === null || call.index === index)) ?? latest
  }

  #newCall(index: number | null): ToolCall {
    if (this.#calls.length === callsMax) {
      throw new HeadendError('upstream-malformed', `the upstream sent more than ${callsMax} tool calls in one answer`)
    }
    const call = new ToolCall(index)
    this.#calls.push(call)
    if (index !== null) this.#byIndex.set(index, call)
    if (this.#parallel || this.#calls.length === 1) this.#queue.addCall(call)
    return call
  }

  #extend(call: ToolCall, id: string, name: string, input: string): void {
    this.#units += name.length + input.length
    if (this.#units > callUnitsMax) {
      throw new HeadendError('upstream-malformed', `the upstream sent tool calls of more than ${callUnitsMax} bytes`)
    }
    this.#latest = call
    if (call.id === '') call.id = id
    if (name !== call.name) this.#usage.countOutput(name)
    this.#usage.countOutput(input)
    call.addName(name)
    call.addArguments(input)
  }
}

/** Whether a piece that has a name is the first of another call. */
function beginsAnother(current: ToolCall, id: string, name: string, input: string, isSameList: boolean): boolean {
  if (id !== '' && current.id !== '' && id !== current.id) return !continuesUnderNewId(current, name, input)
  if (current.name === '') return false
  if (current.isOver) return name !== current.name || (input !== '' && !isRepetition(current, input))
  // Pieces of one list that tell nothing apart are calls side by side.
  return isSameList && (id === '' || id !== current.id)
}

/** Some servers give every piece an id of its own. The arguments of a call that begins here would begin with a brace. */
function continuesUnderNewId(current: ToolCall, name: string, input: string): boolean {
  if (name !== current.name || current.isOver || current.arguments.length === 0) return false
  return input !== '' && !input.trimStart().startsWith('{')
}

function isRepetition(call: ToolCall, input: string): boolean {
  return input.length === call.arguments.length && call.arguments.begins(input)
}

interface Members {
  readonly id: string
  readonly name: string
  /** The arguments, as JSON. */
  readonly input: string
}

function membersOf(fields: Fields): Members {
  const named = fieldsOf(fields.function)
  const input = named?.arguments
  const isObject = fieldsOf(input) !== null
  return { id: textOf(fields.id), name: textOf(named?.name), input: isObject ? stringified(input) : textOf(input) }
}

/** @throws HeadendError upstream-malformed: nested deeper than anything that makes sense */
function stringified(input: unknown): string {
  try {
    return JSON.stringify(input)
  } catch (cause) {
    throw new HeadendError('upstream-malformed', 'the upstream sent arguments that are nested too deep', { cause })
  }
}
