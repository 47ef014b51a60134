import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import fc from 'fast-check'
import type { Token } from 'node-llama-cpp'
import { TokenText } from '../../workers/token-text.ts'
import { openVocabularyModel, type VocabularyModel } from '../support/vocabulary-model.ts'

let vocabulary: VocabularyModel
before(async () => {
  vocabulary = await openVocabularyModel()
})
after(() => vocabulary.close())

function tokensOf(text: string): Token[] {
  return vocabulary.model.tokenize(text)
}

function run(tokens: readonly Token[]): { pieces: string[]; tail: string } {
  const text = new TokenText(vocabulary.model)
  return { pieces: tokens.map((token) => text.push(token)), tail: text.flush() }
}

test('a character that is split over tokens arrives whole', () => {
  const tokens = tokensOf('a👩b')
  assert.ok(tokens.length > 3, 'the emoji has several tokens')
  const { pieces, tail } = run(tokens)
  assert.deepEqual(
    pieces.filter((piece) => piece !== ''),
    ['a', '👩', 'b'],
  )
  assert.equal(tail, '')
})

test('any text comes out as it went in, and no piece has half a character', () => {
  const unit = fc.constantFrom(
    ' ',
    '\n',
    'a',
    'the',
    'é',
    '中',
    '👩‍👩‍👧',
    '\u00a0',
    '1',
    '{',
    'ß',
    'Hello',
    '.',
    '\u2028',
  )
  fc.assert(
    fc.property(fc.string({ unit, maxLength: 30 }), (text) => {
      const { pieces, tail } = run(tokensOf(text))
      assert.equal(pieces.join(''), text)
      assert.equal(tail, '')
      for (const piece of pieces) assert.ok(!piece.includes('\ufffd'), `${JSON.stringify(piece)} is broken`)
    }),
  )
})

test('a broken tail comes at the end, as a replacement character', () => {
  const { pieces, tail } = run(tokensOf('ok 👩').slice(0, -1))
  assert.equal(pieces.join('').trimEnd(), 'ok')
  assert.match(tail, /^ ?\ufffd+$/)
})

test('noise that never becomes a character is let go after a few tokens', () => {
  const [firstByte] = tokensOf('👩')
  const noise = Array.from({ length: 20 }, () => firstByte as Token)
  const { pieces } = run(noise)
  assert.ok(pieces.findIndex((piece) => piece !== '') < 10)
})

test('flush says everything once', () => {
  const text = new TokenText(vocabulary.model)
  for (const token of tokensOf('👩').slice(0, -1)) text.push(token)
  assert.notEqual(text.flush(), '')
  assert.equal(text.flush(), '')
})
