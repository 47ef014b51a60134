import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { AnswerBody } from '../../../src/backends/upstream/answer-body.ts'

function open() {
  const calls: string[] = []
  const body = new AnswerBody({
    hold: () => void calls.push('hold'),
    release: () => void calls.push('release'),
    delivered: () => void calls.push('delivered'),
    refused: (cause) => body.fail(cause),
  })
  return { body, calls }
}

const piece = (text: string): Uint8Array => Buffer.from(text)

describe('the body of an answer', () => {
  it('keeps what comes before its reader, and while he is busy', async () => {
    const { body, calls } = open()
    body.push(piece('a'))
    const seen: string[] = []
    const read = body.read(async (bytes) => {
      seen.push(Buffer.from(bytes).toString())
      await null
      seen.push('|')
    })
    body.push(piece('b'))
    body.push(piece('c'))
    body.end()
    await read
    assert.equal(seen.join(''), 'a|b|c|')
    assert.equal(calls.at(-1), 'delivered')
  })

  it('asks for more only when all was read', async () => {
    const { body, calls } = open()
    body.push(piece('a'))
    assert.deepEqual(calls, [], 'a reader who is about to come is waited for')
    body.push(new Uint8Array(64 * 1024))
    assert.deepEqual(calls, ['hold'])
    let isRead = false
    void body.read(() => {
      isRead = true
      return null
    })
    assert.deepEqual([isRead, calls], [true, ['hold', 'release']])
  })

  it('has one reader', () => {
    const { body } = open()
    void body.read(() => null)
    assert.throws(() => body.read(() => null), /once/)
  })

  it('tells a failure from before to the reader that comes', async () => {
    const { body } = open()
    const problem = new Error('cut')
    body.push(piece('a'))
    body.fail(problem)
    await assert.rejects(
      body.read(() => assert.fail('it has failed')),
      problem,
    )
  })
})
