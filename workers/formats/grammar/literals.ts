/** Deeper tries would nest groups deeper than the engine's recursive parser should go. */
const trieDepthMax = 24

/** Text as a GBNF literal. */
export function quote(text: string): string {
  let quoted = '"'
  for (const character of text) quoted += escapeForGrammar(character)
  return `${quoted}"`
}

/** One character for use in a GBNF literal or class. */
export function escapeForGrammar(character: string): string {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return '"\\[]-^'.includes(character) ? escapeMark(character, code) : character
}

/** `^` has no escape of its own in GBNF, and `-`, `[` and `]` have theirs in literals too. */
function escapeMark(character: string, code: number): string {
  return character === '^' ? `\\x${code.toString(16)}` : `\\${character}`
}

/**
 * A choice of literals, as a trie: alternatives that share a beginning share the rule for it. Each alternative is one more stack
 * that the engine tries on the whole vocabulary, so a flat list of a thousand takes a second per token.
 * @param texts all different, at least one
 */
export function quoteChoice(texts: readonly string[]): string {
  return choice(texts, 0, 0)
}

function choice(texts: readonly string[], start: number, depth: number): string {
  const [first = ''] = texts
  if (texts.length === 1) return quote(first.slice(start))
  if (depth === trieDepthMax) return texts.map((text) => quote(text.slice(start))).join(' | ')
  return groupByCharacter(texts, start)
    .map((group) => branch(group, start, depth))
    .join(' | ')
}

function branch(texts: readonly string[], start: number, depth: number): string {
  const [first = ''] = texts
  if (texts.length === 1) return quote(first.slice(start))
  const end = commonEnd(texts, start)
  return `${quote(first.slice(start, end))} ( ${choice(texts, end, depth + 1)} )`
}

/** Texts that go on with the same character, in the order of their first. One that ends here is a group of its own. */
function groupByCharacter(texts: readonly string[], start: number): readonly (readonly string[])[] {
  const groups = new Map<number | undefined, string[]>()
  for (const text of texts) {
    const character = text.codePointAt(start)
    const group = groups.get(character)
    if (group === undefined) groups.set(character, [text])
    else group.push(text)
  }
  return [...groups.values()]
}

/** Where the texts, which agree up to `start`, part. Never inside a surrogate pair. */
function commonEnd(texts: readonly string[], start: number): number {
  const [first = ''] = texts
  let end = first.length
  for (const text of texts) {
    let index = start
    while (index < end && text.charCodeAt(index) === first.charCodeAt(index)) index++
    end = index
  }
  const before = first.charCodeAt(end - 1)
  return end > start && before >= 0xd800 && before < 0xdc00 ? end - 1 : end
}
