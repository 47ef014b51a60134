import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { keyHeader, passedCredentials } from '../../../src/backends/upstream/credentials.ts'
import { createHeaderWriter } from '../../../src/backends/upstream/request-headers.ts'
import type { UpstreamSettings } from '../../../src/backends/upstream/settings.ts'
import { upstreamSettings } from '../../support/upstream-settings.ts'

describe('the header of a key', () => {
  it('is a bearer for OpenAI', () => assert.deepEqual(keyHeader('openai', 'k'), ['authorization', 'Bearer k']))
  it('is its own for Anthropic', () =>
    assert.deepEqual(keyHeader('anthropic', 'sk-ant-api03-k'), ['x-api-key', 'sk-ant-api03-k']))
  it('is a bearer for tokens of a subscription', () => {
    assert.deepEqual(keyHeader('anthropic', 'sk-ant-oat01-k'), ['authorization', 'Bearer sk-ant-oat01-k'])
  })
})

describe('credentials of the client', () => {
  const passed = (
    protocol: UpstreamSettings['protocol'],
    client: Record<string, string>,
    passThroughCredentials = true,
  ) => passedCredentials({ protocol, passThroughCredentials }, (name) => client[name] ?? null)

  it('stay here unless the settings say otherwise', () => {
    assert.deepEqual(passed('anthropic', { 'x-api-key': 'k', authorization: 'Bearer k' }, false), [])
  })
  it('go up as the upstream wants them', () => {
    assert.deepEqual(passed('anthropic', { 'x-api-key': 'k' }), ['x-api-key', 'k'])
    assert.deepEqual(passed('openai', { 'x-api-key': 'k' }), ['authorization', 'Bearer k'])
    assert.deepEqual(passed('anthropic', { authorization: 'Bearer k' }), ['authorization', 'Bearer k'])
  })
  it('are one key where the client sends two', () => {
    assert.deepEqual(passed('anthropic', { 'x-api-key': 'k', authorization: 'Bearer other' }), ['x-api-key', 'k'])
  })
  it('may be missing', () => assert.deepEqual(passed('openai', {}), []))
})

describe('the headers of a request', () => {
  const written = (
    settings: Partial<UpstreamSettings>,
    headers: Record<string, string>,
    body: string | null = '{}',
  ) => {
    const list = createHeaderWriter(upstreamSettings('http://host', settings))({
      method: 'POST',
      path: '/',
      headers: Object.entries(headers).flat(),
      body,
      signal: new AbortController().signal,
      streams: false,
    })
    const pairs = list.flatMap((name, index) => (index % 2 === 0 ? [[name, list[index + 1]] as const] : []))
    assert.equal(new Map(pairs).size, pairs.length, 'a name comes twice')
    return Object.fromEntries(pairs)
  }

  it('are the usual ones where nobody says otherwise', () => {
    const { 'user-agent': agent, ...rest } = written({ key: 'secret' }, {})
    assert.match(agent ?? '', /^headend\/\d/)
    assert.deepEqual(rest, {
      authorization: 'Bearer secret',
      'accept-encoding': 'identity',
      accept: 'application/json',
      'content-type': 'application/json',
    })
  })
  it('have no type without a body', () => assert.equal(written({}, {}, null)['content-type'], undefined))
  it('are those of the settings, then those of the request', () => {
    const result = written(
      { headers: { 'x-org': 'ours', 'user-agent': 'mine' } },
      { 'x-org': 'theirs', 'x-other': 'kept' },
    )
    assert.equal(result['x-org'], 'ours')
    assert.equal(result['user-agent'], 'mine')
    assert.equal(result['x-other'], 'kept')
  })
  it('never carry the credential of the client by accident', () => {
    const copied = { authorization: 'Bearer of the client', 'x-api-key': 'of the client' }
    assert.deepEqual(
      [written({}, copied), written({ key: 'ours' }, copied)].map((headers) => [
        headers.authorization,
        headers['x-api-key'],
      ]),
      [
        [undefined, undefined],
        ['Bearer ours', undefined],
      ],
    )
  })
  it('carry it, and no key of ours, where it is passed through', () => {
    const result = written({ key: 'ours', passThroughCredentials: true }, { authorization: 'Bearer of the client' })
    assert.equal(result.authorization, 'Bearer of the client')
    assert.equal(written({ key: 'ours', passThroughCredentials: true }, {}).authorization, undefined)
  })
})
