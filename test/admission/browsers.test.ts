import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type BrowserOptions, createBrowserRules } from '../../src/admission/browsers.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import { RecordingExchange } from '../support/recording-exchange.ts'

type Headers = Readonly<Record<string, string>>

const local: BrowserOptions = { host: '127.0.0.1', allowedHosts: [], corsOrigins: [], hasKeys: false }

function rules(options: Partial<BrowserOptions>) {
  return createBrowserRules({ ...local, ...options })
}

/** `true`: let in. */
function check(options: Partial<BrowserOptions>, headers: Headers): boolean {
  try {
    rules(options).check(new RecordingExchange({ host: 'localhost', ...headers }))
    return true
  } catch (error) {
    assert(error instanceof HeadendError && error.kind === 'forbidden', String(error))
    assert.match(error.message, /^(host|origin): .*; .*start headend with --(allowed-host|cors-origin)/)
    return false
  }
}

function table(title: string, rows: readonly (readonly [Partial<BrowserOptions>, Headers, boolean])[]): void {
  describe(title, () => {
    for (const [options, headers, expected] of rows) {
      const name = `${JSON.stringify(options)} ${JSON.stringify(headers)}`.slice(0, 200)
      test(`${name}: ${expected ? 'let in' : 'refused'}`, () => assert.equal(check(options, headers), expected))
    }
  })
}

const named = { allowedHosts: ['models.example.com', '[fd00::1]'] }
const anywhere = { host: '0.0.0.0' }

table('the name by which the server is called', [
  [{}, { host: 'localhost:8080' }, true],
  [{}, { host: 'LOCALHOST.' }, true],
  [{}, { host: '127.0.0.1' }, true],
  [{}, { host: '[::1]:8080' }, true],
  [{ host: '::1' }, { host: '127.0.0.1:1' }, true],
  [{ host: 'localhost' }, { host: 'evil.example' }, false],
  [{}, { host: 'evil.example:8080' }, false],
  [{}, { host: '127.0.0.1.evil.example' }, false],
  [{}, { host: 'localhost.evil.example' }, false],
  [{}, { host: 'evil.example, localhost' }, false],
  [{}, { host: '192.168.1.5:8080' }, false],
  [{}, { host: '' }, false],
  [{}, { host: 'x'.repeat(10_000) }, false],
  [{ hasKeys: true }, { host: 'evil.example' }, false],
  [named, { host: 'Models.Example.com:443' }, true],
  [named, { host: '[fd00::1]:8080' }, true],
  [named, { host: 'localhost' }, true],
  [named, { host: 'evil.example' }, false],
  [anywhere, { host: 'evil.example' }, true],
  [{ ...anywhere, ...named }, { host: 'evil.example' }, false],
  [{ ...anywhere, ...named }, { host: 'models.example.com' }, true],
])

const page = { origin: 'https://evil.example' }
const cors = { corsOrigins: ['https://app.example.com'] }

table('pages of other origins', [
  [{}, {}, true],
  [{}, page, false],
  [{}, { origin: 'null' }, false],
  [{}, { origin: 'https://localhost.evil.example' }, false],
  [{}, { origin: 'garbage' }, false],
  [{}, { origin: 'http://localhost:3000' }, true],
  [{}, { origin: 'http://127.0.0.1:3000', 'sec-fetch-site': 'same-site' }, true],
  [{}, { 'sec-fetch-site': 'cross-site' }, false],
  [{}, { origin: 'http://localhost:3000', 'sec-fetch-site': 'cross-site' }, false],
  [{}, { 'sec-fetch-site': 'none' }, true],
  [{}, { 'sec-fetch-site': 'same-origin' }, true],
  [{ hasKeys: true }, page, true],
  [{ hasKeys: true }, { 'sec-fetch-site': 'cross-site' }, true],
  [anywhere, { host: 'models.example.com', origin: 'http://models.example.com' }, true],
  [anywhere, { host: 'models.example.com:443', origin: 'https://models.example.com' }, true],
  [anywhere, { host: 'models.example.com:8080', origin: 'http://models.example.com:9090' }, false],
  [anywhere, { host: 'models.example.com', ...page }, false],
  [cors, { origin: 'https://app.example.com', 'sec-fetch-site': 'cross-site' }, true],
  [cors, page, false],
  [cors, { 'sec-fetch-site': 'cross-site' }, false],
  [{ corsOrigins: ['*'] }, page, true],
  [{ corsOrigins: ['*'] }, { origin: 'null', 'sec-fetch-site': 'cross-site' }, true],
])

describe('cross-origin sharing', () => {
  const app = 'https://app.example.com'
  const ask = (headers: Headers, method = 'OPTIONS') => new RecordingExchange(headers, method)

  test('is off unless an origin is configured', () => {
    assert.equal(rules({}).preflight(ask({ origin: app })), null)
    assert.equal(rules({}).answer(ask({ origin: app })), null)
  })

  test('answers the preflight of that origin', () => {
    const requested = 'X-Stainless-Lang, content-type, bad name, x\u0000'
    const headers = rules(cors).preflight(ask({ origin: app, 'access-control-request-headers': requested }))
    assert.deepEqual(headers, {
      'access-control-allow-origin': app,
      vary: 'origin',
      'access-control-allow-methods': 'GET, HEAD, POST',
      'access-control-allow-headers':
        'content-type, x-api-key, authorization, anthropic-version, anthropic-beta, anthropic-dangerous-direct-browser-access, x-stainless-lang',
      'access-control-max-age': '7200',
    })
  })

  test('lets its pages read the answers, and tells them what else to read', () => {
    assert.deepEqual(rules(cors).answer(ask({ origin: app }, 'POST')), {
      'access-control-allow-origin': app,
      vary: 'origin',
      'access-control-expose-headers': 'request-id, x-request-id, retry-after',
    })
    assert.equal(rules({ corsOrigins: ['*'] }).answer(ask({ origin: 'null' }))?.['access-control-allow-origin'], '*')
  })

  test('has nothing for others', () => {
    for (const headers of [{}, page, { origin: 'https://app.example.com.evil.example' }]) {
      assert.equal(rules(cors).preflight(ask(headers)), null)
      assert.equal(rules(cors).answer(ask(headers)), null)
    }
    assert.equal(rules(cors).preflight(ask({ origin: app }, 'POST')), null)
  })
})
