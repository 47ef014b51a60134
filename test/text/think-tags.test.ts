import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { createThinkTagParser, defaultThinkPairs, type ThinkTagOptions } from '../../src/text/think-tags.ts'

type Options = Omit<ThinkTagOptions, 'onPiece' | 'onThinkingEnd'>
type Block = readonly ['text' | 'thinking', string]

/** Pieces of one kind joined, as blocks would be. */
function blocksOf(pieces: readonly string[], options: Options = {}): Block[] {
  const blocks: ['text' | 'thinking', string][] = []
  let isOpen = false
  const parser = createThinkTagParser({
    ...options,
    onPiece: (kind, text) => {
      assert.notEqual(text, '')
      const last = blocks.at(-1)
      if (isOpen && last?.[0] === kind) last[1] += text
      else blocks.push([kind, text])
      isOpen = true
    },
    onThinkingEnd: () => {
      assert.equal(blocks.at(-1)?.[0], 'thinking')
      isOpen = false
    },
  })
  for (const piece of pieces) parser.push(piece)
  parser.end()
  return blocks
}

function split(text: string, cuts: readonly number[]): string[] {
  const at = [0, ...cuts.map((cut) => cut % (text.length + 1)).sort((a, b) => a - b), text.length]
  return at.slice(1).map((end, index) => text.slice(at[index], end))
}

const thinking = (text: string): Block => ['thinking', text]
const text = (content: string): Block => ['text', content]

interface Case {
  readonly answer: string
  readonly blocks: readonly Block[]
  readonly options?: Options
}

const cases: Readonly<Record<string, readonly Case[]>> = {
  'pairs of tags': [
    { answer: 'no tags', blocks: [text('no tags')] },
    { answer: '<think>a</think>b', blocks: [thinking('a'), text('b')] },
    { answer: '<thinking>a</thinking>b', blocks: [thinking('a'), text('b')] },
    { answer: '<thought>a</thought>b', blocks: [thinking('a'), text('b')] },
    { answer: '<Think>a</Think>b', blocks: [text('<Think>a</Think>b')] },
    { answer: '<think >a</think>', blocks: [text('<think >a</think>')] },
    { answer: '<think>a</thinking>b</think>c', blocks: [thinking('a</thinking>b'), text('c')] },
    { answer: '<think>a</think>', blocks: [thinking('a')] },
    {
      answer: '[T]a[/T]b',
      blocks: [thinking('a'), text('b')],
      options: { pairs: [{ open: '[T]', close: '[/T]' }] },
    },
    {
      answer: '<tx</ty',
      blocks: [thinking('x'), text('y')],
      options: { pairs: [{ open: '<t', close: '</t' }, ...defaultThinkPairs] },
    },
    {
      answer: '<think>x</think>y',
      blocks: [thinking('x'), text('y')],
      options: { pairs: [{ open: '<t', close: '</t' }, ...defaultThinkPairs] },
    },
  ],
  'where openers count': [
    { answer: ' \n\t<think>a</think>b', blocks: [thinking('a'), text('b')] },
    { answer: 'a <think>b</think>', blocks: [text('a <think>b</think>')] },
    { answer: 'a\n<think>b</think>c', blocks: [text('a\n'), thinking('b'), text('c')] },
    { answer: 'a\n<think>b</think>c', blocks: [text('a\n<think>b</think>c')], options: { interleaved: false } },
    { answer: ' <think>b</think>c', blocks: [thinking('b'), text('c')], options: { interleaved: false } },
    {
      answer: '<think>a</think><think>b</think>',
      blocks: [thinking('a'), text('<think>b</think>')],
      options: { interleaved: false },
    },
    { answer: '`<think>`', blocks: [text('`<think>`')] },
    { answer: 'use `a\n<think>` b', blocks: [text('use `a\n<think>` b')] },
    { answer: 'a ` b\n\n<think>c', blocks: [text('a ` b\n\n'), thinking('c')] },
    { answer: 'a `` b ` c `` d\n<think>e', blocks: [text('a `` b ` c `` d\n'), thinking('e')] },
    { answer: '```\n<think>\n```\n<think>a', blocks: [text('```\n<think>\n```\n'), thinking('a')] },
    { answer: '~~~xml\n<think>\n```\n<think>', blocks: [text('~~~xml\n<think>\n```\n<think>')] },
    { answer: '````\n```\n<think>\n````  \n<think>a', blocks: [text('````\n```\n<think>\n````  \n'), thinking('a')] },
    { answer: '```\n``` no\n<think>', blocks: [text('```\n``` no\n<think>')] },
    { answer: '```a```\n<think>b', blocks: [text('```a```\n'), thinking('b')] },
  ],
  'the opener in the prompt': [
    { answer: 'a</think>b', blocks: [thinking('a'), text('b')], options: { openInPrompt: true } },
    { answer: '\na\n</thought>\n\nb', blocks: [thinking('a'), text('b')], options: { openInPrompt: true } },
    { answer: 'a', blocks: [thinking('a')], options: { openInPrompt: true } },
    { answer: '<think>\na</think>b', blocks: [thinking('a'), text('b')], options: { openInPrompt: true } },
    { answer: '</think>\nb', blocks: [text('b')], options: { openInPrompt: true } },
    { answer: '</think>a', blocks: [text('a')] },
    { answer: '\n\n</think>\n\na', blocks: [text('a')] },
    { answer: 'a</think>b', blocks: [text('a</think>b')] },
    { answer: '<think>a</think></think>b', blocks: [thinking('a'), text('</think>b')] },
  ],
  nesting: [
    { answer: '<think>a<think>b</think>c</think>d', blocks: [thinking('a<think>b</think>c'), text('d')] },
    { answer: '<think>a<thought>b</think>c', blocks: [thinking('a<thought>b'), text('c')] },
    { answer: '<think>write `<think>` here</think>a', blocks: [thinking('write `<think>` here'), text('a')] },
    { answer: '<think>`<think>x</think>` y</think>a', blocks: [thinking('`<think>x</think>` y'), text('a')] },
    { answer: '<think>an open ` tick</think>a', blocks: [thinking('an open ` tick'), text('a')] },
    { answer: '<think>```\ncode</think>a', blocks: [thinking('```\ncode'), text('a')] },
  ],
  'the end': [
    { answer: '<think>a', blocks: [thinking('a')] },
    { answer: '<think>a </thi', blocks: [thinking('a </thi')] },
    { answer: '<think>a\n', blocks: [thinking('a\n')] },
    { answer: '<thi', blocks: [text('<thi')] },
    { answer: 'a\n<', blocks: [text('a\n<')] },
    { answer: ' \n', blocks: [text(' \n')] },
    { answer: '', blocks: [] },
  ],
  trimming: [
    { answer: '<think>\n\n a \n b \n</think>\n\n c \n', blocks: [thinking('\n a \n b'), text('c \n')] },
    { answer: '<think>\r\na\r\n</think>\r\nb', blocks: [thinking('a'), text('b')] },
    { answer: '<think>\n\n</think>\n\nb', blocks: [text('b')] },
    { answer: '<think></think>', blocks: [] },
    { answer: '<think> \n', blocks: [] },
    { answer: ' a', blocks: [text(' a')] },
  ],
  'several pairs': [
    { answer: '<think>a</think>b\n<think>c</think>d', blocks: [thinking('a'), text('b\n'), thinking('c'), text('d')] },
    { answer: '<think>a</think>\n<thought>b</thought>\nc', blocks: [thinking('a'), thinking('b'), text('c')] },
  ],
  modes: [
    { answer: '<think>a</think>b', blocks: [text('<think>a</think>b')], options: { mode: 'off' } },
    { answer: 'a', blocks: [text('a')], options: { mode: 'off', openInPrompt: true } },
    { answer: '<think>a</think>b', blocks: [thinking('a'), text('b')], options: { mode: 'on' } },
  ],
}

for (const [name, list] of Object.entries(cases)) {
  describe(name, () => {
    for (const { answer, blocks, options = {} } of list) {
      it(`${JSON.stringify(answer)} ${options === undefined ? '' : JSON.stringify(options)}`, () => {
        assert.deepEqual(blocksOf([answer], options), blocks)
        assert.deepEqual(blocksOf([...answer], options), blocks)
      })
    }
  })
}

describe('a stream', () => {
  it('gives the same however it is cut', () => {
    const part = fc.constantFrom(
      ...['<think>', '</think>', '<thinking>', '</thinking>', '<thought>', '</thou', '<thi', '<', 'nk>'],
      ...['`', '``', '```', '~~~', '\n', '\n\n', '\r\n', ' ', '    ', 'a', 'word', '👩‍👩‍👧', '\u2028'],
    )
    const options = fc.record<Options>(
      { openInPrompt: fc.boolean(), interleaved: fc.boolean(), mode: fc.constantFrom('auto', 'on', 'off') },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.array(part, { maxLength: 25 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        options,
        (parts, cuts, given) => {
          const answer = parts.join('')
          assert.deepEqual(blocksOf(split(answer, cuts), given), blocksOf([answer], given))
        },
      ),
      { numRuns: 10_000 },
    )
  })

  it('loses nothing but tags and the blanks around them', () => {
    const part = fc.constantFrom('<think>', '</think>', 'a', 'b', ' ', '\n', '`', '```')
    const bare = (content: string): string => content.replace(/<\/?think>|\s/g, '')
    fc.assert(
      fc.property(fc.array(part, { maxLength: 25 }), (parts) => {
        const contents = blocksOf(parts).map(([, content]) => content)
        assert.equal(bare(contents.join('')), bare(parts.join('')))
      }),
      { numRuns: 5000 },
    )
  })

  it('lets go of everything that cannot become a tag', () => {
    const pieces: string[] = []
    const parser = createThinkTagParser({ onPiece: (kind, content) => pieces.push(`${kind}:${content}`) })
    for (const piece of ['one <', 'two\n<', 'b>\n<th', 'ink', '>three ', 'four</', 'b></think', '>five']) {
      parser.push(piece)
      pieces.push('|')
    }
    assert.equal(
      pieces.join(' '),
      'text:one < | text:two\n | text:<b>\n | | thinking:three | thinking: four | thinking:</b> | text:five |',
    )
  })

  it('is text from the moment when thinking comes on a channel of its own', () => {
    const blocks: Block[] = []
    const parser = createThinkTagParser({ onPiece: (kind, content) => blocks.push([kind, content]) })
    parser.push('\n<thi')
    parser.noteReasoningChannel()
    parser.push('nk>a</think>')
    parser.end()
    assert.deepEqual(blocks, [text('\n<thi'), text('nk>a</think>')])
  })

  it('tells whether it is thinking', () => {
    const seen: boolean[] = []
    const parser = createThinkTagParser({ onPiece: () => {} })
    for (const piece of ['<thin', 'k>', 'a</think', '>', 'b']) {
      parser.push(piece)
      seen.push(parser.isThinking)
    }
    assert.deepEqual(seen, [false, true, true, false, false])
  })

  it('keeps looking for tags in mode on', () => {
    const blocks: Block[] = []
    const parser = createThinkTagParser({ mode: 'on', onPiece: (kind, content) => blocks.push([kind, content]) })
    parser.noteReasoningChannel()
    parser.push('<think>a</think>b')
    assert.deepEqual(blocks, [thinking('a'), text('b')])
  })
})

for (const opener of ['', '<think>a']) {
  it(`white space without end behind '${opener}' is not collected without end`, () => {
    let shown = 0
    const parser = createThinkTagParser({ onPiece: (_kind, text) => (shown += text.length) })
    parser.push(opener)
    for (let count = 0; count < 20; count++) parser.push(' '.repeat(10_000))
    assert.ok(shown > 100_000, `${shown} were passed on`)
  })
}
