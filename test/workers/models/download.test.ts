import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { writeRandomModel } from '../../../scripts/random-gguf.ts'
import { encodeHeader } from '../../../scripts/write-gguf.ts'
import type { DownloadProgress } from '../../../workers/models/download.ts'
import { forgetOtherVersion, makeFolder, requireSpace, writeReceipt } from '../../../workers/models/download-cache.ts'
import { createProgressReporter } from '../../../workers/models/download-progress.ts'
import { folderName } from '../../../workers/models/download-source.ts'
import { ModelError } from '../../../workers/models/model-error.ts'
import { listModels, resolveModel } from '../../../workers/models/resolve.ts'
import { type Answer, type ModelServer, redirect, serve, startModelServer } from './model-server.ts'

/** Of the downloader, which asks for one range per piece. */
const pieceBytes = 5 * 1024 ** 2

let scratch: string
let small: Buffer
let large: Buffer
let server: ModelServer
let cacheDir: string

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'headend-download-'))
  await writeRandomModel(join(scratch, 'small.gguf'), { layers: 1, width: 64, feedForward: 64, type: 'Q8_0' })
  await writeRandomModel(join(scratch, 'large.gguf'), { layers: 3, width: 512, heads: 8, feedForward: 1024 })
  small = await readFile(join(scratch, 'small.gguf'))
  large = await readFile(join(scratch, 'large.gguf'))
  assert.ok(large.length > 3 * pieceBytes)
})
after(() => rm(scratch, { recursive: true }))
beforeEach(async () => {
  server = await startModelServer()
  cacheDir = await mkdtemp(join(scratch, 'cache-'))
})
afterEach(() => server.close())

function failsWith(pattern: RegExp) {
  return (cause: unknown): boolean => {
    assert.ok(cause instanceof ModelError, `a ModelError, not ${cause}`)
    assert.match(cause.message, pattern)
    assert.doesNotMatch(cause.message, /\n/)
    return true
  }
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('a download', () => {
  it('is checked, named after its file, listed, and starts again without the network', async () => {
    server.answers.set('/files/My%20Model.Q8_0.gguf', serve({ bytes: small }))
    const url = `${server.origin}/files/My%20Model.Q8_0.gguf?signature=one`
    const seen: DownloadProgress[] = []
    const model = await resolveModel(url, { cacheDir, onProgress: (progress) => seen.push(progress) })
    assert.equal(model.id, 'My-Model.Q8_0')
    assert.equal(model.source, 'download')
    assert.equal(model.bytes, small.length)
    assert.deepEqual(await readFile(model.path), small)
    assert.deepEqual(seen.at(-1), {
      downloadedBytes: small.length,
      totalBytes: small.length,
      file: `${server.origin}/files/My%20Model.Q8_0.gguf`, // the signature stays out
    })
    await server.close()
    const again = await resolveModel(url.replace('one', 'two'), { cacheDir })
    assert.deepEqual(again, model)
    assert.deepEqual((await listModels(cacheDir)).slice(1), [model])
    assert.equal((await resolveModel(`tiny=${url}`, { cacheDir })).id, 'tiny')
  })

  it('fails when nothing comes for too long, and later goes on where it stopped', async (t) => {
    const url = `${server.origin}/large.gguf`
    const whole = serve({ bytes: large, headers: { etag: '"first"' } })
    server.answers.set('/large.gguf', (request, response) => {
      const { range } = request.headers
      const isLaterPiece = range !== undefined && !range.startsWith('bytes=0-')
      if (!isLaterPiece) whole(request, response) // the others never come
    })
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const stalled = resolveModel(url, { cacheDir })
    const unfinished = join(cacheDir, folderName(url), 'large.gguf.ipull')
    while (!(await hasRecord(unfinished))) await setImmediate()
    t.mock.timers.tick(60_000)
    await assert.rejects(stalled, failsWith(/large\.gguf sent nothing for 60 s; .* kept: start headend again/))
    assert.equal((await listModels(cacheDir)).length, 1, 'an unfinished download is no model')

    t.mock.timers.reset()
    server.answers.set('/large.gguf', whole)
    server.ranges.length = 0
    const model = await resolveModel(url, { cacheDir })
    assert.deepEqual(await readFile(model.path), large)
    assert.ok(server.ranges.includes(`bytes=${pieceBytes}-${2 * pieceBytes - 1}`))
    assert.ok(!server.ranges.includes(`bytes=0-${pieceBytes - 1}`), 'the first piece is not fetched twice')
  })

  it('ends in one line when pieces are refused midway, however many at once', async () => {
    const whole = serve({ bytes: large })
    server.answers.set('/m.gguf', (request, response) => {
      const { range } = request.headers
      if (range === undefined || range === 'bytes=0-3') whole(request, response)
      else response.writeHead(403).end() // as a signed URL does once it has expired
    })
    await assert.rejects(
      resolveModel(`${server.origin}/m.gguf`, { cacheDir }),
      failsWith(/m\.gguf is not open to everybody/),
    )
  })

  it('takes split models, and servers without ranges', async () => {
    const [first, second] = [splitPart(1, 2), splitPart(2, 2)]
    server.answers.set('/s-00001-of-00002.gguf', serve({ bytes: first, ranges: false }))
    server.answers.set('/s-00002-of-00002.gguf', serve({ bytes: second, ranges: false }))
    const model = await resolveModel(`${server.origin}/s-00001-of-00002.gguf`, { cacheDir })
    assert.equal(model.id, 's')
    assert.equal(model.bytes, first.length + second.length)
    assert.match(model.path, /s-00001-of-00002\.gguf$/)
  })

  it('ends with the reason of its signal', async () => {
    const url = `${server.origin}/m.gguf`
    const early = AbortSignal.abort(new Error('too late'))
    await assert.rejects(resolveModel(url, { cacheDir, signal: early }), /too late/)
    assert.deepEqual(server.paths, [])
    const controller = new AbortController()
    server.answers.set('/m.gguf', () => controller.abort(new Error('ended by the user')))
    await assert.rejects(resolveModel(url, { cacheDir, signal: controller.signal }), /ended by the user/)
    const whole = serve({ bytes: small })
    const midway = new AbortController()
    const onProgress = (): void => midway.abort(new Error('ended midway'))
    server.answers.set('/m.gguf', whole)
    await assert.rejects(resolveModel(url, { cacheDir, signal: midway.signal, onProgress }), /ended midway/)
  })
})

describe('Hugging Face', () => {
  beforeEach(() => {
    process.env.HF_ENDPOINT = server.origin
  })
  afterEach(() => {
    delete process.env.HF_ENDPOINT
  })

  it('names the file of a quantisation', async () => {
    const manifest = JSON.stringify({ ggufFile: { rfilename: 'Toy-1B-Q8_0.gguf' } })
    server.answers.set('/v2/maker/Toy-1B-GGUF/manifests/Q8_0', (_request, response) => response.end(manifest))
    server.answers.set('/maker/Toy-1B-GGUF/resolve/main/Toy-1B-Q8_0.gguf', hashed(small, sha256(small)))
    const spec = 'hf:maker/Toy-1B-GGUF:Q8_0'
    // The name in the URL: the downloader makes up another one, so this also holds its URL, where the hash is found.
    assert.equal((await resolveModel(spec, { cacheDir })).id, 'Toy-1B-Q8_0')
    await server.close()
    assert.equal((await resolveModel(spec, { cacheDir })).id, 'Toy-1B-Q8_0')
  })

  it('takes the path of a file, and compares the hash that it tells', async () => {
    server.answers.set('/maker/toys/resolve/main/sub/toy.gguf', hashed(small, sha256(large)))
    const spec = 'hf:maker/toys/sub/toy.gguf'
    await assert.rejects(
      resolveModel(spec, { cacheDir }),
      failsWith(/SHA-256 is not what the server says; start headend again/),
    )
    assert.deepEqual(await readdir(join(cacheDir, folderName(spec))), [], 'the damaged file is gone')
  })

  it('knows nothing of a wrong name', async () => {
    await assert.rejects(
      resolveModel('hf:maker/nothing:Q4_K_M', { cacheDir }),
      failsWith(/There is no hf:maker\/nothing:Q4_K_M: check the repository and the quantisation/),
    )
    await assert.rejects(resolveModel('hf:maker', { cacheDir }), failsWith(/hf:maker: write hf:user\/repo:quant/))
  })
})

describe('a URL that serves no model', () => {
  const answers: ReadonlyArray<readonly [string, Answer, RegExp]> = [
    [
      '404',
      (_request, response) => response.writeHead(404).end(),
      /There is no http:.*\/m\.gguf \(HTTP 404\): check its name/,
    ],
    [
      '401',
      (_request, response) => response.writeHead(401).end(),
      /not open to everybody \(HTTP 401\): check the URL or, on Hugging Face, set HF_TOKEN/,
    ],
    [
      '503',
      (_request, response) => response.writeHead(503).end(),
      /cannot be downloaded now \(HTTP 503\): try again later/,
    ],
    [
      'a web page',
      serve({ bytes: Buffer.from('<!DOCTYPE html>') }),
      /is not a GGUF file: give the URL of the .gguf file itself/,
    ],
    ['an empty file', serve({ bytes: Buffer.alloc(0) }), /is not a GGUF file/],
    ['a circle', redirect('/m.gguf'), /redirects without end/],
    [
      'a closed connection',
      (request) => request.socket.destroy(),
      /cannot be reached \(.*\): check the URL and the network/,
    ],
  ]
  for (const [name, answer, pattern] of answers) {
    it(`${name}: refused before anything is fetched`, async () => {
      server.answers.set('/m.gguf', answer)
      await assert.rejects(resolveModel(`${server.origin}/m.gguf?token=secret`, { cacheDir }), (cause) => {
        assert.doesNotMatch(String(cause), /secret/)
        return failsWith(pattern)(cause)
      })
    })
  }

  it('a server that is not there or does not answer', async () => {
    const url = `${server.origin}/m.gguf`
    server.answers.set('/m.gguf', () => {})
    await assert.rejects(
      resolveModel(url, { cacheDir, stallTimeoutMs: 50 }),
      failsWith(/cannot be reached \(no answer for/),
    )
    await server.close()
    await assert.rejects(resolveModel(url, { cacheDir }), failsWith(/cannot be reached \(connect ECONNREFUSED/))
    await assert.rejects(resolveModel('http://[bad', { cacheDir }), failsWith(/is no valid URL/))
  })

  it('a file that is shorter than its server says, or than its header needs', async () => {
    const url = `${server.origin}/m.gguf`
    server.answers.set('/m.gguf', serve({ bytes: small, headers: { 'x-linked-size': String(small.length + 1) } }))
    await assert.rejects(resolveModel(url, { cacheDir }), failsWith(/has \d+ bytes, its server promised \d+/))
    server.answers.set('/m.gguf', serve({ bytes: small.subarray(0, -1000) }))
    await assert.rejects(resolveModel(url, { cacheDir }), failsWith(/m\.gguf is truncated: [\d,]+ bytes are missing/))
    assert.deepEqual(await readdir(join(cacheDir, folderName(url))), [])
  })
})

describe('the cache', () => {
  it('forgets a model whose file was cut', async () => {
    const folder = join(cacheDir, 'one')
    await makeFolder(folder)
    await writeFile(join(folder, 'm.gguf'), small)
    await writeReceipt(folder, { id: 'm', files: [{ name: 'm.gguf', bytes: small.length }], completedAt: '2026-01-01' })
    assert.equal((await listModels(cacheDir)).at(-1)?.id, 'm')
    await writeFile(join(folder, 'm.gguf'), small.subarray(1))
    assert.deepEqual(
      (await listModels(cacheDir)).map(({ id }) => id),
      ['headend-tiny'],
    )
  })

  it('never completes one version of a file with another', async () => {
    await forgetOtherVersion(cacheDir, '"one"')
    await writeFile(join(cacheDir, 'm.gguf.ipull'), 'half')
    await forgetOtherVersion(cacheDir, '"one"')
    assert.ok((await readdir(cacheDir)).includes('m.gguf.ipull'))
    await forgetOtherVersion(cacheDir, '"two"')
    assert.ok(!(await readdir(cacheDir)).includes('m.gguf.ipull'))
  })

  it('refuses what the disk cannot hold', async () => {
    await assert.rejects(requireSpace(cacheDir, 2 ** 60), failsWith(/needs 1048576 TiB, .* are free: make room/))
    await requireSpace(cacheDir, 1)
  })

  it('must be a directory that can be written', async () => {
    server.answers.set('/m.gguf', serve({ bytes: small }))
    const file = join(scratch, 'small.gguf')
    await assert.rejects(
      resolveModel(`${server.origin}/m.gguf`, { cacheDir: file }),
      failsWith(/The cache .* cannot be written: change --cache-dir/),
    )
    assert.equal((await listModels(file)).length, 1)
  })
})

describe('the progress reporter', () => {
  const gibibyte = 1024 ** 3
  const at = (downloadedBytes: number) => ({ downloadedBytes, totalBytes: gibibyte, file: 'hf:a/b:Q8_0' })

  it('redraws one line on a terminal', () => {
    let text = ''
    let time = 0
    const report = createProgressReporter({ isTTY: true, write: (piece) => (text += piece) }, () => time)
    report(at(0))
    time = 10_000
    report(at(gibibyte / 4))
    report(at(gibibyte))
    const lines = text.split('\r\x1b[K')
    assert.equal(lines[1], 'hf:a/b:Q8_0 [........................] 0 % of 1.0 GiB')
    assert.equal(lines[2], 'hf:a/b:Q8_0 [######..................] 25 % of 1.0 GiB, 26 MiB/s, 30 s left')
    assert.equal(lines[3], 'hf:a/b:Q8_0 [########################] 100 % of 1.0 GiB, 102 MiB/s\n')
  })

  it('writes a line every five seconds elsewhere, and the last one', () => {
    const lines: string[] = []
    let time = 0
    const report = createProgressReporter({ write: (line) => lines.push(line) }, () => time)
    for (time = 0; time <= 6000; time += 1000) report(at(time * 1000))
    report(at(gibibyte))
    assert.deepEqual(lines, [
      'Downloading hf:a/b:Q8_0: 0 % of 1.0 GiB\n',
      'Downloading hf:a/b:Q8_0: 0 % of 1.0 GiB, 977 KiB/s, 18 min left\n',
      'Downloading hf:a/b:Q8_0: 100 % of 1.0 GiB, 146 MiB/s\n',
    ])
  })
})

/** As Hugging Face does: the hash stands on the redirect. */
function hashed(bytes: Buffer, digest: string): Answer {
  const file = serve({ bytes })
  return (request, response) => {
    if (request.url?.endsWith('?blob')) file(request, response)
    else redirect(`${request.url?.split('?')[0]}?blob`, { 'x-linked-etag': `"${digest}"` })(request, response)
  }
}

/** The downloader appends its record of finished pieces to the unfinished file. */
async function hasRecord(path: string): Promise<boolean> {
  const size = await stat(path).then(
    (stats) => stats.size,
    () => 0,
  )
  return size > large.length
}

function splitPart(part: number, count: number): Buffer {
  const tensor = { name: `part${part}.weight`, dimensions: [64], type: 'F32' } as const
  const metadata = {
    'general.architecture': { type: 'string', value: 'llama' },
    'split.no': { type: 'u32', value: part - 1 },
    'split.count': { type: 'u32', value: count },
  } as const
  return Buffer.concat([encodeHeader(metadata, [tensor]), Buffer.alloc(256)])
}
