import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { endpoint } from '../../../src/backends/upstream/endpoint.ts'
import type { UpstreamSettings } from '../../../src/backends/upstream/settings.ts'

const chat = '/v1/chat/completions'

describe('the path behind a base URL', () => {
  const cases: readonly [UpstreamSettings['protocol'], string, string, string][] = [
    ['openai', 'http://localhost:8000', chat, '/v1/chat/completions'],
    ['openai', 'http://localhost:8000/', chat, '/v1/chat/completions'],
    ['openai', 'http://localhost:8000/v1', chat, '/v1/chat/completions'],
    ['openai', 'http://localhost:8000/v1/', chat, '/v1/chat/completions'],
    ['openai', 'https://host/api/openai', chat, '/api/openai/v1/chat/completions'],
    ['openai', 'https://openrouter.ai/api/v1', chat, '/api/v1/chat/completions'],
    ['openai', 'https://host/paas/v4', chat, '/paas/v4/chat/completions'],
    ['openai', 'https://generativelanguage.googleapis.com/v1beta/openai', chat, '/v1beta/openai/chat/completions'],
    ['openai', 'https://gateway.example/v1/account/name/openai', chat, '/v1/account/name/openai/chat/completions'],
    ['openai', 'https://host/vision', chat, '/vision/v1/chat/completions'],
    ['openai', 'http://localhost:8000/v1', '/tokenize', '/tokenize'],
    ['openai', 'http://localhost:8000', '/tokenize', '/tokenize'],
    ['openai', 'https://host/paas/v4', '/tokenize', '/paas/v4/tokenize'],
    ['anthropic', 'https://api.anthropic.com', '/v1/messages', '/v1/messages'],
    ['anthropic', 'https://api.anthropic.com/v1', '/v1/messages', '/v1/messages'],
    ['anthropic', 'https://api.deepseek.com/anthropic', '/v1/messages', '/anthropic/v1/messages'],
    [
      'anthropic',
      'https://gateway.example/v1/account/name/anthropic',
      '/v1/messages',
      '/v1/account/name/anthropic/v1/messages',
    ],
    ['anthropic', 'http://localhost:1/v1', '/v1/models?limit=1000', '/v1/models?limit=1000'],
  ]
  for (const [protocol, url, path, expected] of cases) {
    it(`${protocol}: ${url} and ${path}`, () => assert.equal(endpoint({ url, protocol }, path), expected))
  }
})
