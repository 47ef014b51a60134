import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadendError } from '../../../src/contract/errors.ts'
import type { ModelEntry } from '../../../src/contract/protocol.ts'
import { encodeModel, encodeModelList } from '../../../src/protocols/anthropic/models.ts'

function entry(id: string, day = 1): ModelEntry {
  const createdAt = new Date(Date.UTC(2026, 0, day, 0, 0, 0, 123))
  return {
    id,
    displayName: id.toUpperCase(),
    createdAt,
    contextTokens: 8192,
    outputTokensMax: 4096,
    capabilities: null,
  }
}

const entries = ['a', 'b', 'c', 'd', 'e'].map((id) => entry(id))

interface Listing {
  readonly data: readonly { readonly id: string }[]
  readonly has_more: boolean
  readonly first_id: string | null
  readonly last_id: string | null
}

function list(query: string, of: readonly ModelEntry[] = entries, paged = true): Listing {
  return JSON.parse(encodeModelList(of, new URLSearchParams(query), paged))
}

function ids(listing: Listing): string {
  return listing.data.map(({ id }) => id).join('')
}

test('one item serves the clients of both APIs', () => {
  assert.deepEqual(JSON.parse(encodeModel(entry('org/m'))), {
    type: 'model',
    object: 'model',
    id: 'org/m',
    display_name: 'ORG/M',
    created_at: '2026-01-01T00:00:00Z',
    created: 1767225600,
    owned_by: 'headend',
    lifecycle: 'active',
    line: null,
    max_input_tokens: 8192,
    max_tokens: 4096,
    deprecated_at: null,
    retires_at: null,
    capabilities: null,
  })
  const unknown = JSON.parse(encodeModel({ ...entry('m'), contextTokens: null, outputTokensMax: null }))
  assert.equal(unknown.max_input_tokens, null)
  assert.equal(unknown.max_tokens, null)
})

test('what a model can do here, in the words of the hosted API', () => {
  const capabilities = { imageInput: false, thinking: true, structuredOutputs: true, tools: false }
  const shown = JSON.parse(encodeModel({ ...entry('m'), capabilities })).capabilities
  const [yes, no] = [{ supported: true }, { supported: false }]
  assert.deepEqual(shown.thinking, {
    supported: true,
    types: { adaptive: yes, enabled: yes, disabled: yes, between_tools: no },
  })
  assert.deepEqual(shown.effort, { supported: true, low: yes, medium: yes, high: yes, xhigh: yes, max: yes })
  assert.deepEqual([shown.image_input, shown.structured_outputs, shown.tool_use], [no, yes, no])
  assert.deepEqual([shown.batch, shown.citations, shown.code_execution, shown.pdf_input], [no, no, no, no])
  assert.deepEqual(shown.server_tools, { supported: false, code_execution: no, web_search: no })
  assert.deepEqual(Object.keys(shown.context_management), [
    'supported',
    'clear_thinking_20251015',
    'clear_tool_uses_20250919',
    'compact_20260112',
  ])
})

test('newest first, entries of one instant in their order', () => {
  assert.equal(ids(list('', [entry('a', 1), entry('b', 3), entry('c', 1), entry('d', 2)])), 'bdac')
})

describe('pages', () => {
  const rows: readonly (readonly [query: string, ids: string, hasMore: boolean])[] = [
    ['', 'abcde', false],
    ['limit=1000', 'abcde', false],
    ['limit=2', 'ab', true],
    ['limit=5', 'abcde', false],
    ['limit=2&after_id=b', 'cd', true],
    ['limit=2&after_id=c', 'de', false],
    ['limit=2&after_id=d', 'e', false],
    ['limit=2&before_id=e', 'cd', true],
    ['limit=2&before_id=c', 'ab', false],
    ['limit=2&before_id=b', 'a', false],
    ['limit=2&after_id=&lifecycle=active', 'ab', true],
  ]
  for (const [query, expected, hasMore] of rows) {
    test(query === '' ? 'the default' : query, () => {
      const page = list(query)
      assert.equal(ids(page), expected)
      assert.equal(page.has_more, hasMore)
      assert.equal(page.first_id, expected.at(0))
      assert.equal(page.last_id, expected.at(-1))
    })
  }

  test('an empty page', () => {
    const empty = { object: 'list', data: [], has_more: false, first_id: null, last_id: null }
    assert.deepEqual(list('after_id=e'), empty)
    assert.deepEqual(list('', []), empty)
  })

  test('twenty entries unless the client says otherwise', () => {
    const many = Array.from({ length: 25 }, (_, index) => entry(`m${index}`))
    assert.equal(list('', many).data.length, 20)
    assert.equal(list('', many, false).data.length, 25)
  })

  test('a client that does not page gets everything, whatever it sends', () => {
    assert.equal(ids(list('limit=nonsense&after_id=zz', entries, false)), 'abcde')
  })
})

describe('refused', () => {
  const rows: readonly (readonly [query: string, message: string])[] = [
    ['limit=0', 'limit: Input should be greater than or equal to 1'],
    ['limit=-3', 'limit: Input should be greater than or equal to 1'],
    ['limit=1001', 'limit: Input should be less than or equal to 1000'],
    ['limit=x', 'limit: Input should be a valid integer'],
    ['limit=', 'limit: Input should be a valid integer'],
    ['limit=1.5', 'limit: Input should be a valid integer'],
    ['after_id=zz', 'after_id: No model has this id; start again without a cursor'],
    ['before_id=zz', 'before_id: No model has this id; start again without a cursor'],
    ['after_id=a&before_id=c', 'before_id: Send either after_id or before_id, not both'],
  ]
  for (const [query, message] of rows) {
    test(query, () => {
      assert.throws(
        () => list(query),
        (error) => error instanceof HeadendError && error.kind === 'invalid-request' && error.message === message,
      )
    })
  }
})
