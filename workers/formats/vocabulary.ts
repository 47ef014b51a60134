import type { LlamaModel, Token } from 'node-llama-cpp'

/** What tokenising a rendered prompt needs to know of a model's vocabulary. */
export interface Vocabulary {
  /** Tokenises text that is only text. `continues`: it goes on after other text, so no leading space is put before it. */
  encodeText(text: string, continues: boolean): readonly Token[]
  encodeSpecial(text: string): readonly Token[]
  /** Every text that is a token of its own when a template writes it. */
  readonly specials: RegExp
  /** Those of them that swallow the white space before them, or behind them. */
  readonly stripping: { readonly before: ReadonlySet<string>; readonly behind: ReadonlySet<string> }
  /** Those that the engine takes for their token in plain text too (design fact 16) and that this model's template uses. */
  readonly markers: RegExp | null
  /** Control tokens whose text stands in this one. */
  controlTokensIn(text: string): readonly Token[]
  /** Texts of the tokens that end a turn. */
  readonly turnEnds: RegExp
  /** Put before every prompt that does not begin with it. */
  readonly bos: Token | null
}

export function readVocabulary(model: LlamaModel, templateSource: string): Vocabulary {
  const specials: string[] = []
  const markers: string[] = []
  const turnEnds: string[] = []
  const stripping = { before: new Set<string>(), behind: new Set<string>() }
  const controls: { token: Token; text: string }[] = []
  for (const token of model.iterateAllTokens()) {
    const attributes = model.getTokenAttributes(token)
    if (!attributes.control && !attributes.userDefined) continue
    const text = model.detokenize([token], true)
    if (text.trim() === '') continue // runs of white space are tokens of some vocabularies, and ordinary text
    if (attributes.control || templateSource.includes(text)) specials.push(text)
    if (attributes.lstrip) stripping.before.add(text)
    if (attributes.rstrip) stripping.behind.add(text)
    if (attributes.control) controls.push({ token, text })
    if (model.isEogToken(token)) turnEnds.push(text)
    if (attributes.userDefined && templateSource.includes(text)) markers.push(text)
  }
  return {
    encodeText: (text, continues) => model.tokenize(text, false, continues ? 'trimLeadingSpace' : undefined),
    encodeSpecial: (text) => model.tokenize(text, true, 'trimLeadingSpace'),
    specials: oneOf(specials),
    stripping,
    markers: markers.length === 0 ? null : oneOf(markers),
    controlTokensIn: (source) => controls.filter(({ text }) => source.includes(text)).map(({ token }) => token),
    turnEnds: oneOf(turnEnds),
    bos: model.tokens.shouldPrependBosToken ? model.tokens.bos : null,
  }
}

/** The longest alternative wins, as in the engine. An empty list matches nothing. */
function oneOf(texts: readonly string[]): RegExp {
  const longestFirst = [...texts].sort((one, other) => other.length - one.length)
  const alternatives = longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(alternatives.length === 0 ? '(?!)' : alternatives.join('|'), 'g')
}
