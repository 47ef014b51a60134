import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Roster } from '../../src/contract/roster.ts'

test('knows who is there, whoever has left', () => {
  const roster = new Roster<string>()
  const places = new Map(['a', 'b', 'c'].map((name) => [name, roster.add(name)]))
  roster.remove(places.get('b') as number)
  assert.deepEqual([roster.size, roster.list()], [2, ['a', 'c']])
  const late = roster.add('d')
  roster.remove(places.get('a') as number)
  assert.deepEqual([roster.size, [...roster.list()].sort()], [2, ['c', 'd']])
  roster.remove(late)
  roster.remove(places.get('c') as number)
  assert.deepEqual([roster.size, roster.list()], [0, []])
})

test('takes no more room than there were members at once', () => {
  const roster = new Roster<number>()
  const places = new Set<number>()
  for (let round = 0; round < 100; round++) {
    const [one, other] = [roster.add(round), roster.add(round)]
    places.add(one).add(other)
    roster.remove(one)
    roster.remove(other)
  }
  assert.deepEqual([...places].sort(), [0, 1])
})

test('the list stays as it was when its members leave', () => {
  const roster = new Roster<() => void>()
  const gone: string[] = []
  for (const name of ['a', 'b']) {
    const place = roster.add(() => {
      gone.push(name)
      roster.remove(place)
    })
  }
  for (const leave of roster.list()) leave()
  assert.deepEqual([gone, roster.size], [['a', 'b'], 0])
})
