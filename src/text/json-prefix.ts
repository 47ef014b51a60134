/** Makes sure that what was passed on of a streamed JSON object can be completed at any moment. */
export interface JsonPrefix {
  /**
   * What may be passed on now. Held back is what has no end yet that would be right whatever follows: a comma, a key without a
   * value, part of an escape, of a literal, of a number. From the first mistake on nothing more is passed on.
   */
  push(text: string): string
  /** What makes one JSON object of all that was passed on. Changes nothing. */
  close(): string
  /** The object is closed. Nothing more is passed on. */
  readonly complete: boolean
  /** What came behind the closed object. */
  readonly rest: string
  /** The text was no prefix of one JSON object, white space behind it aside. */
  readonly broken: boolean
}

/** https://www.rfc-editor.org/rfc/rfc8259, by UTF-16 code unit. The text may be cut anywhere. */
export function createJsonPrefix(): JsonPrefix {
  return new Scanner()
}

/** The longest usable beginning of a text that should have been one JSON object; `{}` when nothing of it is. */
export function repairJsonObject(text: string): Record<string, unknown> {
  const prefix = createJsonPrefix()
  const passed = prefix.push(text)
  return JSON.parse(passed + prefix.close())
}

/** What the next code unit belongs to. */
const state = {
  beforeObject: 0,
  objectStart: 1,
  beforeKey: 2,
  beforeColon: 3,
  beforeValue: 4,
  arrayStart: 5,
  afterValue: 6,
  string: 7,
  escape: 8,
  unicode: 9,
  literal: 10,
  minus: 11,
  zero: 12,
  integer: 13,
  point: 14,
  fraction: 15,
  exponent: 16,
  exponentSign: 17,
  exponentDigits: 18,
  afterObject: 19,
} as const
type State = (typeof state)[keyof typeof state]

/** Deeper nesting is noise, and code that recurses over the finished object has to survive it. */
const depthMax = 500

const quote = 0x22
const backslash = 0x5c
const comma = 0x2c
const colon = 0x3a
const openBrace = 0x7b
const closeBrace = 0x7d
const openBracket = 0x5b
const closeBracket = 0x5d
const digitZero = 0x30
const digitNine = 0x39

class Scanner implements JsonPrefix {
  broken = false
  rest = ''
  #state: State = state.beforeObject
  /** The string being read is a key. */
  #inKey = false
  /** Closing code units of what is open, outermost first. */
  readonly #closers: number[] = []
  /** What is left of the literal, or how many digits of the escape. */
  #literal = ''
  #digitsLeft = 0
  #held = ''

  get complete(): boolean {
    return this.#state === state.afterObject
  }

  push(text: string): string {
    if (this.complete) this.#addRest(text)
    if (this.broken || this.complete) return ''
    let end = 0
    for (let index = 0; index < text.length; index++) {
      const next = this.#after(text.charCodeAt(index))
      if (next === null) {
        this.broken = true
        break
      }
      this.#state = next
      if (this.#canEnd()) end = index + 1
      if (next === state.afterObject) {
        this.#addRest(text.slice(end))
        break
      }
    }
    if (end === 0) {
      this.#held = this.broken ? '' : this.#held + text
      return ''
    }
    const passed = this.#held + text.slice(0, end)
    this.#held = this.broken || this.complete ? '' : text.slice(end)
    return passed
  }

  #addRest(text: string): void {
    this.rest += text
    for (let index = 0; index < text.length && !this.broken; index++) this.broken = !isSpace(text.charCodeAt(index))
  }

  close(): string {
    if (this.#state === state.beforeObject) return '{}'
    let closing = this.#inOpenValue() ? '"' : ''
    for (let index = this.#closers.length - 1; index >= 0; index--) {
      closing += this.#closers[index] === closeBrace ? '}' : ']'
    }
    return closing
  }

  /** A string that is no key was begun and passed on. */
  #inOpenValue(): boolean {
    const current = this.#state
    return !this.#inKey && (current === state.string || current === state.escape || current === state.unicode)
  }

  /** All that was read can be passed on, because `close` can end it. */
  #canEnd(): boolean {
    switch (this.#state) {
      case state.string:
        return !this.#inKey
      case state.beforeObject:
      case state.objectStart:
      case state.arrayStart:
      case state.afterValue:
      case state.zero:
      case state.integer:
      case state.fraction:
      case state.exponentDigits:
      case state.afterObject:
        return true
      default:
        return false
    }
  }

  /** @returns the state after this code unit; `null`: no JSON has it here */
  #after(unit: number): State | null {
    switch (this.#state) {
      case state.string:
        return this.#afterInString(unit)
      case state.escape:
        return this.#afterBackslash(unit)
      case state.unicode:
        if (!isHexDigit(unit)) return null
        this.#digitsLeft--
        return this.#digitsLeft === 0 ? state.string : state.unicode
      case state.literal:
        return this.#afterInLiteral(unit)
      case state.minus:
        return unit === digitZero ? state.zero : isDigit(unit) ? state.integer : null
      case state.point:
        return isDigit(unit) ? state.fraction : null
      case state.exponent:
        return isDigit(unit) ? state.exponentDigits : unit === 0x2b || unit === 0x2d ? state.exponentSign : null
      case state.exponentSign:
        return isDigit(unit) ? state.exponentDigits : null
      case state.zero:
      case state.integer:
      case state.fraction:
      case state.exponentDigits:
        return this.#afterDigit(unit)
      default:
        return isSpace(unit) ? this.#state : this.#afterMark(unit)
    }
  }

  /** Between the values, where white space may stand. */
  #afterMark(unit: number): State | null {
    switch (this.#state) {
      case state.beforeObject:
        return unit === openBrace ? this.#open(closeBrace) : null
      case state.objectStart:
        return unit === closeBrace ? this.#shut(unit) : this.#beginKey(unit)
      case state.beforeKey:
        return this.#beginKey(unit)
      case state.beforeColon:
        return unit === colon ? state.beforeValue : null
      case state.arrayStart:
        return unit === closeBracket ? this.#shut(unit) : this.#beginValue(unit)
      case state.beforeValue:
        return this.#beginValue(unit)
      case state.afterValue:
        if (unit !== comma) return this.#shut(unit)
        return this.#closers.at(-1) === closeBrace ? state.beforeKey : state.beforeValue
      default:
        return null
    }
  }

  #beginKey(unit: number): State | null {
    if (unit !== quote) return null
    this.#inKey = true
    return state.string
  }

  #beginValue(unit: number): State | null {
    switch (unit) {
      case quote:
        this.#inKey = false
        return state.string
      case openBrace:
        return this.#open(closeBrace)
      case openBracket:
        return this.#open(closeBracket)
      case 0x74:
        return this.#beginLiteral('rue')
      case 0x66:
        return this.#beginLiteral('alse')
      case 0x6e:
        return this.#beginLiteral('ull')
      case 0x2d:
        return state.minus
      case digitZero:
        return state.zero
      default:
        return isDigit(unit) ? state.integer : null
    }
  }

  #beginLiteral(rest: string): State {
    this.#literal = rest
    return state.literal
  }

  #afterInLiteral(unit: number): State | null {
    if (unit !== this.#literal.charCodeAt(0)) return null
    this.#literal = this.#literal.slice(1)
    return this.#literal === '' ? state.afterValue : state.literal
  }

  #afterInString(unit: number): State | null {
    if (unit === quote) return this.#inKey ? state.beforeColon : state.afterValue
    if (unit === backslash) return state.escape
    return unit < 0x20 ? null : state.string
  }

  #afterBackslash(unit: number): State | null {
    switch (unit) {
      case 0x75: // u
        this.#digitsLeft = 4
        return state.unicode
      case quote:
      case backslash:
      case 0x2f: // slash
      case 0x62: // b
      case 0x66: // f
      case 0x6e: // n
      case 0x72: // r
      case 0x74: // t
        return state.string
      default:
        return null
    }
  }

  #afterDigit(unit: number): State | null {
    const current = this.#state
    if (isDigit(unit)) return current === state.zero ? null : current
    if (unit === 0x2e) return current === state.zero || current === state.integer ? state.point : null
    if (unit === 0x65 || unit === 0x45) return current === state.exponentDigits ? null : state.exponent
    if (isSpace(unit)) return state.afterValue
    // The number is over, and this unit is read as what follows a value.
    this.#state = state.afterValue
    return this.#afterMark(unit)
  }

  #open(closer: number): State | null {
    if (this.#closers.length === depthMax) return null
    this.#closers.push(closer)
    return closer === closeBrace ? state.objectStart : state.arrayStart
  }

  #shut(unit: number): State | null {
    if (unit !== this.#closers.at(-1)) return null
    this.#closers.pop()
    return this.#closers.length === 0 ? state.afterObject : state.afterValue
  }
}

function isDigit(unit: number): boolean {
  return unit >= digitZero && unit <= digitNine
}

function isHexDigit(unit: number): boolean {
  const lower = unit | 0x20
  return isDigit(unit) || (lower >= 0x61 && lower <= 0x66)
}

/** The white space of JSON, which is less than that of Unicode. */
function isSpace(unit: number): boolean {
  return unit === 0x20 || unit === 0x0a || unit === 0x0d || unit === 0x09
}
