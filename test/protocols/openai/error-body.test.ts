import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type ErrorKind, errorKinds, HeadendError } from '../../../src/contract/errors.ts'
import { refuse } from '../../../src/protocols/openai/error-body.ts'
import { RecordingExchange } from '../../support/recording-exchange.ts'

const typeByStatus: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  403: 'invalid_request_error',
  404: 'not_found_error',
  405: 'invalid_request_error',
  408: 'invalid_request_error',
  413: 'invalid_request_error',
  429: 'rate_limit_error',
}

const codeByKind: Partial<Record<ErrorKind, string>> = {
  'context-overflow': 'context_length_exceeded',
  unauthenticated: 'invalid_api_key',
  'upstream-not-found': 'model_not_found',
  'session-busy': 'rate_limit_exceeded',
  'upstream-limited': 'rate_limit_exceeded',
}

function answerTo(error: HeadendError): RecordingExchange {
  const exchange = new RecordingExchange()
  refuse(exchange, error)
  return exchange
}

function errorIn({ response }: RecordingExchange): unknown {
  return JSON.parse(response?.body ?? '').error
}

describe('every kind of error', () => {
  for (const [kind, { status }] of Object.entries(errorKinds) as [ErrorKind, { status: number }][]) {
    test(kind, () => {
      const exchange = answerTo(new HeadendError(kind, 'what "to" do'))
      if (status === 499) return assert.equal(exchange.response, null) // nobody is left to read it
      assert.equal(exchange.response?.status, status === 529 ? 503 : status)
      assert.deepEqual(errorIn(exchange), {
        message: 'what "to" do',
        type: typeByStatus[status] ?? 'server_error',
        param: null,
        code: codeByKind[kind] ?? null,
      })
    })
  }
})

test('the field is named', () => {
  const error = errorIn(answerTo(new HeadendError('invalid-request', 'n: x', { field: 'n' })))
  assert.deepEqual(error, { message: 'n: x', type: 'invalid_request_error', param: 'n', code: null })
})

test('an unknown model has a code, an unknown path has none', () => {
  const model = errorIn(answerTo(new HeadendError('not-found', 'model: x', { field: 'model' })))
  assert.deepEqual(model, { message: 'model: x', type: 'not_found_error', param: 'model', code: 'model_not_found' })
})

test('headers', () => {
  const details = { retryAfterSeconds: 7, headers: { allow: 'POST' } }
  const { response } = answerTo(new HeadendError('method-not-allowed', 'x', details))
  assert.deepEqual(response?.headers, { allow: 'POST', 'retry-after': '7', 'content-type': 'application/json' })
})

test("an upstream's own refusal goes to clients of its protocol as it came", () => {
  const details = { status: 418, headers: { 'x-should-retry': 'false' }, body: Buffer.from('{"error":{}}') }
  const relayed = (protocol: string) => new HeadendError('upstream-failed', 'x', { relayed: { protocol, ...details } })
  assert.deepEqual(answerTo(relayed('openai')).response, { ...details, body: '{"error":{}}' })
  assert.equal(answerTo(relayed('anthropic')).response?.status, 502)
})
