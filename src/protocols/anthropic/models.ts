import type { ModelCapabilities } from '../../contract/backend.ts'
import type { ModelEntry } from '../../contract/protocol.ts'
import type { Capabilities, Model } from '../../wire/anthropic-reply.ts'
import { refuseField } from '../schema-error.ts'
import { encodeModelItem, encodeModelPage } from './serializers.ts'

const limitDefault = 20
const limitMax = 1000

/** The entry as both the Anthropic and the OpenAI clients read it. */
export function encodeModel(entry: ModelEntry): string {
  return encodeModelItem(toModel(entry))
}

/**
 * The body of `GET /v1/models`, newest first; entries of one instant keep their order.
 * @param paged `false` for clients without an `anthropic-version` header: they do not page, so they get the whole list
 * @throws HeadendError invalid-request: `limit`, `after_id` or `before_id`
 */
export function encodeModelList(entries: readonly ModelEntry[], query: URLSearchParams, paged: boolean): string {
  const sorted = entries.toSorted((left, right) => right.createdAt.getTime() - left.createdAt.getTime())
  const page = paged ? pageOf(sorted, query) : { entries: sorted, hasMore: false }
  return encodeModelPage({
    object: 'list',
    data: page.entries.map(toModel),
    has_more: page.hasMore,
    first_id: page.entries.at(0)?.id ?? null,
    last_id: page.entries.at(-1)?.id ?? null,
  })
}

interface Page {
  readonly entries: readonly ModelEntry[]
  /** In the direction of paging. */
  readonly hasMore: boolean
}

/** https://docs.anthropic.com/en/api/models-list: cursors are exclusive. */
function pageOf(sorted: readonly ModelEntry[], query: URLSearchParams): Page {
  const limit = limitOf(query)
  const after = cursorOf(sorted, query, 'after_id')
  const before = cursorOf(sorted, query, 'before_id')
  if (after !== null && before !== null) throw refuseField('before_id', 'Send either after_id or before_id, not both')
  if (before !== null) {
    const start = Math.max(0, before - limit)
    return { entries: sorted.slice(start, before), hasMore: start > 0 }
  }
  const start = after === null ? 0 : after + 1
  return { entries: sorted.slice(start, start + limit), hasMore: start + limit < sorted.length }
}

function limitOf(query: URLSearchParams): number {
  const text = query.get('limit')
  if (text === null) return limitDefault
  if (!/^-?\d{1,15}$/.test(text)) throw refuseField('limit', 'Input should be a valid integer')
  const limit = Number(text)
  if (limit < 1) throw refuseField('limit', 'Input should be greater than or equal to 1')
  if (limit > limitMax) throw refuseField('limit', `Input should be less than or equal to ${limitMax}`)
  return limit
}

/** Index of the entry that a cursor names; `null` without a cursor. */
function cursorOf(
  sorted: readonly ModelEntry[],
  query: URLSearchParams,
  name: 'after_id' | 'before_id',
): number | null {
  const id = query.get(name)
  if (id === null || id === '') return null
  const index = sorted.findIndex((entry) => entry.id === id)
  if (index === -1) throw refuseField(name, 'No model has this id; start again without a cursor')
  return index
}

function toModel({ id, displayName, createdAt, contextTokens, outputTokensMax, capabilities }: ModelEntry): Model {
  return {
    type: 'model',
    object: 'model',
    id,
    display_name: displayName,
    created_at: createdAt.toISOString().replace(/\.\d+Z$/, 'Z'),
    created: Math.floor(createdAt.getTime() / 1000),
    owned_by: 'headend',
    lifecycle: 'active',
    line: null,
    max_input_tokens: contextTokens,
    max_tokens: outputTokensMax,
    deprecated_at: null,
    retires_at: null,
    capabilities: capabilities === null ? null : toCapabilities(capabilities),
  }
}

/** Citations, batches and everything that runs beside the model are the hosted service's own. */
function toCapabilities({ imageInput, thinking, structuredOutputs, tools }: ModelCapabilities): Capabilities {
  const thinks = support(thinking)
  return {
    batch: no,
    citations: no,
    code_execution: no,
    context_management: {
      supported: false,
      clear_thinking_20251015: no,
      clear_tool_uses_20250919: no,
      compact_20260112: no,
    },
    // A hint of how much to think: nothing to a model that does not.
    effort: { supported: thinking, low: thinks, medium: thinks, high: thinks, xhigh: thinks, max: thinks },
    image_input: support(imageInput),
    pdf_input: no,
    server_tools: { supported: false, code_execution: no, web_search: no },
    structured_outputs: support(structuredOutputs),
    thinking: {
      supported: thinking,
      types: { adaptive: thinks, enabled: thinks, disabled: support(true), between_tools: no },
    },
    tool_use: support(tools),
  }
}

const no = support(false)

function support(supported: boolean): Capabilities['batch'] {
  return { supported }
}
