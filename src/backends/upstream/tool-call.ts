import { createJsonPrefix } from '../../text/json-prefix.ts'
import { Fingerprint } from './fingerprint.ts'

/** A call as it comes in. What may be passed on of its arguments waits in `unsent` until its block is open. */
export class ToolCall {
  /** '' until the upstream gives one. */
  id = ''
  name = ''
  /** `null`: its first piece said none. */
  readonly index: number | null
  isOpen = false
  unsent = ''
  readonly input = createJsonPrefix()
  readonly arguments = new Fingerprint()

  constructor(index: number | null) {
    this.index = index
  }

  /** Nothing more of its arguments can be passed on. */
  get isOver(): boolean {
    return this.input.complete || this.input.broken
  }

  /** Its name is whole and its arguments have begun. */
  get canOpen(): boolean {
    return this.name !== '' && this.arguments.length > 0
  }

  /** Names come once, again with every piece, in parts, or growing; in front of the arguments in any case. */
  addName(piece: string): void {
    if (piece === '' || (this.arguments.length > 0 && this.name !== '')) return
    this.name = piece.startsWith(this.name) ? piece : this.name + piece
  }

  addArguments(piece: string): void {
    this.arguments.add(piece)
    this.unsent += this.input.push(piece)
  }
}
