import assert from 'node:assert/strict'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { encodeHeader, type MetadataValue } from '../../../scripts/write-gguf.ts'
import { ModelError } from '../../../workers/models/model-error.ts'
import { listModels, resolveModel } from '../../../workers/models/resolve.ts'

let scratch: string
let embedded: Buffer

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'headend-models-'))
  embedded = await readFile((await resolve('embedded')).path)
})
after(() => rm(scratch, { recursive: true }))

function resolve(spec: string) {
  return resolveModel(spec, { cacheDir: join(scratch, 'cache') })
}

async function write(name: string, bytes: Buffer | string): Promise<string> {
  const path = join(scratch, name)
  await writeFile(path, bytes)
  return path
}

async function refuses(path: string, pattern: RegExp): Promise<void> {
  await assert.rejects(resolve(path), (cause) => {
    assert.ok(cause instanceof ModelError, `a ModelError, not ${cause}`)
    assert.equal(cause.expected, true)
    assert.match(cause.message, pattern)
    assert.doesNotMatch(cause.message, /\n/)
    return true
  })
}

function header(metadata: Readonly<Record<string, MetadataValue>>): Buffer {
  const tensor = { name: 'token_embd.weight', dimensions: [64], type: 'F32' } as const
  const architecture = { 'general.architecture': { type: 'string', value: 'llama' } } as const
  return Buffer.concat([encodeHeader({ ...architecture, ...metadata }, [tensor]), Buffer.alloc(256)])
}

function part(number: number, count: number): Buffer {
  return header({ 'split.no': { type: 'u32', value: number - 1 }, 'split.count': { type: 'u32', value: count } })
}

describe('resolveModel', () => {
  it('finds the embedded model', async () => {
    const model = await resolve('embedded')
    assert.equal(model.id, 'headend-tiny')
    assert.equal(model.source, 'embedded')
    assert.equal(model.bytes, 4_710_208)
    assert.ok(model.createdAt.getFullYear() > 2025)
    assert.deepEqual(await listModels(join(scratch, 'no-cache')), [model])
  })

  it('takes a path and names the model after the file', async () => {
    const path = await write('Größe (1) Q8_0.gguf', embedded)
    const model = await resolve(path)
    assert.equal(model.id, 'Gr-e-1-Q8_0')
    assert.equal(model.path, path)
    assert.equal(model.source, 'path')
  })

  it('takes a name before the path, and an equals sign in it', async () => {
    const path = await write('a=b.gguf', embedded)
    assert.equal((await resolve(path)).id, 'a-b')
    const named = await resolve(`claude-local=${path}`)
    assert.equal(named.id, 'claude-local')
    assert.equal(named.path, path)
  })

  it('adds up the parts of a split model', async () => {
    await write('big-00002-of-00002.gguf', part(2, 2))
    const first = await write('big-00001-of-00002.gguf', part(1, 2))
    const model = await resolve(first)
    assert.equal(model.id, 'big')
    assert.equal(model.path, first)
    assert.equal(model.bytes, part(1, 2).length + part(2, 2).length)
  })
})

describe('a file that is no whole model', () => {
  it('is missing, a directory, or unreadable', async () => {
    const missing = join(scratch, 'none.gguf')
    await refuses(
      missing,
      /^No model file at .*none\.gguf; give --model a path to a \.gguf file, hf:user\/repo:quant, or an https URL$/,
    )
    await refuses(scratch, /is a directory: give --model the path to a \.gguf file inside it/)
    await refuses(' ', /--model is empty/)
    const locked = await write('locked.gguf', embedded)
    await chmod(locked, 0)
    if (process.getuid?.() !== 0) await refuses(locked, /may not be read: check its permissions/) // root reads everything
  })

  it('is truncated in its tensors: says how many bytes are missing', async () => {
    await refuses(
      await write('cut.gguf', embedded.subarray(0, -1234)),
      /cut\.gguf is truncated: 1,234 bytes are missing; download it again/,
    )
    await refuses(
      await write('half.gguf', embedded.subarray(0, 1 << 20)),
      /half\.gguf is truncated: 3,661,632 bytes are missing/,
    )
  })

  it('is truncated in its header, wherever that is', async () => {
    for (const length of [1, 4, 7, 8, 20, 24, 30, 100, 5000, 90_000, 97_000]) {
      await refuses(await write('cut.gguf', embedded.subarray(0, length)), /is truncated: it ends inside its header/)
    }
  })

  it('is no GGUF file', async () => {
    await refuses(await write('page.gguf', '<!DOCTYPE html>'), /page\.gguf is not a GGUF file/)
    await refuses(await write('old.bin', 'ggjt0123456789'), /old\.bin is not a GGUF file/)
    await refuses(await write('empty.gguf', ''), /empty\.gguf is empty: download it again/)
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n'
    await refuses(await write('pointer.gguf', pointer), /is a Git LFS pointer, not the model: run "git lfs pull"/)
  })

  it('is of a version that is not read', async () => {
    const versions: ReadonlyArray<readonly [number, RegExp]> = [
      [0, /GGUF version 0, headend reads 2 and 3/],
      [1, /GGUF version 1, which is no longer read: download a newer conversion/],
      [4, /GGUF version 4, headend reads 2 and 3: update headend/],
      [0x03000000, /big-endian GGUF file: download the little-endian one/],
    ]
    for (const [version, pattern] of versions) {
      const bytes = Buffer.from(embedded)
      bytes.writeUInt32LE(version, 4)
      await refuses(await write('version.gguf', bytes), pattern)
    }
  })

  it('is damaged: absurd figures end in an error, not in a loop', async () => {
    const lies: ReadonlyArray<readonly [number, bigint]> = [
      [8, 2n ** 60n], // tensors
      [16, 2n ** 60n], // metadata
      [24, 2n ** 62n], // length of the first key
    ]
    for (const [offset, value] of lies) {
      const bytes = Buffer.from(embedded)
      bytes.writeBigUInt64LE(value, offset)
      await refuses(await write('lie.gguf', bytes), /is truncated|is damaged/)
    }
    const typed = header({ 'general.odd': { type: 'u32', value: 7 } })
    typed.writeUInt32LE(99, typed.indexOf('general.odd') + 'general.odd'.length)
    await refuses(
      await write('type.gguf', typed),
      /type\.gguf is damaged: its header makes no sense; download it again/,
    )
  })
})

describe('a split model', () => {
  it('begins with its first part', async () => {
    const second = await write('x-00002-of-00003.gguf', part(2, 3))
    await refuses(
      second,
      /x-00002-of-00003\.gguf is not the first part .*: give --model x-00001-of-00003\.gguf instead/,
    )
  })

  it('needs all its parts, whole', async () => {
    const directory = join(scratch, 'parts')
    await mkdir(directory)
    const first = await write('parts/y-00001-of-00003.gguf', part(1, 3))
    await write('parts/y-00003-of-00003.gguf', part(3, 3))
    await refuses(first, /y-00002-of-00003\.gguf is missing: all parts of a split model must lie in one directory/)
    await write('parts/y-00002-of-00003.gguf', part(2, 3).subarray(0, -2))
    await refuses(first, /y-00002-of-00003\.gguf is truncated: [\d,]+ bytes are missing/)
  })

  it('keeps the names of its parts', async () => {
    const first = await write('z-00001-of-00002.gguf', part(1, 2))
    const renamed = join(scratch, 'renamed.gguf')
    await copyFile(first, renamed)
    await refuses(renamed, /renamed\.gguf is part 1 of 2 of a split model: name its files NAME-00001-of-00002\.gguf/)
  })
})
