import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { chooseSlot, type SlotState, sharedPrefixCount } from '../../workers/slots.ts'

interface NamedSlot extends SlotState {
  readonly name: string
}

interface SlotFacts {
  readonly resident?: readonly number[]
  readonly conversation?: string
  readonly busy?: boolean
  readonly lastUsed?: number
  /** The last place at which the state can be cut; `null`: anywhere. */
  readonly checkpoint?: number | null
}

function slot(name: string, facts: SlotFacts = {}): NamedSlot {
  const { resident = [], conversation = null, busy = false, lastUsed = 0, checkpoint = null } = facts
  return {
    name,
    busy,
    resident,
    residentCount: resident.length,
    conversation,
    lastUsed,
    reusable: (shared) => (checkpoint === null || shared === resident.length ? shared : Math.min(shared, checkpoint)),
  }
}

const tokens = (count: number, from = 0): number[] => Array.from({ length: count }, (_, index) => from + index)
const systemPrompt = tokens(60)

const cases: readonly {
  readonly name: string
  readonly slots: readonly NamedSlot[]
  readonly prompt: readonly number[]
  readonly chosen: string | null
}[] = [
  {
    name: 'the next turn of a conversation goes where the last one is',
    slots: [slot('empty'), slot('mine', { resident: tokens(50), conversation: 'c' }), slot('also empty')],
    prompt: tokens(80),
    chosen: 'mine',
  },
  {
    name: 'a conversation whose old answer renders otherwise loses nothing by its own slot',
    slots: [slot('mine', { resident: [...tokens(10), ...tokens(90, 1000)], conversation: 'c' }), slot('empty')],
    prompt: tokens(40),
    chosen: 'mine',
  },
  {
    name: 'a shared system prompt is read where it lies when little else is lost',
    slots: [slot('empty'), slot('other', { resident: [...systemPrompt, 7, 7, 7], conversation: 'o', lastUsed: 9 })],
    prompt: [...systemPrompt, 8, 8],
    chosen: 'other',
  },
  {
    name: 'a long conversation is not thrown away for a short shared beginning',
    slots: [slot('other', { resident: [...systemPrompt, ...tokens(500, 900)], conversation: 'o' }), slot('empty')],
    prompt: [...systemPrompt, 8, 8],
    chosen: 'empty',
  },
  {
    name: 'the conversation that another request took over is found by its tokens',
    slots: [slot('empty'), slot('same tokens', { resident: tokens(70), conversation: 'o' })],
    prompt: tokens(75),
    chosen: 'same tokens',
  },
  {
    name: 'an empty slot goes before one that would have to be emptied',
    slots: [slot('full', { resident: tokens(20, 500), conversation: 'o' }), slot('empty', { lastUsed: 3 })],
    prompt: tokens(10),
    chosen: 'empty',
  },
  {
    name: 'of equal slots the least recently used',
    slots: [slot('newer', { lastUsed: 5 }), slot('oldest', { lastUsed: 1 }), slot('newest', { lastUsed: 6 })],
    prompt: tokens(10),
    chosen: 'oldest',
  },
  {
    name: 'of equally full slots the least recently used',
    slots: [
      slot('newer', { resident: tokens(30, 100), conversation: 'a', lastUsed: 5 }),
      slot('older', { resident: tokens(30, 200), conversation: 'b', lastUsed: 2 }),
    ],
    prompt: tokens(10),
    chosen: 'older',
  },
  {
    name: 'of two slots that lose something the shorter one',
    slots: [
      slot('long', { resident: tokens(90, 100), conversation: 'a', lastUsed: 1 }),
      slot('short', { resident: tokens(30, 200), conversation: 'b', lastUsed: 2 }),
    ],
    prompt: tokens(10),
    chosen: 'short',
  },
  {
    name: 'a shared prefix that no checkpoint saves is worth nothing',
    slots: [slot('recurrent', { resident: tokens(90), conversation: 'o', checkpoint: 0 }), slot('empty')],
    prompt: [...tokens(80), 9999],
    chosen: 'empty',
  },
  {
    name: 'a shared prefix counts up to its checkpoint',
    slots: [
      slot('late', { resident: tokens(90), conversation: 'o', checkpoint: 70 }),
      slot('early', { resident: tokens(90), conversation: 'p', checkpoint: 30 }),
    ],
    prompt: [...tokens(80), 9999],
    chosen: 'late',
  },
  {
    name: 'a busy slot is not chosen, even by its own conversation',
    slots: [slot('mine', { resident: tokens(50), conversation: 'c', busy: true }), slot('idle')],
    prompt: tokens(80),
    chosen: 'idle',
  },
  {
    name: 'all busy',
    slots: [slot('one', { busy: true }), slot('other', { busy: true })],
    prompt: tokens(3),
    chosen: null,
  },
  { name: 'no slots', slots: [], prompt: tokens(3), chosen: null },
]

for (const { name, slots, prompt, chosen } of cases) {
  test(name, () => assert.equal(chooseSlot(slots, prompt, 'c')?.name ?? null, chosen))
}

test('the shared prefix ends at the first difference, at the end of the cache and at the end of the prompt', () => {
  assert.equal(sharedPrefixCount([1, 2, 3], 3, [1, 2, 4]), 2)
  assert.equal(sharedPrefixCount([1, 2, 3], 2, [1, 2, 3]), 2)
  assert.equal(sharedPrefixCount([1, 2, 3], 3, [1]), 1)
  assert.equal(sharedPrefixCount([], 0, [1]), 0)
  const token = fc.nat({ max: 2 })
  fc.assert(
    fc.property(fc.array(token), fc.array(token), (resident, prompt) => {
      const shared = sharedPrefixCount(Uint32Array.from(resident), resident.length, prompt)
      assert.deepEqual(resident.slice(0, shared), prompt.slice(0, shared))
      assert.ok(shared === Math.min(resident.length, prompt.length) || resident[shared] !== prompt[shared])
    }),
  )
})
