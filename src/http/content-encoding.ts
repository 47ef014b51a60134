import type { Transform } from 'node:stream'
import zlib from 'node:zlib'

/** One trip to a libuv thread decodes this much. */
const chunkSize = 64 * 1024

/** A streaming decoder, or `null` for an encoding that is not known here. Names are in lower case. */
export function createDecoder(contentEncoding: string): Transform | null {
  switch (contentEncoding) {
    case 'gzip':
    case 'x-gzip':
      return zlib.createGunzip({ chunkSize })
    case 'br':
      return zlib.createBrotliDecompress({ chunkSize })
    case 'zstd':
      return createZstdDecoder?.({ chunkSize }) ?? null
    default:
      return null
  }
}

// Node 22.15 and 23.8 brought zstd; the oldest Node served here does not declare it.
const createZstdDecoder = (zlib as { createZstdDecompress?: (options: { chunkSize: number }) => Transform })
  .createZstdDecompress
