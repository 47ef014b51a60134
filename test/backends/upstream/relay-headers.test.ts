import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestHeaders, responseHeaders } from '../../../src/backends/upstream/relay-headers.ts'

function lookup(headers: Readonly<Record<string, string>>): (name: string) => string | null {
  return (name) => headers[name] ?? null
}

function clientWith(headers: Readonly<Record<string, string>>) {
  return { header: lookup(headers), headerNames: () => Object.keys(headers), addHeader: () => {} }
}

test('the headers of the protocol and of coding clients go up verbatim', () => {
  const headers = {
    'anthropic-version': '2026-10-21',
    'anthropic-beta': 'one-2025-01-01, two-2026-01-01',
    'anthropic-dangerous-direct-browser-access': 'true',
    'anthropic-workspace-id': 'wrkspc_1',
    'x-claude-code-session-id': 'a-session',
    'x-claude-code-agent-id': 'an-agent',
    'x-claude-code-parent-agent-id': 'a-parent',
    'anthropic-of-tomorrow': 'yes',
    'x-claude-code-of-tomorrow': 'yes',
  }
  assert.deepEqual(requestHeaders(clientWith(headers)), Object.entries(headers).flat())
})

test('credentials and what belongs to the connection stay here', () => {
  const headers = {
    'x-api-key': 'secret',
    authorization: 'Bearer secret',
    cookie: 'a=b',
    host: 'here',
    connection: 'keep-alive',
    'accept-encoding': 'gzip',
    'content-length': '12',
    'content-encoding': 'gzip',
    'transfer-encoding': 'chunked',
    'x-forwarded-for': '10.0.0.1',
  }
  assert.deepEqual(requestHeaders(clientWith(headers)), ['anthropic-version', '2023-06-01'])
})

test('limits and retry advice come down', () => {
  const headers = {
    'retry-after': '7',
    'retry-after-ms': '6500',
    'x-should-retry': 'false',
    'anthropic-ratelimit-requests-limit': '50',
    'anthropic-ratelimit-input-tokens-remaining': '10',
    'anthropic-ratelimit-output-tokens-reset': '2026-01-01T00:00:00Z',
    'anthropic-ratelimit-unified-status': 'allowed',
    'anthropic-ratelimit-of-tomorrow-limit': '1',
    'anthropic-ratelimit-unified-5h-utilization': '0.4',
    'anthropic-ratelimit-unified-overage-disabled-reason': 'org_level_disabled',
  }
  assert.deepEqual(responseHeaders(clientWith(headers)), headers)
})

test('the rest of an answer does not', () => {
  const headers = {
    'request-id': 'req_theirs',
    'content-type': 'application/json',
    'content-length': '12',
    'content-encoding': 'gzip',
    'transfer-encoding': 'chunked',
    connection: 'close',
    'set-cookie': 'a=b',
    date: 'today',
    server: 'cloudflare',
    'anthropic-organization-id': 'ours',
  }
  assert.deepEqual(responseHeaders(clientWith(headers)), {})
})
