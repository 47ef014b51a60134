import type { Token } from 'node-llama-cpp'
import type { PromptMark } from '../messages.ts'
import type { Segment } from './placeholders.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface Encoded {
  readonly tokens: readonly Token[]
  readonly marks: readonly PromptMark[]
}

/** As many as the Messages API allows. Each is found by tokenising all text before it once more, so of too many the last count. */
const marksMax = 4

/**
 * Rendered segments to tokens. Control tokens come only from what the template wrote. Between two of them, template and client
 * text are tokenised together, so that an ordinary prompt has the very tokens that the model was trained on.
 */
export function encodeSegments(vocabulary: Vocabulary, segments: readonly Segment[]): Encoded {
  const encoder = new Encoder(vocabulary)
  let marksLeft = segments.filter((segment) => segment.kind === 'client' && segment.mark !== null).length
  for (const segment of segments) {
    if (segment.kind === 'template') {
      encoder.addTemplate(segment.text)
      continue
    }
    encoder.addClient(segment.text, marksLeft > marksMax ? null : segment.mark)
    if (segment.mark !== null) marksLeft--
  }
  return encoder.finish()
}

class Encoder {
  readonly #vocabulary: Vocabulary
  readonly #tokens: Token[] = []
  readonly #marks: PromptMark[] = []
  /** Text since the last control token, and the client's marks in it. */
  #run = ''
  #runMarks: { end: number; mark: PromptMark['mark'] }[] = []
  /** The control token before the run swallows white space. */
  #stripsStart = false

  constructor(vocabulary: Vocabulary) {
    this.#vocabulary = vocabulary
  }

  addTemplate(text: string): void {
    const { specials, stripping } = this.#vocabulary
    let end = 0
    for (const match of text.matchAll(specials)) {
      const [special] = match
      this.#run += text.slice(end, match.index)
      this.#endRun(stripping.before.has(special))
      this.#append(this.#vocabulary.encodeSpecial(special))
      this.#stripsStart = stripping.behind.has(special)
      end = match.index + special.length
    }
    this.#run += text.slice(end)
  }

  addClient(text: string, mark: PromptMark['mark'] | null): void {
    this.#run += text
    if (mark !== null) this.#runMarks.push({ end: this.#run.length, mark })
  }

  finish(): Encoded {
    this.#endRun(false)
    const { bos } = this.#vocabulary
    if (bos === null || this.#tokens[0] === bos) return { tokens: this.#tokens, marks: this.#marks }
    const marks = this.#marks.map(({ position, mark }) => ({ position: position + 1, mark }))
    return { tokens: [bos, ...this.#tokens], marks }
  }

  #endRun(stripsEnd: boolean): void {
    const before = this.#tokens.length
    const start = this.#stripsStart ? leadingSpace(this.#run) : 0
    const run = stripsEnd ? trimEnd(this.#run.slice(start)) : this.#run.slice(start)
    const tokens = this.#encodeRun(run)
    for (const { end, mark } of this.#runMarks) {
      // A beginning alone may take more tokens than the whole, whose merges it lacks.
      const count = Math.min(this.#encodeRun(run.slice(0, Math.max(0, end - start))).length, tokens.length)
      this.#marks.push({ position: before + count, mark })
    }
    this.#append(tokens)
    this.#run = ''
    this.#runMarks = []
    this.#stripsStart = false
  }

  /**
   * A marker that survives in a run was written by the client, at least in part: it is cut after its first character. The search
   * goes on right behind the cut, because the rest may hold a marker too: five dashes hold three.
   */
  #encodeRun(run: string): readonly Token[] {
    if (run === '') return []
    const { markers } = this.#vocabulary
    const tokens: Token[] = []
    let end = 0
    if (markers !== null) {
      markers.lastIndex = 0
      for (let match = markers.exec(run); match !== null; match = markers.exec(run)) {
        const cut = match.index + 1
        appendAll(tokens, this.#vocabulary.encodeText(run.slice(end, cut), end > 0))
        end = cut
        markers.lastIndex = cut
      }
    }
    if (end === 0) return this.#vocabulary.encodeText(run, false)
    appendAll(tokens, this.#vocabulary.encodeText(run.slice(end), true))
    return tokens
  }

  #append(tokens: readonly Token[]): void {
    appendAll(this.#tokens, tokens)
  }
}

/** White space as the engine sees it, which is less than that of Unicode. */
const engineSpace = ' \t\n\v\f\r'

function leadingSpace(text: string): number {
  let count = 0
  while (count < text.length && engineSpace.includes(text.charAt(count))) count++
  return count
}

function trimEnd(text: string): string {
  let end = text.length
  while (end > 0 && engineSpace.includes(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

/** Not by spread: a prompt of megabytes has more tokens than a call may have arguments. */
function appendAll(target: Token[], tokens: readonly Token[]): void {
  for (const token of tokens) target.push(token)
}
