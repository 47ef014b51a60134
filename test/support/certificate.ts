import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export const hasOpenssl = spawnSync('openssl', ['version']).status === 0

/** A certificate that signed itself, so nobody trusts it. @param subject such as `/CN=localhost` */
export function createCertificate(subject: string, name: string): { readonly cert: Buffer; readonly key: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'headend-certificate-'))
  try {
    const [certFile, keyFile] = [join(folder, 'made.crt'), join(folder, 'made.key')]
    const about = ['-subj', subject, '-addext', `subjectAltName=${name}`, '-days', '2', '-nodes']
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1']
    const made = spawnSync('openssl', ['req', '-x509', ...curve, ...about, '-keyout', keyFile, '-out', certFile])
    assert.equal(made.status, 0, String(made.stderr))
    return { cert: readFileSync(certFile), key: readFileSync(keyFile) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
