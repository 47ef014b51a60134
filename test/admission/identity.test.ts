import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Caller } from '../../src/admission/authorize.ts'
import { createIdentify } from '../../src/admission/identity.ts'
import type { Session } from '../../src/contract/backend.ts'
import type { Exchange } from '../../src/contract/exchange.ts'
import { RecordingExchange } from '../support/recording-exchange.ts'

const nobody: Caller = { credential: null, key: null }

function caller(credential: string, isKnown = false): Caller {
  return { credential, key: isKnown ? { name: null, hash: Buffer.alloc(32) } : null }
}

function from(remoteAddress: string, headers: Readonly<Record<string, string>> = {}): Exchange {
  return Object.assign(new RecordingExchange(headers), { remoteAddress })
}

function session(
  exchange: Exchange,
  facts: { readonly hint?: string | null; readonly caller?: Caller; readonly trusted?: readonly string[] } = {},
): Session {
  return createIdentify(facts.trusted ?? [])(facts.caller ?? nobody, exchange, facts.hint ?? null)
}

test('a header names the session: first that of coding clients, then the plain one, then the body', () => {
  const both = { 'x-claude-code-session-id': 'code', 'x-session-id': 'plain' }
  assert.deepEqual(session(from('10.0.0.1', both), { hint: 'body' }), { key: 'session:code', named: true })
  assert.deepEqual(session(from('10.0.0.1', { 'x-session-id': 'plain' }), { hint: 'body' }), {
    key: 'session:plain',
    named: true,
  })
  assert.deepEqual(session(from('10.0.0.1'), { hint: 'body' }), { key: 'session:body', named: true })
})

test('an empty header names nothing', () => {
  assert.equal(session(from('10.0.0.1', { 'x-claude-code-session-id': '' }), { hint: 'body' }).key, 'session:body')
})

test('a long name is kept short and stays distinct', () => {
  const [one, other] = ['a', 'b'].map((end) => session(from('10.0.0.1'), { hint: `${'x'.repeat(5000)}${end}` }).key)
  assert.ok((one ?? '').length < 100)
  assert.notEqual(one, other)
})

test('a credential is a crowd, and so is an address', () => {
  const keyed = session(from('10.0.0.1'), { caller: caller('hash') })
  assert.deepEqual(keyed, { key: 'key:hash', named: false })
  assert.deepEqual(session(from('10.0.0.1')), { key: 'address:10.0.0.1', named: false })
})

test('where keys tell clients apart, a session belongs to its key', () => {
  const named = from('10.0.0.1', { 'x-session-id': 'mine' })
  const keys = ['one', 'other'].map((hash) => session(named, { caller: caller(hash, true) }).key)
  assert.notEqual(keys[0], keys[1])
  assert.equal(session(named, { caller: caller('unchecked') }).key, session(named).key)
})

const ranges = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8', '2001:db8::1']

const forwarded: readonly [name: string, peer: string, header: string | null, address: string][] = [
  ['a peer that is no proxy is believed for itself only', '203.0.113.9', '198.51.100.1', '203.0.113.9'],
  ['one proxy', '10.1.2.3', '198.51.100.1', '198.51.100.1'],
  ['a single address as range', '192.0.2.7', '198.51.100.1', '198.51.100.1'],
  ['its neighbour is not in it', '192.0.2.8', '198.51.100.1', '192.0.2.8'],
  ['several proxies', '10.1.2.3', '198.51.100.1, 10.9.9.9, 192.0.2.7', '198.51.100.1'],
  [
    'what the client wrote itself stands left and is not looked at',
    '10.1.2.3',
    '1.2.3.4, 198.51.100.1',
    '198.51.100.1',
  ],
  ['a client that claims to be a proxy', '10.1.2.3', '10.6.6.6, 198.51.100.1', '198.51.100.1'],
  ['spaces, and headers that were repeated', '10.1.2.3', ' 198.51.100.1 ,  10.9.9.9', '198.51.100.1'],
  ['no header', '10.1.2.3', null, '10.1.2.3'],
  ['an empty header', '10.1.2.3', '', '10.1.2.3'],
  ['rubbish', '10.1.2.3', '198.51.100.1, unknown', '10.1.2.3'],
  ['proxies only', '10.1.2.3', '10.4.4.4, 10.5.5.5', '10.4.4.4'],
  ['IPv6', 'fd00::1', '2001:db8:5::9', '2001:db8:5::9'],
  ['IPv6 proxy in front of IPv4', 'fd12::1', '198.51.100.1', '198.51.100.1'],
  ['a single IPv6 address as range', '2001:db8::1', '2001:db8::2', '2001:db8::2'],
  ['its IPv6 neighbour is not in it', '2001:db8::2', '2001:db8::1', '2001:db8::2'],
  ['an IPv4 proxy written as IPv6', 'fd00::1', '198.51.100.1, ::ffff:10.1.1.1', '198.51.100.1'],
]

for (const [name, peer, header, address] of forwarded) {
  test(`x-forwarded-for: ${name}`, () => {
    const exchange = from(peer, header === null ? {} : { 'x-forwarded-for': header })
    assert.equal(session(exchange, { trusted: ranges }).key, `address:${address}`)
  })
}

test('without trusted proxies the header means nothing', () => {
  assert.equal(session(from('10.1.2.3', { 'x-forwarded-for': '1.1.1.1' })).key, 'address:10.1.2.3')
})
