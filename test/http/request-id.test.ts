import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createRequestId } from '../../src/http/request-id.ts'

test('ids are distinct, well formed, and use all 62 letters alike', () => {
  const counts = new Map<string, number>()
  const ids = new Set<string>()
  const idCount = 20_000
  for (let count = 0; count < idCount; count += 1) {
    const id = createRequestId()
    assert.match(id, /^req_[0-9A-Za-z]{24}$/)
    ids.add(id)
    for (const letter of id.slice(4)) counts.set(letter, (counts.get(letter) ?? 0) + 1)
  }
  assert.equal(ids.size, idCount)
  assert.equal(counts.size, 62)
  // 7,742 of each are expected, with a standard deviation of 87. A letter drawn by remainder would come 9,375 or 7,500 times.
  for (const [letter, count] of counts) assert.ok(Math.abs(count - 7742) < 700, `${letter}: ${count}`)
})
