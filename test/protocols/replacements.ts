import assert from 'node:assert/strict'
import fc from 'fast-check'
import { HeadendError } from '../../src/contract/errors.ts'

/** Every place of a JSON value, as the keys that lead there. */
export function placesOf(value: unknown, path: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [path]
  return [path, ...Object.entries(value).flatMap(([key, member]) => placesOf(member, [...path, key]))]
}

/** `undefined` takes the place away. */
export function withReplaced(value: unknown, [key, ...rest]: readonly string[], replacement: unknown): unknown {
  if (key === undefined) return replacement
  const copy = structuredClone(value) as Record<string, unknown>
  copy[key] = withReplaced(copy[key], rest, replacement)
  return copy
}

/** Right nowhere, or somewhere else. */
export const replacement = fc.oneof(
  fc.constant(undefined),
  fc.jsonValue(),
  fc.constantFrom<unknown>(
    null,
    '',
    0,
    -1,
    1.5,
    1e308,
    true,
    [],
    {},
    [[]],
    [null],
    { type: null },
    { type: '__proto__' },
  ),
)

/** A refusal that names a field, or nothing at all. */
export function assertOursOrNone(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    assert(error instanceof HeadendError, error as Error)
    assert.equal(error.kind, 'invalid-request')
    assert.notEqual(error.field, null, error.message)
  }
}
