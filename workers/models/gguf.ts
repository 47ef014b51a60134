import { existsSync } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { type GgufHeader, type GgufTensor, type GgufValue, parseHeader, tensorEnd } from './gguf-header.ts'
import { ModelError } from './model-error.ts'
import { partPaths } from './model-name.ts'

export interface GgufFile {
  /** Of the first part; the others repeat only what concerns themselves. */
  readonly metadata: ReadonlyMap<string, GgufValue>
  /** Of all parts. */
  readonly tensors: readonly GgufTensor[]
  /** Weights of all parts. */
  readonly tensorBytes: number
}

interface Part {
  readonly header: GgufHeader
  readonly fileBytes: number
}

/**
 * Reads the headers of all parts and checks that the file holds what they promise.
 * @throws ModelError missing, truncated, foreign or damaged files
 */
export async function readGguf(path: string): Promise<GgufFile> {
  const [firstPath = path, ...otherPaths] = partPaths(path)
  const first = await readPart(firstPath)
  const others: Part[] = []
  for (const otherPath of otherPaths) {
    if (!existsSync(otherPath)) {
      throw new ModelError(`${basename(otherPath)} is missing: all parts of a split model must lie in one directory`)
    }
    others.push(await readPart(otherPath))
  }
  refuseRenamedPart(path, first.header, 1 + others.length)
  const parts = [first, ...others]
  return {
    metadata: first.header.metadata,
    tensors: parts.flatMap(({ header }) => header.tensors),
    tensorBytes: parts.reduce((sum, { header, fileBytes }) => sum + fileBytes - header.bytes, 0),
  }
}

function refuseRenamedPart(path: string, { metadata }: GgufHeader, partCount: number): void {
  const count = Number(metadata.get('split.count') ?? 1)
  if (!(count > partCount)) return
  const number = Number(metadata.get('split.no') ?? 0) + 1
  throw new ModelError(
    `${basename(path)} is part ${number} of ${count} of a split model: name its files NAME-00001-of-${String(count).padStart(5, '0')}.gguf and so on`,
  )
}

async function readPart(path: string): Promise<Part> {
  const file = await openPart(path)
  try {
    const fileBytes = (await file.stat()).size
    const header = await readHeader(file, fileBytes, basename(path))
    const needed = header.tensors.reduce((end, tensor) => Math.max(end, header.bytes + tensorEnd(tensor)), header.bytes)
    if (fileBytes < needed) {
      throw truncated(basename(path), `${(needed - fileBytes).toLocaleString('en')} bytes are missing`)
    }
    return { header, fileBytes }
  } finally {
    await file.close()
  }
}

async function openPart(path: string): Promise<FileHandle> {
  try {
    if ((await stat(path)).isDirectory()) {
      throw new ModelError(`${path} is a directory: give --model the path to a .gguf file inside it`)
    }
    return await open(path)
  } catch (cause) {
    if (cause instanceof ModelError) throw cause
    const code = cause instanceof Error && 'code' in cause ? cause.code : ''
    if (code === 'EACCES') throw new ModelError(`${path} may not be read: check its permissions`, cause)
    throw new ModelError(
      `No model file at ${path}; give --model a path to a .gguf file, hf:user/repo:quant, or an https URL`,
      cause,
    )
  }
}

/** The longest known headers hold a vocabulary and take 30 MB. */
const headerBytesMax = 1 << 28

/** The header's length is known only once it is read, so read a piece and, if that ends too early, a larger one. */
async function readHeader(file: FileHandle, fileBytes: number, name: string): Promise<GgufHeader> {
  for (let pieceBytes = 1 << 20; ; pieceBytes *= 4) {
    const piece = Buffer.alloc(Math.min(pieceBytes, fileBytes))
    await file.read(piece, 0, piece.length, 0)
    checkMagic(piece, name)
    try {
      return parseHeader(piece)
    } catch (cause) {
      if (!(cause instanceof RangeError) || piece.length >= headerBytesMax) {
        throw new ModelError(`${name} is damaged: its header makes no sense; download it again`, cause)
      }
      if (piece.length === fileBytes) throw truncated(name, 'it ends inside its header')
    }
  }
}

function truncated(name: string, detail: string): ModelError {
  return new ModelError(`${name} is truncated: ${detail}; download it again`)
}

function checkMagic(piece: Buffer, name: string): void {
  if (piece.length === 0) throw new ModelError(`${name} is empty: download it again`)
  const magic = piece.toString('latin1', 0, 4)
  if (magic === 'vers' && piece.includes('git-lfs')) {
    throw new ModelError(`${name} is a Git LFS pointer, not the model: run "git lfs pull" where it was cloned`)
  }
  if (!'GGUF'.startsWith(magic)) throw new ModelError(`${name} is not a GGUF file: choose a file that ends in .gguf`)
  if (piece.length < 8) throw truncated(name, 'it ends inside its header')
  const version = piece.readUInt32LE(4)
  if (version === 1)
    throw new ModelError(`${name} is GGUF version 1, which is no longer read: download a newer conversion`)
  if (version > 0xffff) throw new ModelError(`${name} is a big-endian GGUF file: download the little-endian one`)
  if (version === 0 || version > 3) {
    throw new ModelError(`${name} is GGUF version ${version}, headend reads 2 and 3: update headend`)
  }
}
