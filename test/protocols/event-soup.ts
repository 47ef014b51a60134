import fc from 'fast-check'
import type { StreamEvent } from '../../src/contract/events.ts'
import { finish, start } from './anthropic/stream-events.ts'

/** No backend should emit these in this order. What the client gets is legal all the same. */
const event: fc.Arbitrary<StreamEvent> = fc
  .tuple(
    fc.constantFrom('s', '(', '(', '.', '.', '.', ')', ')', 'f'),
    fc.nat(3),
    fc.nat(2),
    fc.constantFrom('', 'a', '{', '"'),
  )
  .map(([letter, index, kind, text]): StreamEvent => {
    switch (letter) {
      case 's':
        return start()
      case '(':
        return { type: 'block-start', index, block: heads[kind] ?? { kind: 'text' } }
      case '.':
        return { type: 'block-delta', index, text }
      case ')':
        return { type: 'block-end', index }
      default:
        return finish('end-turn')
    }
  })
const heads = [{ kind: 'text' }, { kind: 'thinking' }, { kind: 'tool-call', id: 'toolu_a', name: 'f' }] as const
export const soup = fc.array(event, { maxLength: 20 })

/** The same events without those that are out of place, and with those that are missing. */
export function legal(events: readonly StreamEvent[]): readonly StreamEvent[] {
  const result: StreamEvent[] = []
  let index = -1
  let isOpen = false
  const close = (): void => {
    if (isOpen) result.push({ type: 'block-end', index })
    isOpen = false
  }
  for (const event of events) {
    if (event.type === 'start') {
      if (result.length === 0) result.push(event)
      continue
    }
    if (result.length === 0) result.push(start(null))
    if (event.type === 'block-start') {
      close()
      isOpen = true
      index++
      result.push({ ...event, index })
    } else if (event.type === 'block-delta') {
      if (isOpen) result.push({ ...event, index })
    } else {
      close()
      if (event.type === 'finish') return [...result, event]
    }
  }
  return result
}
