import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeAnthropicRequest } from '../../../src/backends/upstream/encode-anthropic.ts'
import { defaultQuirks } from '../../../src/backends/upstream/settings.ts'
import type { CacheMark, ContentBlock, GenerateRequest, Thinking, Tool, Turn } from '../../../src/contract/request.ts'
import { parseMessages } from '../../protocols/anthropic/requests.ts'

const text = fc.oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom('\n', '日本 👋', '\ud800', '"\\'))
const mark = fc.constantFrom<CacheMark>(null, null, 'short', 'long')
const json = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 3 })
const plainJson = json.map((value) => JSON.parse(JSON.stringify(value)) as Record<string, unknown>) // without -0 and __proto__

const textBlock: fc.Arbitrary<ContentBlock> = fc.record({ kind: fc.constant('text'), text, cacheMark: mark })
const imageBlock: fc.Arbitrary<ContentBlock> = fc.record({
  kind: fc.constant('image'),
  source: fc.oneof(
    fc.record({
      kind: fc.constant('base64'),
      mediaType: fc.constantFrom('image/png', 'image/jpeg', 'image/gif', 'image/webp'),
      data: fc.base64String({ minLength: 4, maxLength: 8 }),
    }),
    fc.record({ kind: fc.constant('url'), url: fc.webUrl() }),
  ),
  path: fc.constant(''),
  cacheMark: mark,
})
const thinkingBlock: fc.Arbitrary<ContentBlock> = fc.record({
  kind: fc.constant('thinking'),
  text: fc.string({ maxLength: 8 }),
  signature: fc.base64String({ minLength: 4, maxLength: 8 }),
})

interface Round {
  readonly asked: readonly ContentBlock[]
  readonly note: readonly ContentBlock[] | null
  readonly said: readonly ContentBlock[]
  readonly calls: readonly { readonly input: Record<string, unknown>; readonly cacheMark: CacheMark }[]
  readonly results: readonly {
    readonly content: readonly ContentBlock[]
    readonly isError: boolean
    readonly cacheMark: CacheMark
  }[]
}

const shown = fc.array(fc.oneof(textBlock, imageBlock), { minLength: 1, maxLength: 3 })
const round: fc.Arbitrary<Round> = fc.record({
  asked: shown,
  note: fc.option(fc.array(textBlock, { minLength: 1, maxLength: 2 })),
  said: fc.array(fc.oneof(textBlock, thinkingBlock), { minLength: 1, maxLength: 3 }),
  calls: fc.array(fc.record({ input: plainJson, cacheMark: mark }), { maxLength: 2 }),
  results: fc.array(
    fc.record({
      content: fc.array(fc.oneof(textBlock, imageBlock), { maxLength: 2 }),
      isError: fc.boolean(),
      cacheMark: mark,
    }),
    { minLength: 2, maxLength: 2 },
  ),
})

/** Roles alternate, every call has its result, and a system turn stands in the middle. */
function turnsOf(rounds: readonly Round[], isPrefilled: boolean): readonly Turn[] {
  const turns: { readonly role: Turn['role']; readonly content: readonly ContentBlock[] }[] = []
  let open: ContentBlock[] = []
  for (const [number, { asked, note, said, calls, results }] of rounds.entries()) {
    turns.push({ role: 'user', content: [...open, ...asked] })
    if (note !== null) turns.push({ role: 'system', content: note })
    const made = calls.map(
      (call, index) => ({ kind: 'tool-call', id: `id-${number}_${index}`, name: 'f', ...call }) as const,
    )
    turns.push({ role: 'assistant', content: [...said, ...made] })
    open = made.map(({ id }, index) => {
      const { content, isError, cacheMark } = results[index] as Round['results'][number]
      // What stands inside has no marks of its own: they would be marks of the whole.
      return { kind: 'tool-result', callId: id, content: content.map(withoutMark), isError, cacheMark }
    })
  }
  if (isPrefilled && open.length === 0) return turns
  return [...turns, { role: 'user', content: [...open, { kind: 'text', text: 'go on', cacheMark: null }] }]
}

function withoutMark(block: ContentBlock): ContentBlock {
  return block.kind === 'thinking' ? block : { ...block, cacheMark: null }
}

const tools: fc.Arbitrary<readonly Tool[]> = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[a-zA-Z0-9_-]{1,20}$/),
    description: fc.option(fc.string({ maxLength: 8 })),
    inputSchema: plainJson.map((schema) => ({ ...schema, type: 'object' })),
    strict: fc.boolean(),
    cacheMark: mark,
  }),
  { selector: ({ name }) => name, maxLength: 3 },
)
const thinking: fc.Arbitrary<Thinking> = fc.oneof(
  fc.constantFrom<Thinking>({ kind: 'unset' }, { kind: 'off' }),
  fc.boolean().map((isShown) => ({ kind: 'adaptive', shown: isShown }) as const),
  fc.record({ kind: fc.constant('budget'), budgetTokens: fc.integer({ min: 1024, max: 4000 }), shown: fc.boolean() }),
)
const fraction = fc.option(fc.double({ min: 0, max: 1, noNaN: true }).map((value) => value + 0)) // no -0

const request: fc.Arbitrary<GenerateRequest> = fc
  .record({
    model: text,
    system: fc.array(fc.record({ text, cacheMark: mark }), { maxLength: 2 }),
    rounds: fc.array(round, { minLength: 1, maxLength: 3 }),
    isPrefilled: fc.boolean(),
    tools,
    choice: fc.constantFrom('auto', 'any', 'none', 'tool'),
    parallel: fc.boolean(),
    thinking,
    effort: fc.option(fc.constantFrom('low', 'medium', 'high', 'xhigh', 'max')),
    outputSchema: fc.option(plainJson),
    maxTokens: fc.integer({ min: 4001, max: 100_000 }),
    sampling: fc.record({
      temperature: fraction,
      topP: fraction,
      topK: fc.option(fc.nat()),
      minP: fc.constant(null),
      seed: fc.constant(null),
      penalties: fc.constant(null),
      logitBias: fc.constant(null),
    }),
    stopSequences: fc.array(
      fc.string({ minLength: 1, maxLength: 4 }).map((end) => `x${end}`),
      { maxLength: 2 },
    ),
    stream: fc.boolean(),
    userId: fc.option(text),
  })
  .map(({ rounds, isPrefilled, choice, parallel, ...fields }) => {
    const first = fields.tools[0]
    const toolChoice = toolChoiceOf(choice, parallel, first)
    const isForced = toolChoice.kind === 'any' || toolChoice.kind === 'tool'
    const turns = turnsOf(rounds, isPrefilled)
    return {
      ...fields,
      turns,
      toolChoice,
      thinking: isForced ? { kind: 'off' } : fields.thinking,
      outputSchema: turns.at(-1)?.role === 'assistant' ? null : fields.outputSchema,
      outputMustFit: false,
    } satisfies GenerateRequest
  })

function toolChoiceOf(kind: string, parallel: boolean, first: Tool | undefined): GenerateRequest['toolChoice'] {
  if (first === undefined) return { kind: 'auto', parallel: true }
  if (kind === 'tool') return { kind, name: first.name, parallel }
  return kind === 'none' ? { kind, parallel: true } : { kind: kind as 'auto' | 'any', parallel }
}

/** Where the client wrote an image is where it stands in the new body. */
function withoutPaths(request: GenerateRequest): unknown {
  return JSON.parse(JSON.stringify(request), (key, value) => (key === 'path' ? '' : value))
}

test('what is encoded is parsed to an equal request', () => {
  fc.assert(
    fc.property(request, (original) => {
      const { body } = encodeAnthropicRequest(original, { ...defaultQuirks, sendsUser: true })
      const userId = original.userId === null ? null : createHash('sha256').update(original.userId).digest('hex')
      assert.deepEqual(withoutPaths(parseMessages(Buffer.from(body))), withoutPaths({ ...original, userId }))
    }),
    { numRuns: 200 },
  )
})
