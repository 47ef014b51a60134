import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { createRecorder, type RecordingHead } from '../../../src/backends/upstream/recorder.ts'
import { readRecording } from '../../../src/backends/upstream/recording.ts'
import { HeadendError, StartError } from '../../../src/contract/errors.ts'

const head: RecordingHead = {
  protocol: 'openai',
  target: 'near/qwen',
  requestId: 'req_abc',
  upstreamRequestId: 'up-1',
  status: 200,
  contentType: 'text/event-stream',
  options: {
    stopSequences: ['END'],
    stopsReported: false,
    parallelCalls: false,
    toolNames: new Map([['short', 'long']]),
    discardsThinking: true,
    thinkTags: { mode: 'auto', interleaved: true, openInPrompt: false, pairs: [{ open: '[T]', close: '[/T]' }] },
    promptTokens: 12,
  },
}
const failure = new HeadendError('upstream-malformed', 'a chunk is not JSON')
const bytes = (text: string): Uint8Array => Buffer.from(text)

let parent: string
let directory: string
let warnings: string[]

beforeEach(() => {
  parent = mkdtempSync(join(tmpdir(), 'headend-recorder-'))
  directory = join(parent, 'a', 'b')
  warnings = []
})

afterEach(() => rmSync(parent, { recursive: true, force: true }))

function open(sample = 0) {
  return createRecorder({ directory, sample }, (message) => warnings.push(message))
}

/** The only recording there is. */
function read() {
  const names = readdirSync(directory)
  assert.equal(names.length, 1, names.join())
  return readRecording(join(directory, names[0] as string))
}

describe('a recording', () => {
  test('of a failed answer holds what came, when, and how it was decoded', async () => {
    const recorder = open()
    const recording = recorder.open(head)
    const cut = Buffer.from('é')
    const pieces = [bytes('data: {"a"'), cut.subarray(0, 1), cut.subarray(1), bytes(':1}\r\n\n\ufeff\0'), bytes('')]
    for (const piece of pieces) recording?.bytes(piece)
    recording?.end(failure)
    await recorder.settled()
    const kept = read()
    assert.deepEqual(kept.head, head)
    assert.deepEqual(
      kept.pieces.map((piece) => Buffer.from(piece.bytes).toString('hex')),
      pieces.map((piece) => Buffer.from(piece).toString('hex')),
    )
    const times = kept.pieces.map(({ atMs }) => atMs)
    assert.deepEqual(
      times,
      times.toSorted((one, other) => one - other),
    )
    assert.deepEqual(
      times.filter((atMs) => !(atMs >= 0)),
      [],
    )
    assert.deepEqual(kept.failure, { kind: 'upstream-malformed', message: 'a chunk is not JSON' })
    assert.equal(kept.isTruncated, false)
    assert.deepEqual(warnings, [])
  })

  test('can be read by its owner alone', { skip: process.platform === 'win32' && 'no such modes' }, async () => {
    const recorder = open()
    recorder.open(head)?.end(failure)
    await recorder.settled()
    const [name = ''] = readdirSync(directory)
    assert.match(name, /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z-req_abc\.jsonl$/)
    assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600)
    assert.equal(statSync(directory).mode & 0o777, 0o700)
  })

  test('of an answer that did not fail is kept as a sample only', async () => {
    const none = open(0)
    none.open(head)?.end(null)
    await none.settled()
    assert.deepEqual(readdirSync(directory), [])
    const all = open(1)
    all.open({ ...head, options: null })?.end(null)
    await all.settled()
    assert.equal(read().failure, null)
    assert.equal(read().head.options, null)
  })

  test('of an answer that its client left is not kept', async () => {
    const recorder = open()
    recorder.open(head)?.end(new HeadendError('client-gone', 'gone'))
    recorder.open(head)?.end(new HeadendError('reader-stalled', 'stalled'))
    await recorder.settled()
    assert.deepEqual(readdirSync(directory), [])
  })

  test('holds copies, and nothing that came after its end', async () => {
    const recorder = open()
    const recording = recorder.open(head)
    const piece = bytes('one')
    recording?.bytes(piece)
    piece.fill(0)
    recording?.end(failure)
    recording?.bytes(bytes('two'))
    recording?.end(null)
    await recorder.settled()
    assert.equal(
      read()
        .pieces.map((kept) => Buffer.from(kept.bytes).toString())
        .join(),
      'one',
    )
  })

  test('shows no key that the upstream repeats', async () => {
    const recorder = open()
    const recording = recorder.open(head)
    recording?.bytes(bytes('{"error":"bad key sk-abcdef0123456789"}'))
    recording?.end(new HeadendError('upstream-failed', 'bad key sk-abcdef0123456789'))
    await recorder.settled()
    const [name = ''] = readdirSync(directory)
    assert.doesNotMatch(readFileSync(join(directory, name), 'utf8'), /sk-abc/)
  })
})

describe('limits', () => {
  const megabyte = Buffer.alloc(1024 * 1024, 'x')

  test('a recording ends where it grows too large', async () => {
    const recorder = open()
    const recording = recorder.open(head)
    for (let count = 0; count < 6; count++) recording?.bytes(megabyte)
    recording?.end(failure)
    await recorder.settled()
    assert.deepEqual([read().pieces.length, read().isTruncated], [4, true])
  })

  test('and where it has too many pieces', async () => {
    const recorder = open()
    const recording = recorder.open(head)
    for (let count = 0; count < 50_001; count++) recording?.bytes(bytes('x'))
    recording?.end(failure)
    await recorder.settled()
    assert.deepEqual([read().pieces.length, read().isTruncated], [50_000, true])
  })

  test('all of them together hold so much, and release it when they end', () => {
    const recorder = open()
    const recordings = Array.from({ length: 16 }, () => recorder.open(head))
    for (const recording of recordings) for (let count = 0; count < 4; count++) recording?.bytes(megabyte)
    assert.equal(recorder.open(head), null)
    recordings[0]?.end(null)
    recordings[0]?.end(null)
    assert.notEqual(recorder.open(head), null)
    for (const recording of recordings) recording?.end(null)
  })

  test('what waits for the disk is held until it is there', async () => {
    const recorder = open()
    const recordings = Array.from({ length: 16 }, () => recorder.open(head))
    for (const recording of recordings) for (let count = 0; count < 4; count++) recording?.bytes(megabyte)
    for (const recording of recordings) recording?.end(failure)
    assert.equal(recorder.open(head), null)
    await recorder.settled()
    assert.notEqual(recorder.open(head), null)
    assert.equal(readdirSync(directory).length, 16)
  })

  test('the oldest recordings go, other files stay', async () => {
    const recorder = open()
    const old = (day: number) => `2020-01-${String(day).padStart(2, '0')}T00-00-00.000Z-req_${day}.jsonl`
    for (let day = 1; day <= 31; day++) writeFileSync(join(directory, old(day)), '')
    for (let index = 0; index < 180; index++)
      writeFileSync(join(directory, `2021-01-01T00-00-00.000Z-req_${index}.jsonl`), '')
    writeFileSync(join(directory, 'notes.jsonl'), '')
    recorder.open(head)?.end(failure)
    await recorder.settled()
    const names = readdirSync(directory)
    assert.equal(names.length, 201)
    const kept = (name: string) => names.includes(name)
    assert.deepEqual(['notes.jsonl', old(12), old(13), old(31)].map(kept), [true, false, true, true])
  })
})

describe('a folder that cannot be written to', () => {
  test('stops the start', () => {
    writeFileSync(join(parent, 'a'), '')
    const message = /^--record: cannot make the folder .+ \((?:ENOTDIR|EEXIST)\): name one that can be written to$/
    assert.throws(open, (error) => error instanceof StartError && message.test(error.message))
  })

  test('is one warning, until it can be written to again', async () => {
    const recorder = open()
    const fail = async () => {
      recorder.open(head)?.end(failure)
      recorder.open(head)?.end(failure)
      await recorder.settled()
    }
    rmSync(directory, { recursive: true })
    writeFileSync(directory, '')
    await fail()
    assert.equal(warnings.length, 1)
    assert.match(warnings[0] ?? '', /^--record: cannot write to .+ \(\w+\): answers go unrecorded/)
    rmSync(directory)
    await fail()
    assert.equal(readdirSync(directory).length, 2)
    rmSync(directory, { recursive: true })
    writeFileSync(directory, '')
    await fail()
    assert.equal(warnings.length, 2)
  })
})

describe('a file that is no recording', () => {
  const { options, ...rest } = head
  const first = JSON.stringify({ version: 1, ...rest, options: null })
  const end = JSON.stringify({ failure: null, isTruncated: false })
  const withHead = (fields: object) => `${JSON.stringify({ version: 1, ...rest, options: null, ...fields })}\n${end}`
  const cases: readonly [name: string, text: string, message: RegExp][] = [
    ['empty', '', /:1: not a recording: "version" is missing/],
    ['of something else', '{"a":1}\n', /:1: not a recording/],
    ['not JSON', `${first}\nhello\n${end}\n`, /:2: expected a JSON object/],
    ['a list', `${first}\n[]\n${end}\n`, /:2: expected a JSON object/],
    ['of a later version', withHead({ version: 2 }), /:1: recorded in version 2; this headend reads version 1/],
    ['of another protocol', withHead({ protocol: 'x' }), /:1: "protocol": expected openai or anthropic/],
    ['without a target', withHead({ target: 1 }), /:1: "target"/],
    ['without a request-id', withHead({ requestId: null }), /:1: "requestId"/],
    ['with an odd id', withHead({ upstreamRequestId: 5 }), /:1: "upstreamRequestId"/],
    ['without a status', withHead({ status: '200' }), /:1: "status"/],
    ['with an odd type', withHead({ contentType: 5 }), /:1: "contentType"/],
    ['with odd options', withHead({ options: { stopSequences: [] } }), /:1: "options"/],
    ['with odd tags', withHead({ options: { ...options, toolNames: [], thinkTags: { mode: 'x' } } }), /:1: "options"/],
    ['with a piece without time', `${first}\n{"text":"a"}\n${end}`, /:2: expected {"atMs"/],
    ['with a piece of nothing', `${first}\n{"atMs":1}\n${end}`, /:2: expected {"atMs"/],
    ['cut', `${first}\n{"atMs":1,"text":"a"}\n`, /:2: .+ the file was cut$/],
    ['cut behind its head', `${first}\n`, /:1: .+ the file was cut$/],
    [
      'with an odd failure',
      `${first}\n{"failure":{"kind":"x","message":""},"isTruncated":false}`,
      /:2: .+ the file was cut$/,
    ],
  ]
  for (const [name, text, message] of cases) {
    test(name, () => {
      const path = join(parent, 'file')
      writeFileSync(path, text)
      assert.throws(
        () => readRecording(path),
        (error) => error instanceof StartError && message.test(error.message),
      )
    })
  }

  test('missing', () => {
    assert.throws(() => readRecording(join(parent, 'none')), /cannot read .+ \(ENOENT\)/)
  })

  test('but a short one is fine', () => {
    const path = join(parent, 'file')
    writeFileSync(path, `${first}\n${end}`)
    assert.deepEqual(readRecording(path), {
      head: { ...head, options: null },
      pieces: [],
      failure: null,
      isTruncated: false,
    })
  })
})
