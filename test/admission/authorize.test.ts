import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openAccess } from '../../src/admission/access.ts'
import { createIdentify } from '../../src/admission/identity.ts'
import { HeadendError } from '../../src/contract/errors.ts'
import { RecordingExchange } from '../support/recording-exchange.ts'

type Headers = Readonly<Record<string, string>>

const identify = createIdentify([])

function access(apiKey: readonly string[]) {
  const settings = { host: '127.0.0.1', apiKeyFile: null, apiKey, allowedHost: [], corsOrigin: [] }
  return openAccess(settings, (message) => assert.fail(message))
}

function exchangeWith(headers: Headers): RecordingExchange {
  return new RecordingExchange({ host: 'localhost:8080', ...headers })
}

function refusal(apiKey: readonly string[], headers: Headers): string {
  try {
    access(apiKey).authorize(exchangeWith(headers))
  } catch (error) {
    assert(error instanceof HeadendError, String(error))
    return `${error.kind}: ${error.message}`
  }
  return 'accepted'
}

/** Whose turn it is. */
function sessionOf(apiKey: readonly string[], headers: Headers, hint: string | null = null) {
  const exchange = exchangeWith(headers)
  return identify(access(apiKey).authorize(exchange), exchange, hint)
}

describe('where keys are configured', () => {
  const keys = ['one', 'two']
  const rows: readonly (readonly [Headers, string])[] = [
    [{ 'x-api-key': 'one' }, 'accepted'],
    [{ 'x-api-key': 'two' }, 'accepted'],
    [{ authorization: 'Bearer two' }, 'accepted'],
    [{ authorization: 'bEARER   two' }, 'accepted'],
    [{ 'x-api-key': '', authorization: 'Bearer two' }, 'accepted'],
    [{ 'x-api-key': 'one', authorization: 'Bearer wrong' }, 'accepted'],
    [{ 'x-api-key': 'wrong', authorization: 'Bearer one' }, 'unauthenticated: invalid x-api-key'],
    [{ 'x-api-key': 'onе' }, 'unauthenticated: invalid x-api-key'],
    [{ 'x-api-key': 'one, one' }, 'unauthenticated: invalid x-api-key'],
    [{ authorization: 'Bearer wrong' }, 'unauthenticated: Invalid bearer token'],
    [{ authorization: 'Basic one' }, 'unauthenticated: x-api-key header is required'],
    [{ authorization: 'Bearer' }, 'unauthenticated: x-api-key header is required'],
    [{}, 'unauthenticated: x-api-key header is required'],
  ]
  for (const [headers, expected] of rows) {
    test(`${JSON.stringify(headers)}: ${expected}`, () => assert.equal(refusal(keys, headers), expected))
  }
})

describe('where none are', () => {
  for (const headers of [{}, { 'x-api-key': 'x' }, { authorization: 'Basic x' }, { authorization: 'Bearer x' }]) {
    test(`${JSON.stringify(headers)} is accepted`, () => assert.equal(refusal([], headers), 'accepted'))
  }
})

describe('whose turn it is', () => {
  test('a credential is a crowd, the same by either header, and is not kept', () => {
    const byKey = sessionOf([], { 'x-api-key': 'secret' })
    assert.deepEqual(byKey, sessionOf([], { authorization: 'Bearer secret' }))
    assert.deepEqual(byKey, sessionOf(['secret'], { 'x-api-key': 'secret' }))
    assert.notDeepEqual(byKey, sessionOf([], { 'x-api-key': 'other' }))
    assert.match(byKey.key, /^key:[\w-]{43}$/)
    assert.equal(byKey.named, false)
  })

  test('without a credential the address is the crowd', () => {
    assert.deepEqual(sessionOf([], {}), { key: 'address:127.0.0.1', named: false })
  })

  test('a header names a session, else the body does', () => {
    const headers = { 'x-claude-code-session-id': 'a', 'x-session-id': 'b', 'x-api-key': 'k' }
    assert.deepEqual(sessionOf([], headers, 'c'), { key: 'session:a', named: true })
    assert.deepEqual(sessionOf([], { 'x-session-id': 'b' }, 'c'), { key: 'session:b', named: true })
    assert.deepEqual(sessionOf([], { 'x-session-id': '' }, 'c'), { key: 'session:c', named: true })
    assert.match(sessionOf([], { 'x-session-id': 'b'.repeat(129) }).key, /^session:[\w-]{43}$/)
  })

  test('sessions of different keys are different sessions', () => {
    const sessions = ['one', 'two'].map((key) => sessionOf(['one', 'two'], { 'x-api-key': key, 'x-session-id': 's' }))
    assert.notEqual(sessions[0]?.key, sessions[1]?.key)
    assert.ok(sessions.every(({ named }) => named))
  })
})
