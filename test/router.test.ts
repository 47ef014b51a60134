import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createEchoBackend } from '../src/backends/echo/backend.ts'
import type { ServedModel } from '../src/backends/registry.ts'
import { HeadendError, StartError } from '../src/contract/errors.ts'
import { createModelRouter } from '../src/router.ts'

/** A model whose day of making is `day`. */
function model(id: string, day = 1): ServedModel {
  const backend = createEchoBackend(1)
  const facts = { ...backend.facts(), createdAt: new Date(Date.UTC(2026, 0, day)) }
  return { id, displayName: `The ${id}`, summary: id, backend: { ...backend, facts: () => facts } }
}

const models = [model('one', 1), model('org/two', 2)]

/** The id that the backend is asked for; '404' when there is none. */
function answering(name: string, aliases: readonly string[] = [], defaultModel: string | null = null): string {
  try {
    return createModelRouter(models, aliases, defaultModel)
      .resolve(name)
      .targets.map(({ model }) => model)
      .join()
  } catch (error) {
    assert(error instanceof HeadendError && error.kind === 'not-found', String(error))
    assert.equal(error.message, `model: ${name}`)
    return '404'
  }
}

describe('a name leads to', () => {
  const rows: readonly (readonly [
    name: string,
    aliases: readonly string[],
    defaultModel: string | null,
    id: string,
  ])[] = [
    ['one', [], null, 'one'],
    ['org/two', [], null, 'org/two'],
    ['three', [], null, '404'],
    ['three', [], 'org/two', 'org/two'],
    ['three', ['fast=one'], 'fast', 'one'],
    ['claude-sonnet-4-5', [], null, 'one'],
    ['claude-local', [], null, 'one'],
    ['not-claude-local', [], null, '404'],
    ['fast', ['fast=org/two'], null, 'org/two'],
    ['Fast', ['fast=org/two'], null, '404'],
    ['claude-sonnet-4-5', ['claude-*=org/two'], null, 'org/two'],
    ['claude-local', ['claude-*=org/two'], null, 'one'],
    ['claude-local', ['claude-local=org/two'], null, 'org/two'],
    ['claude-haiku-4-5', ['*haiku*=org/two', 'claude-*=one'], null, 'org/two'],
    ['claude-haiku-4-5', ['claude-haiku-4-5=org/two', 'claude-haiku-*=one'], null, 'org/two'],
    ['one', ['*=org/two'], null, 'one'],
    ['a.b', ['a.*=org/two'], null, 'org/two'],
    ['axb', ['a.*=org/two'], null, '404'],
    ['line\nbreak', ['line*=org/two'], null, 'org/two'],
  ]
  for (const [name, aliases, defaultModel, id] of rows) {
    test(`${JSON.stringify(name)} with ${aliases.join(' ') || 'no alias'}, default ${defaultModel}: ${id}`, () => {
      assert.equal(answering(name, aliases, defaultModel), id)
    })
  }
})

test('aliases without a star are listed beside the models, newest first', () => {
  const { entries } = createModelRouter(models, ['fast=org/two', 'gpt-*=one'], null)
  assert.deepEqual(
    entries().map(({ id, displayName }) => `${id}: ${displayName}`),
    ['org/two: The org/two', 'fast: The org/two', 'one: The one', 'claude-local: The one'],
  )
})

describe('refused at start', () => {
  const there = 'there is one, org/two'
  const rows: readonly (readonly [aliases: readonly string[], defaultModel: string | null, message: string])[] = [
    [['fast=three'], null, `--model-alias fast=three: no such model; ${there}`],
    [['fast=one', 'faster=fast'], null, `--model-alias faster=fast: no such model; ${there}`],
    [['one=org/two'], null, '--model-alias one=org/two: this name is taken already'],
    [['fast=one', 'fast=org/two'], null, '--model-alias fast=org/two: this name is taken already'],
    [[], 'three', `--default-model three: no such model; ${there}, claude-local`],
    [[], 'claude-*', `--default-model claude-*: no such model; ${there}, claude-local`],
  ]
  for (const [aliases, defaultModel, message] of rows) {
    test(message, () => {
      assert.throws(
        () => createModelRouter(models, aliases, defaultModel),
        (error) => error instanceof StartError && error.message === message,
      )
    })
  }
})
