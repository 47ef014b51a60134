import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorKind, errorKinds, HeadendError } from '../../../src/contract/errors.ts'
import { refuse } from '../../../src/protocols/anthropic/error-body.ts'
import { ThreadRefusal } from '../../../src/protocols/anthropic/hosted-fields.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'

/** The error table of the Messages API: https://docs.anthropic.com/en/api/errors */
const typeByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  408: 'invalid_request_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  500: 'api_error',
  502: 'api_error',
  503: 'overloaded_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

function answerTo(error: HeadendError): RecordingExchange {
  const exchange = new RecordingExchange()
  refuse(exchange, error)
  return exchange
}

describe('every kind of error', () => {
  for (const [kind, { status }] of Object.entries(errorKinds)) {
    test(kind, () => {
      const { response, id } = answerTo(new HeadendError(kind as ErrorKind, 'what "to" do'))
      if (status === 499) return assert.equal(response, null) // nobody is left to read it
      assert.equal(response?.status, status)
      assert.deepEqual(JSON.parse(response?.body ?? ''), {
        type: 'error',
        error: { type: typeByStatus[status], message: 'what "to" do' },
        request_id: id,
      })
    })
  }
})

test('a thread is refused with the code that makes SDKs go on without one', () => {
  const { response, id } = answerTo(new ThreadRefusal())
  assert.equal(response?.status, 400)
  assert.deepEqual(JSON.parse(response?.body ?? ''), {
    type: 'error',
    error: {
      type: 'invalid_request_error',
      message: 'thread: `thread` is not supported by this server; leave it out',
      details: { error_code: 'thread_unsupported_request', unsupported: ['thread'] },
    },
    request_id: id,
  })
})

test('headers', () => {
  const plain = answerTo(new HeadendError('internal', 'x'))
  assert.deepEqual(plain.response?.headers, { 'content-type': 'application/json' })
  const details = { retryAfterSeconds: 7, headers: { allow: 'POST' } }
  const detailed = answerTo(new HeadendError('method-not-allowed', 'x', details))
  assert.deepEqual(detailed.response?.headers, {
    allow: 'POST',
    'retry-after': '7',
    'content-type': 'application/json',
  })
})

describe("an upstream's own refusal", () => {
  const details = { status: 418, headers: { 'x-should-retry': 'false' }, body: Buffer.from('{"type":"error"}') }

  test('goes to clients of its protocol as it came', () => {
    const relayed = { protocol: 'anthropic', ...details }
    const { response } = answerTo(new HeadendError('upstream-failed', 'for the log', { relayed }))
    assert.deepEqual(response, { status: 418, headers: { 'x-should-retry': 'false' }, body: '{"type":"error"}' })
  })

  test('of another protocol is told in our words', () => {
    const relayed = { protocol: 'openai', ...details }
    const { response } = answerTo(new HeadendError('upstream-failed', 'what happened', { relayed }))
    assert.equal(response?.status, 502)
    assert.match(response?.body ?? '', /what happened/)
  })
})
