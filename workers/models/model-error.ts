/** A model that cannot be used as asked: the message is one line for the user and names the remedy, so nobody prints its stack. */
export class ModelError extends Error {
  /** Not a bug of ours: show the message, exit with 1. */
  readonly expected = true

  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'ModelError'
  }
}
