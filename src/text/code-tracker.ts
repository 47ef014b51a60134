const lineFeed = 0x0a
const backtick = 0x60
const tilde = 0x7e

/** Follows Markdown as far as it takes to know what is code (https://spec.commonmark.org/0.31.2/#fenced-code-blocks, #code-spans). */
export class CodeTracker {
  /** Of the open fence; 0: none. */
  #fenceUnit = 0
  #fenceLength = 0
  /** The rest of the line that opened the fence. */
  #isInfo = false
  /** This line closes the fence, if nothing else stands on it. */
  #isClosing = false
  /** Backticks that opened a code span; 0: none is open. */
  #spanLength = 0
  /** The run of backticks or tildes being read. */
  #runUnit = 0
  #runLength = 0
  #runIsFirst = false
  #column = 0
  #indent = 0
  #isBlankLine = true

  get isInside(): boolean {
    return this.#fenceLength > 0 || this.#spanLength > 0
  }

  get isLineStart(): boolean {
    return this.#column === 0
  }

  reset(): void {
    this.#fenceLength = 0
    this.#spanLength = 0
    this.#runLength = 0
    this.#isInfo = false
    this.#isClosing = false
    this.#beginLine()
  }

  push(unit: number): void {
    if (unit !== this.#runUnit) this.settle()
    if (unit === lineFeed) {
      this.#endLine()
      return
    }
    this.#column++
    if (unit === backtick || unit === tilde) this.#continueRun(unit)
    else if (!isBlank(unit)) this.#endBlank()
    else if (this.#isBlankLine) this.#indent++
  }

  #endBlank(): void {
    this.#isBlankLine = false
    this.#isClosing = false
  }

  /** No more of the run follows. */
  settle(): void {
    const length = this.#runLength
    if (length === 0) return
    this.#runLength = 0
    if (this.#isInfo && this.#fenceUnit === backtick && this.#runUnit === backtick) this.#turnFenceIntoSpan()
    if (this.#fenceLength > 0) {
      this.#isClosing = this.#runIsFirst && this.#runUnit === this.#fenceUnit && length >= this.#fenceLength
    } else if (this.#runIsFirst && length >= 3) {
      this.#fenceUnit = this.#runUnit
      this.#fenceLength = length
      this.#spanLength = 0
      this.#isInfo = true
    } else if (this.#runUnit === backtick) {
      if (this.#spanLength === 0) this.#spanLength = length
      else if (this.#spanLength === length) this.#spanLength = 0
    }
  }

  /** A line such as "```a```" is a code span: the line that opens a fence of backticks holds no others. */
  #turnFenceIntoSpan(): void {
    this.#spanLength = this.#fenceLength
    this.#fenceLength = 0
    this.#isInfo = false
  }

  #continueRun(unit: number): void {
    if (this.#runLength === 0) {
      this.#runUnit = unit
      this.#runIsFirst = this.#isBlankLine && this.#indent <= 3
      this.#isBlankLine = false
    }
    this.#runLength++
  }

  #endLine(): void {
    if (this.#isClosing) this.#fenceLength = 0
    // A code span ends with its paragraph, whether it was closed or not.
    if (this.#isBlankLine) this.#spanLength = 0
    this.#isInfo = false
    this.#isClosing = false
    this.#beginLine()
  }

  #beginLine(): void {
    this.#column = 0
    this.#indent = 0
    this.#isBlankLine = true
  }
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
}
