/**
 * Encodes GGUF files, version 3: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 * For random models, and for tests that need files no tool would write.
 */
import { open } from 'node:fs/promises'

export type MetadataValue =
  | { readonly type: 'u32' | 'i32' | 'f32'; readonly value: number }
  | { readonly type: 'bool'; readonly value: boolean }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'u32[]' | 'i32[]' | 'f32[]'; readonly value: readonly number[] }
  | { readonly type: 'string[]'; readonly value: readonly string[] }

export interface Tensor {
  readonly name: string
  readonly dimensions: readonly number[]
  readonly type: 'F32' | 'F16' | 'Q8_0'
}

const alignment = 32
const valueTypes = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 } as const
const tensorTypes = { F32: 0, F16: 1, Q8_0: 8 } as const

/** `fill` gets zeroed bytes, padding included, one tensor at a time. */
export async function writeGguf(
  path: string,
  metadata: Readonly<Record<string, MetadataValue>>,
  tensors: readonly Tensor[],
  fill: (tensor: Tensor, bytes: Buffer) => void = () => {},
): Promise<void> {
  const file = await open(path, 'w')
  try {
    await file.write(encodeHeader(metadata, tensors))
    for (const tensor of tensors) {
      const bytes = Buffer.alloc(align(tensorBytes(tensor)))
      fill(tensor, bytes)
      await file.write(bytes)
    }
  } finally {
    await file.close()
  }
}

export function encodeHeader(metadata: Readonly<Record<string, MetadataValue>>, tensors: readonly Tensor[]): Buffer {
  const entries = Object.entries(metadata)
  const parts = [Buffer.from('GGUF'), u32Bytes(3), u64Bytes(tensors.length), u64Bytes(entries.length)]
  for (const [key, value] of entries) parts.push(stringBytes(key), encodeValue(value))
  let offset = 0
  for (const tensor of tensors) {
    parts.push(stringBytes(tensor.name), u32Bytes(tensor.dimensions.length), ...tensor.dimensions.map(u64Bytes))
    parts.push(u32Bytes(tensorTypes[tensor.type]), u64Bytes(offset))
    offset += align(tensorBytes(tensor))
  }
  const header = Buffer.concat(parts)
  return Buffer.concat([header, Buffer.alloc(align(header.length) - header.length)])
}

function encodeValue(value: MetadataValue): Buffer {
  switch (value.type) {
    case 'string':
      return Buffer.concat([u32Bytes(valueTypes.string), stringBytes(value.value)])
    case 'bool':
      return Buffer.concat([u32Bytes(valueTypes.bool), Buffer.from([value.value ? 1 : 0])])
    case 'u32':
    case 'i32':
    case 'f32':
      return Buffer.concat([u32Bytes(valueTypes[value.type]), numberBytes[value.type](value.value)])
    case 'string[]':
      return encodeArray('string', value.value.map(stringBytes))
    case 'u32[]':
      return encodeArray('u32', value.value.map(numberBytes.u32))
    case 'i32[]':
      return encodeArray('i32', value.value.map(numberBytes.i32))
    case 'f32[]':
      return encodeArray('f32', value.value.map(numberBytes.f32))
    default:
      return value satisfies never
  }
}

function encodeArray(type: keyof typeof valueTypes, items: readonly Buffer[]): Buffer {
  return Buffer.concat([u32Bytes(valueTypes.array), u32Bytes(valueTypes[type]), u64Bytes(items.length), ...items])
}

const numberBytes = {
  u32: u32Bytes,
  i32: (value: number): Buffer => Buffer.from(Int32Array.of(value).buffer),
  f32: (value: number): Buffer => Buffer.from(Float32Array.of(value).buffer),
}

function u32Bytes(value: number): Buffer {
  return Buffer.from(Uint32Array.of(value).buffer)
}

function u64Bytes(value: number): Buffer {
  return Buffer.from(BigUint64Array.of(BigInt(value)).buffer)
}

function stringBytes(text: string): Buffer {
  const bytes = Buffer.from(text)
  return Buffer.concat([u64Bytes(bytes.length), bytes])
}

function align(bytes: number): number {
  return Math.ceil(bytes / alignment) * alignment
}

function tensorBytes({ dimensions, type }: Tensor): number {
  const elements = dimensions.reduce((product, length) => product * length, 1)
  return { F32: elements * 4, F16: elements * 2, Q8_0: (elements / 32) * 34 }[type]
}
