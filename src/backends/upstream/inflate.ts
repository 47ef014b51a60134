import type { Transform } from 'node:stream'
import zlib from 'node:zlib'

/** The most that one trip to a thread of libuv inflates, and so about what a bomb can make of its first bytes. */
const options = { chunkSize: 16 * 1024 }

/** The first byte tells the two kinds of deflate apart. */
export type InflaterCreator = (firstByte: number) => Transform

const createGunzip: InflaterCreator = () => zlib.createGunzip(options)

/** RFC 9110 means the zlib format; many servers send the bare stream. The lowest four bits of a zlib header are 8. */
const createInflate: InflaterCreator = (firstByte) =>
  (firstByte & 0x0f) === 8 ? zlib.createInflate(options) : zlib.createInflateRaw(options)

const creators = new Map<string, InflaterCreator>([
  ['gzip', createGunzip],
  ['x-gzip', createGunzip],
  ['deflate', createInflate],
  ['br', () => zlib.createBrotliDecompress(options)],
])

// Node 22.15 and 23.8 brought zstd; the oldest Node served here does not declare it.
const { createZstdDecompress } = zlib as { createZstdDecompress?: (settings: typeof options) => Transform }
if (createZstdDecompress !== undefined) creators.set('zstd', () => createZstdDecompress(options))

/**
 * Inflaters for a `content-encoding`. They give what they can at every write, so events come through as they arrive.
 * @returns `null`: not compressed; `undefined`: not known here
 */
export function inflaterOf(contentEncoding: string | null): InflaterCreator | null | undefined {
  const name = (contentEncoding ?? '').trim().toLowerCase()
  return name === '' || name === 'identity' ? null : creators.get(name)
}
