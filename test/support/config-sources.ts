import assert from 'node:assert/strict'
import { ConfigError } from '../../src/config/config-error.ts'
import { resolveConfig, type Sources } from '../../src/config.ts'

export function fileOf(text: string): NonNullable<Sources['file']> {
  return { path: 'headend.yaml', text }
}

/** The lines that the sources are refused with. */
export function problems(sources: Partial<Sources>): readonly string[] {
  try {
    resolveConfig({ flags: {}, env: {}, file: null, ...sources })
  } catch (cause) {
    assert.ok(cause instanceof ConfigError)
    return cause.message.split('\n')
  }
  throw new assert.AssertionError({ message: 'expected a ConfigError' })
}
