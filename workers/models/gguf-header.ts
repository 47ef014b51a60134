/**
 * Our own reader of GGUF headers (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md), because the engine's own
 * reads zeros past the end of a truncated file and may loop for ever on a damaged one, and because node-llama-cpp takes
 * 0.4 s to import. Every loop here is bounded by the bytes of the piece.
 */
/** Arrays of text, and longer ones than any per-layer figure needs, are only counted. */
export type GgufValue = string | number | bigint | boolean | readonly number[] | { readonly length: number }

export interface GgufTensor {
  readonly name: string
  readonly dimensions: readonly number[]
  readonly type: number
  /** From the start of the tensor data. */
  readonly offset: number
}

export interface GgufHeader {
  readonly metadata: ReadonlyMap<string, GgufValue>
  readonly tensors: readonly GgufTensor[]
  /** Where the tensor data begins. */
  readonly bytes: number
}

/**
 * `piece`: the beginning of a file, magic and version checked already.
 * @throws RangeError when the piece ends before the header does; Error when the header is damaged
 */
export function parseHeader(piece: Buffer): GgufHeader {
  const reader = new Reader(piece, 8)
  const tensorCount = reader.u64()
  const entryCount = reader.u64()
  const metadata = new Map<string, GgufValue>()
  for (let entry = 0; entry < entryCount; entry += 1) {
    const key = reader.string()
    metadata.set(key, reader.value(reader.u32()))
  }
  const tensors: GgufTensor[] = []
  for (let index = 0; index < tensorCount; index += 1) {
    const name = reader.string()
    const dimensions: number[] = []
    for (let rank = reader.u32(); rank > 0; rank -= 1) dimensions.push(reader.u64())
    tensors.push({ name, dimensions, type: reader.u32(), offset: reader.u64() })
  }
  const alignment = Number(metadata.get('general.alignment') ?? 32) || 32
  return {
    metadata,
    tensors,
    bytes: tensorCount === 0 ? reader.position : Math.ceil(reader.position / alignment) * alignment,
  }
}

/** No model has as many layers; vocabularies are longer. */
const keptItemsMax = 1024
const stringType = 8
const arrayType = 9

class Reader {
  readonly #bytes: Buffer
  position: number

  constructor(bytes: Buffer, position: number) {
    this.#bytes = bytes
    this.position = position
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#take(4))
  }

  /** Beyond 2 ** 53 the exact value no longer matters: no file is as long. */
  u64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)))
  }

  string(): string {
    const length = this.u64()
    const start = this.#take(length)
    return this.#bytes.toString('utf8', start, start + length)
  }

  value(type: number): GgufValue {
    if (type === stringType) return this.string()
    if (type === arrayType) return this.#array()
    return this.#scalar(type)
  }

  #array(): GgufValue {
    const type = this.u32()
    const length = this.u64()
    if (type === stringType) {
      for (let item = 0; item < length; item += 1) this.#take(this.u64())
      return { length }
    }
    if (type === arrayType) throw new Error('arrays of arrays are not in use')
    if (length > keptItemsMax) {
      this.#take(scalarBytes(type) * length)
      return { length }
    }
    const items: number[] = []
    for (let item = 0; item < length; item += 1) items.push(Number(this.#scalar(type)))
    return items
  }

  #scalar(type: number): number | bigint | boolean {
    const start = this.#take(scalarBytes(type))
    switch (type) {
      case 0:
        return this.#bytes.readUInt8(start)
      case 1:
        return this.#bytes.readInt8(start)
      case 2:
        return this.#bytes.readUInt16LE(start)
      case 3:
        return this.#bytes.readInt16LE(start)
      case 4:
        return this.#bytes.readUInt32LE(start)
      case 5:
        return this.#bytes.readInt32LE(start)
      case 6:
        return this.#bytes.readFloatLE(start)
      case 7:
        return this.#bytes.readUInt8(start) !== 0
      case 10:
        return this.#bytes.readBigUInt64LE(start)
      case 11:
        return this.#bytes.readBigInt64LE(start)
      default:
        return this.#bytes.readDoubleLE(start)
    }
  }

  #take(length: number): number {
    const start = this.position
    if (start + length > this.#bytes.length) throw new RangeError('the piece ends here')
    this.position = start + length
    return start
  }
}

function scalarBytes(type: number): number {
  const bytes = [1, 1, 2, 2, 4, 4, 4, 1, null, null, 8, 8, 8][type]
  if (bytes === undefined || bytes === null) throw new Error(`unknown value type ${type}`)
  return bytes
}

/** Bytes from the start of the tensor data. */
export function tensorEnd({ dimensions, type, offset }: GgufTensor): number {
  const elements = dimensions.reduce((product, length) => product * length, 1)
  const [blockElements, blockBytes] = tensorTypes.get(type) ?? [1, 0]
  return offset + (elements / blockElements) * blockBytes
}

/**
 * Elements and bytes per block, by ggml_type (ggml.h, ggml-common.h). A type that is not here counts as empty: then the
 * offset of the next tensor still tells a truncated file, all but its last tensor.
 */
const tensorTypes: ReadonlyMap<number, readonly [number, number]> = new Map([
  [0, [1, 4]], // F32
  [1, [1, 2]], // F16
  [2, [32, 18]], // Q4_0
  [3, [32, 20]], // Q4_1
  [6, [32, 22]], // Q5_0
  [7, [32, 24]], // Q5_1
  [8, [32, 34]], // Q8_0
  [9, [32, 36]], // Q8_1
  [10, [256, 84]], // Q2_K
  [11, [256, 110]], // Q3_K
  [12, [256, 144]], // Q4_K
  [13, [256, 176]], // Q5_K
  [14, [256, 210]], // Q6_K
  [15, [256, 292]], // Q8_K
  [16, [256, 66]], // IQ2_XXS
  [17, [256, 74]], // IQ2_XS
  [18, [256, 98]], // IQ3_XXS
  [19, [256, 50]], // IQ1_S
  [20, [32, 18]], // IQ4_NL
  [21, [256, 110]], // IQ3_S
  [22, [256, 82]], // IQ2_S
  [23, [256, 136]], // IQ4_XS
  [24, [1, 1]], // I8
  [25, [1, 2]], // I16
  [26, [1, 4]], // I32
  [27, [1, 8]], // I64
  [28, [1, 8]], // F64
  [29, [256, 56]], // IQ1_M
  [30, [1, 2]], // BF16
  [34, [256, 54]], // TQ1_0
  [35, [256, 66]], // TQ2_0
  [39, [32, 17]], // MXFP4
  [40, [64, 36]], // NVFP4
  [41, [128, 18]], // Q1_0
  [42, [64, 18]], // Q2_0
])
