import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface ServedFile {
  readonly bytes: Buffer
  /** Of every answer, in place of what it would say. */
  readonly headers?: Readonly<Record<string, string>>
  /** `false`: ranges are ignored, as simple servers do. */
  readonly ranges?: boolean
}

export type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface ModelServer {
  readonly origin: string
  /** `range` headers, in order of arrival; '' for none. */
  readonly ranges: string[]
  readonly paths: string[]
  /** Answers by path, query left out; anything else is a 404. */
  readonly answers: Map<string, Answer>
  close(): Promise<void>
}

export async function startModelServer(): Promise<ModelServer> {
  const answers = new Map<string, Answer>()
  const ranges: string[] = []
  const paths: string[] = []
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://local').pathname
    paths.push(path)
    ranges.push(request.headers.range ?? '')
    const answer = answers.get(path)
    if (answer === undefined) response.writeHead(404).end('not here')
    else answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async (): Promise<void> => {
    server.closeAllConnections() // the downloader leaves some open
    await new Promise((resolve) => server.close(resolve))
  }
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, ranges, paths, answers, close }
}

export function serve({ bytes, headers = {}, ranges = true }: ServedFile): Answer {
  return (request, response) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (!ranges || first === undefined) {
      response.writeHead(200, {
        'content-length': bytes.length,
        ...(ranges ? { 'accept-ranges': 'bytes' } : {}),
        ...headers,
      })
      response.end(bytes)
      return
    }
    const piece = bytes.subarray(Number(first), Number(last) + 1)
    response.writeHead(206, {
      'content-length': piece.length,
      'content-range': `bytes ${first}-${Number(first) + piece.length - 1}/${bytes.length}`,
      'accept-ranges': 'bytes',
      ...headers,
    })
    response.end(piece)
  }
}

export function redirect(location: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return (_request, response) => response.writeHead(302, { location, ...headers }).end()
}
