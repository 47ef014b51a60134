import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { StartError } from '../contract/errors.ts'

export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface TlsPair {
  readonly cert: Buffer
  readonly key: Buffer
}

/** @throws StartError one line that names the file: it is missing, unreadable, not PEM, or the two do not belong together */
export function readTls(files: TlsFiles): TlsPair {
  const pair = { cert: read(files.certFile, 'certificate'), key: read(files.keyFile, 'key') }
  check(pair, 'cert', `${files.certFile} is not a certificate in PEM form`)
  check(pair, 'key', `${files.keyFile} is not a private key in PEM form without a passphrase`)
  try {
    createSecureContext(pair)
  } catch (cause) {
    throw new StartError(`The TLS key ${files.keyFile} does not belong to the certificate ${files.certFile}`, { cause })
  }
  return pair
}

function read(file: string, what: string): Buffer {
  try {
    return readFileSync(file)
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    throw new StartError(`The TLS ${what} ${file} cannot be read (${code}): check the path and its permissions`, {
      cause,
    })
  }
}

function check(pair: TlsPair, part: keyof TlsPair, problem: string): void {
  try {
    createSecureContext({ [part]: pair[part] })
  } catch (cause) {
    throw new StartError(problem, { cause })
  }
}
