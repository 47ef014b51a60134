/** What the text of an answer turns out to be. */
export interface AnswerEvents {
  thought(text: string): void
  text(text: string): void
  /** What follows, of whatever kind, is another block. */
  boundary(): void
  callStart(name: string): void
  callInput(fragment: string): void
  /** `complete`: its arguments are whole. */
  callEnd(complete: boolean): void
}

/** Reads an answer in one model's format. Where the pieces are cut makes no difference. */
export interface AnswerReader {
  readonly isThinking: boolean
  /** The text that a client's schema binds has not begun yet. */
  readonly awaitsText: boolean
  /** Between what opens a call and its end. */
  readonly inCall: boolean
  /** A call was just opened, and at most white space has come behind: the moment at which a grammar can take over. */
  readonly atCallStart: boolean
  push(text: string): void
  /** The answer is over; what was held back is decided. `cut`: by a limit, so an unfinished call is left as it is. */
  end(cut: boolean): void
}
