import { connect, type Socket } from 'node:net'

/** Sends bytes as they are and reads what comes until the server closes; for what no HTTP client would send. */
export function rawExchange(url: string, chunks: readonly (string | Uint8Array)[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = openSocket(url)
    let received = ''
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => {
      received += text
    })
    socket.on('close', () => resolve(received))
    socket.on('error', (cause) => (received === '' ? reject(cause) : resolve(received)))
    for (const chunk of chunks) socket.write(chunk)
  })
}

export function openSocket(url: string): Socket {
  const { hostname, port } = new URL(url)
  return connect(Number(port), hostname)
}

/** A POST of JSON as raw text, on a connection that ends with it. */
export function rawPost(path: string, body: string | Uint8Array, headers: readonly string[] = []): string {
  const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength
  return [
    `POST ${path} HTTP/1.1`,
    'host: localhost',
    'content-type: application/json',
    'connection: close',
    `content-length: ${length}`,
    ...headers,
    '',
    '',
  ].join('\r\n')
}
