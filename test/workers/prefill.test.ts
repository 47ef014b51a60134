import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { choosePieceTokens, createPrefill, type PromptReader } from '../../workers/prefill.ts'

const never = (): boolean => false

function tokens(count: number): Token[] {
  return Array.from({ length: count }, (_, index) => index as Token)
}

interface Piece {
  readonly name: string
  readonly tokens: readonly Token[]
}

/** A sequence that writes down what it is given, and answers when the event loop comes round. */
function recordingReader(name: string, pieces: Piece[], beforeAnswer: () => void = () => {}): PromptReader {
  return {
    async evaluateWithoutGeneratingNewTokens(piece) {
      pieces.push({ name, tokens: piece })
      await new Promise((resolve) => setImmediate(resolve))
      beforeAnswer()
    },
  }
}

/** Pieces of 20 tokens, whatever the speed of this machine. */
const twentyAtATime = { stallTargetMs: 1_000_000, batchTokens: 20 }

const sizes: readonly [name: string, tokensPerMs: number | null, stallMs: number, batch: number, expected: number][] = [
  ['unknown speed: a small first piece', null, 250, 512, 64],
  ['unknown speed, small batch', null, 250, 32, 32],
  ['what is read within the target', 1, 250, 512, 250],
  ['rounded down', 1.999, 100, 512, 199],
  ['never more than a batch', 100, 250, 512, 512],
  ['never tiny, however slow', 0.001, 250, 512, 16],
  ['never tiny, however short the target', 10, 0, 512, 16],
  ['a batch below the minimum wins', 0.001, 250, 8, 8],
]

for (const [name, tokensPerMs, stallTargetMs, batchTokens, expected] of sizes) {
  test(`piece size: ${name}`, () => assert.equal(choosePieceTokens(tokensPerMs, stallTargetMs, batchTokens), expected))
}

test('the whole prompt is fed in order when nothing is to be left', async () => {
  const pieces: Piece[] = []
  const prefill = createPrefill(twentyAtATime)
  assert.equal(await prefill.feed(recordingReader('a', pieces), tokens(50), 'none', never), 50)
  assert.deepEqual(
    pieces.map((piece) => piece.tokens.length),
    [20, 20, 10],
  )
  assert.deepEqual(
    pieces.flatMap((piece) => piece.tokens),
    tokens(50),
  )
})

test('the last piece is left for the first decode step', async () => {
  const pieces: Piece[] = []
  const prefill = createPrefill(twentyAtATime)
  const reader = recordingReader('a', pieces)
  assert.equal(await prefill.feed(reader, tokens(50), 'last-piece', never), 40)
  assert.equal(await prefill.feed(reader, tokens(40), 'last-piece', never), 20, 'a full last piece is left, too')
  assert.equal(await prefill.feed(reader, tokens(20), 'last-piece', never), 0)
  assert.equal(await prefill.feed(reader, tokens(1), 'last-piece', never), 0)
  assert.equal(pieces.length, 3)
})

test('two prompts take turns, one piece at a time', async () => {
  const pieces: Piece[] = []
  const prefill = createPrefill(twentyAtATime)
  let running = 0
  const reader = (name: string): PromptReader => ({
    async evaluateWithoutGeneratingNewTokens(piece) {
      running++
      assert.equal(running, 1)
      await recordingReader(name, pieces).evaluateWithoutGeneratingNewTokens(piece)
      running--
    },
  })
  await Promise.all([
    prefill.feed(reader('a'), tokens(60), 'none', never),
    prefill.feed(reader('b'), tokens(80), 'none', never),
  ])
  assert.equal(pieces.map(({ name }) => name).join(''), 'abababb')
})

test('a cancel ends the reading between two pieces', async () => {
  const pieces: Piece[] = []
  let cancelled = false
  const reader = recordingReader('a', pieces, () => {
    cancelled = pieces.length === 2
  })
  const prefill = createPrefill(twentyAtATime)
  assert.equal(await prefill.feed(reader, tokens(100), 'none', () => cancelled), 40)
  assert.equal(pieces.length, 2)
  assert.equal(await prefill.feed(recordingReader('b', pieces), tokens(100), 'none', () => true), 0)
})

test('a piece that fails fails its own request only', async () => {
  const pieces: Piece[] = []
  const prefill = createPrefill(twentyAtATime)
  const failing = recordingReader('failing', pieces, () => {
    throw new Error('the engine refused')
  })
  const [failed, read] = await Promise.allSettled([
    prefill.feed(failing, tokens(60), 'none', never),
    prefill.feed(recordingReader('b', pieces), tokens(60), 'none', never),
  ])
  assert.match(String(failed.status === 'rejected' && failed.reason), /the engine refused/)
  assert.deepEqual(read, { status: 'fulfilled', value: 60 })
  assert.equal(pieces.filter(({ name }) => name === 'failing').length, 1)
})

test('a decode step that reads the last piece waits for its turn and returns its result', async () => {
  const order: string[] = []
  const pieces: Piece[] = []
  const prefill = createPrefill(twentyAtATime)
  const feeding = prefill.feed(
    recordingReader('a', pieces, () => order.push('piece')),
    tokens(20),
    'none',
    never,
  )
  const step = prefill.inTurn(5, async () => {
    order.push('step')
    return 'token'
  })
  assert.equal(await step, 'token')
  await feeding
  assert.deepEqual(order, ['piece', 'step'])
})
