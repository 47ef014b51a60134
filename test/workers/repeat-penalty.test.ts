import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Token } from 'node-llama-cpp'
import { RepeatPenalty } from '../../workers/repeat-penalty.ts'

test('what the client did not ask for is no penalty', () => {
  const nothing = new RepeatPenalty({ repeat: null, frequency: null, presence: null })
  assert.deepEqual([nothing.penalty, nothing.frequencyPenalty, nothing.presencePenalty], [1, 0, 0])
  const all = new RepeatPenalty({ repeat: 1.5, frequency: -1, presence: 0.5 })
  assert.deepEqual([all.penalty, all.frequencyPenalty, all.presencePenalty], [1.5, -1, 0.5])
})

test('the tokens of the answer count, the latest ones of a long one', () => {
  const penalty = new RepeatPenalty({ repeat: 2, frequency: null, presence: null })
  for (let token = 0; token < 3; token++) penalty.note(token as Token)
  assert.deepEqual(penalty.punishTokens(), [0, 1, 2])
  for (let token = 3; token < penalty.maxPunishTokens + 10; token++) penalty.note(token as Token)
  const counted = penalty.punishTokens()
  assert.deepEqual(
    [counted.length, counted[0], counted.at(-1)],
    [penalty.maxPunishTokens, 10, penalty.maxPunishTokens + 9],
  )
})
