import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { type ApiKey, findKey, hashKey, hashLine, newKey, parseApiKey } from '../../src/admission/api-keys.ts'
import { parseKeyFile, readKeyFile } from '../../src/admission/key-file.ts'
import { StartError } from '../../src/contract/errors.ts'

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('keys', () => {
  test('a key and its hash are the same key', () => {
    const plain = parseApiKey('secret', 'mine') as ApiKey
    const hashed = parseApiKey(`sha256:${hex('secret').toUpperCase()}`, 'mine')
    assert.deepEqual(plain, hashed)
    assert.equal(hashLine(plain), `sha256:${hex('secret')} mine`)
    assert.equal(hashLine({ ...plain, name: null }), `sha256:${hex('secret')}`)
  })

  test('what begins like a hash and is none is no key', () => {
    for (const text of ['sha256:', 'sha256:abc', `sha256:${hex('a')}0`, `sha256:${hex('a').replace(/./, 'g')}`]) {
      assert.equal(parseApiKey(text, null), null)
    }
  })

  test('new ones differ, and are found by what clients present', () => {
    const texts = Array.from({ length: 20 }, newKey)
    assert.equal(new Set(texts).size, 20)
    const keys = texts.map((text, index) => parseApiKey(text, `${index}`) as ApiKey)
    for (const [index, text] of texts.entries()) assert.equal(findKey(keys, hashKey(text))?.name, `${index}`)
    assert.equal(findKey(keys, hashKey(`${texts[0]} `)), null)
    assert.equal(findKey([], hashKey('')), null)
  })
})

describe('a file of keys', () => {
  test('holds hashes or keys, with names or without', () => {
    const text = `\ufeff# who may ask\r\n\r\nsha256:${hex('a')}  the  laptop\r\n  b\n\tc of Bob\n#d\n`
    const { keys, plainLines } = parseKeyFile('keys', text)
    const expected = [
      { name: 'the laptop', hash: hashKey('a') },
      { name: null, hash: hashKey('b') },
      { name: 'of Bob', hash: hashKey('c') },
    ]
    assert.deepEqual(keys, expected)
    assert.deepEqual(plainLines, [4, 5])
  })

  const refused: readonly (readonly [string, string])[] = [
    ['# nobody\n', 'keys: there is no key in it; `headend key` makes one'],
    ['a\nsha256:0 b', 'keys:2: expected sha256: and 64 hexadecimal digits; `headend key` writes such a line'],
  ]
  for (const [text, message] of refused) {
    test(`is refused: ${message}`, () => {
      assert.throws(
        () => parseKeyFile('keys', text),
        (error) => error instanceof StartError && error.message === message,
      )
    })
  }

  test('must be readable', () => {
    assert.throws(
      () => readKeyFile('/nowhere/keys'),
      /^Error: --api-key-file: cannot read \/nowhere\/keys \(ENOENT\): /,
    )
  })
})
