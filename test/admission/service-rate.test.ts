import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createServiceRate } from '../../src/admission/service-rate.ts'

test('before anything was served the answer is the shortest', () => {
  assert.equal(createServiceRate().secondsUntilServed(1000, 1), 1)
})

test('waiting requests over what is served at once', () => {
  const rate = createServiceRate()
  rate.served(10_000)
  assert.equal(rate.secondsUntilServed(1, 1), 10)
  assert.equal(rate.secondsUntilServed(4, 4), 10)
  assert.equal(rate.secondsUntilServed(3, 4), 8, 'rounded up')
})

test('between one second and a minute, also without any capacity', () => {
  const rate = createServiceRate()
  rate.served(10)
  assert.equal(rate.secondsUntilServed(1, 4), 1)
  rate.served(1_000_000)
  assert.equal(rate.secondsUntilServed(100, 1), 60)
  assert.equal(rate.secondsUntilServed(1, 0), 60)
})

test('one long request moves the estimate a little, many move it there', () => {
  const rate = createServiceRate()
  rate.served(2000)
  rate.served(12_000)
  assert.equal(rate.secondsUntilServed(1, 1), 4)
  for (let count = 0; count < 50; count++) rate.served(12_000)
  assert.equal(rate.secondsUntilServed(1, 1), 12)
})
