import { isUtf8 } from 'node:buffer'
import type { ErrorKind, HeadendError } from '../../contract/errors.ts'
import type { AnswerOptions } from './answer-options.ts'
import { withoutKeys } from './complaint.ts'
import { makeRecordingFolder, recordingFileName, writeRecording } from './recording-folder.ts'

/** Keeps what upstreams sent in answers that failed, for bug reports and as fixtures. */
export interface Recorder {
  /** `null`: there is no room for another one now. */
  open(about: RecordingHead): StreamRecording | null
  /** Resolves when all that has ended is on the disk. */
  settled(): Promise<void>
}

/** One answer while it comes. Nothing here throws or waits. */
export interface StreamRecording {
  bytes(piece: Uint8Array): void
  /** Kept when it failed, or when it is one of the sample. */
  end(failure: HeadendError | null): void
}

/** Everything that a replay needs. No header but these, no credential, and of the request only what its answer was read by. */
export interface RecordingHead {
  readonly protocol: 'openai' | 'anthropic'
  readonly target: string
  readonly requestId: string
  readonly upstreamRequestId: string | null
  readonly status: number
  readonly contentType: string | null
  /** How it was decoded; `null`: it was relayed, or its decoder knows no options. */
  readonly options: AnswerOptions | null
}

export interface RecordedPiece {
  /** Since the headers came. */
  readonly atMs: number
  readonly bytes: Uint8Array
}

export interface RecordedFailure {
  readonly kind: ErrorKind
  readonly message: string
}

export interface Recording {
  readonly head: RecordingHead
  readonly pieces: readonly RecordedPiece[]
  readonly failure: RecordedFailure | null
  /** More came than was kept. */
  readonly isTruncated: boolean
}

export interface RecorderSettings {
  /** Made when it is missing. */
  readonly directory: string
  /** Share of the answers that are kept though nothing failed, 0 to 1. */
  readonly sample: number
}

export const recordingVersion = 1

/** A decoder that fails does so early, and a bug report is to be sent by mail. */
const recordingBytesMax = 4 * 1024 * 1024
/** An upstream may send single bytes, and each piece takes memory of its own. */
const piecesMax = 50_000
/** Of all answers that are being recorded, and of those that wait for the disk. */
const heldBytesMax = 64 * 1024 * 1024
const filesMax = 200
/** How much is written at once. */
const chunkCharacters = 65_536

/** The client has left: that is no fault of the upstream's, and happens all the time. */
const ordinaryEnds: ReadonlySet<ErrorKind> = new Set(['client-gone', 'reader-stalled'])

/**
 * @param warn what the operator should know, one line; once, however many recordings cannot be written
 * @throws StartError: the folder cannot be made
 */
export function createRecorder(settings: RecorderSettings, warn: (message: string) => void): Recorder {
  const { directory, sample } = settings
  makeRecordingFolder(directory)
  let heldBytes = 0
  let lastStartMs = 0
  let hasWarned = false
  let stored = Promise.resolve()

  /** No two recordings begin at the same time, so their names differ. */
  function nextStart(): Date {
    lastStartMs = Math.max(Date.now(), lastStartMs + 1)
    return new Date(lastStartMs)
  }

  async function store(recording: Recording, startedAt: Date): Promise<void> {
    const name = recordingFileName(startedAt, recording.head.requestId)
    try {
      await writeRecording(directory, name, linesOf(recording, startedAt), filesMax)
      hasWarned = false
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException
      if (!hasWarned)
        warn(`--record: cannot write to ${directory} (${code}): answers go unrecorded until it can be written to`)
      hasWarned = true
    }
  }

  return {
    open(head) {
      if (heldBytes >= heldBytesMax) return null
      const startedAt = nextStart()
      const startMs = performance.now()
      const isSample = Math.random() < sample
      const pieces: RecordedPiece[] = []
      let bytesHeld = 0
      let isTruncated = false
      let hasEnded = false

      return {
        bytes(piece) {
          if (hasEnded || isTruncated) return
          const room = Math.min(recordingBytesMax - bytesHeld, heldBytesMax - heldBytes)
          isTruncated = piece.byteLength > room || pieces.length >= piecesMax
          if (isTruncated) return
          pieces.push({ atMs: performance.now() - startMs, bytes: Buffer.from(piece) }) // a copy: the socket's buffer is used again
          bytesHeld += piece.byteLength
          heldBytes += piece.byteLength
        },
        end(error) {
          if (hasEnded) return
          hasEnded = true
          const release = (): void => {
            heldBytes -= bytesHeld
          }
          const hasFailed = error !== null && !ordinaryEnds.has(error.kind)
          if (!hasFailed && !isSample) return release()
          const failure = error === null ? null : { kind: error.kind, message: withoutKeys(error.message) }
          const recording: Recording = { head, pieces, failure, isTruncated }
          stored = stored.then(() => store(recording, startedAt)).then(release)
        },
      }
    },
    settled: () => stored,
  }
}

/** JSON lines: what it is, piece by piece what came, and how it ended. */
function* linesOf(recording: Recording, startedAt: Date): Generator<string> {
  let chunk = ''
  for (const line of valuesOf(recording, startedAt)) {
    chunk += `${JSON.stringify(line)}\n`
    if (chunk.length < chunkCharacters) continue
    yield chunk
    chunk = ''
  }
  yield chunk
}

function* valuesOf({ head, pieces, failure, isTruncated }: Recording, startedAt: Date): Generator<object> {
  const { options } = head
  const plain = options === null ? null : { ...options, toolNames: [...options.toolNames] }
  yield { version: recordingVersion, startedAt: startedAt.toISOString(), ...head, options: plain }
  for (const { atMs, bytes } of pieces) yield { atMs: Math.round(atMs * 100) / 100, ...encodePiece(bytes) }
  yield { failure, isTruncated }
}

/** Text where it is text, so that people can read it; a character that was cut in two is not. */
function encodePiece(bytes: Uint8Array): { readonly text: string } | { readonly base64: string } {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return isUtf8(buffer) ? { text: withoutKeys(buffer.toString()) } : { base64: buffer.toString('base64') }
}
