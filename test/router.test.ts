import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { ServedModel } from '../src/backends/registry.ts'
import { defaultQuirks } from '../src/backends/upstream/settings.ts'
import type { Backend, ListedModel } from '../src/contract/backend.ts'
import { HeadendError, StartError } from '../src/contract/errors.ts'
import type { ModelSettings, TargetSettings } from '../src/model-settings.ts'
import type { OpenUpstream, Router } from '../src/router.ts'
import { createModelRouter, type ModelRouterOptions } from '../src/routing/model-router.ts'
import { IdleBackend } from './routing/targets.ts'

class DatedBackend extends IdleBackend {
  readonly #createdAt: Date

  constructor(createdAt: Date, contextTokens: number | null) {
    super(contextTokens)
    this.#createdAt = createdAt
  }

  override facts(): ReturnType<Backend['facts']> {
    return { ...super.facts(), createdAt: this.#createdAt }
  }
}

/** A local model whose day of making is `day`. */
function local(id: string, day = 1, contextTokens: number | null = null): ServedModel {
  const backend = new DatedBackend(dayOf(day), contextTokens)
  return { id, displayName: `The ${id}`, summary: id, backend }
}

function dayOf(day: number): Date {
  return new Date(Date.UTC(2026, 0, day))
}

function configured(id: string, targets: readonly TargetSettings[], more: Partial<ModelSettings> = {}): ModelSettings {
  return {
    id,
    displayName: null,
    aliases: [],
    targets,
    outputTokensMax: null,
    contextTokens: null,
    system: null,
    spillAfterMs: null,
    hedgeAfterMs: null,
    ...more,
  }
}

function cloud(model: string, weight: number | null = null): TargetSettings {
  return { kind: 'upstream', upstream: 'cloud', model, quirks: {}, weight }
}

function here(model: string): TargetSettings {
  return { kind: 'local', model, weight: null }
}

function listedModel(id: string, day = 1): ListedModel {
  const facts = { contextTokens: 1000, createdAt: dayOf(day), capabilities: null }
  return { id, displayName: id.toUpperCase(), facts, outputTokensMax: 10 }
}

/** An upstream whose models are served; `ids` can change, and every model that it opens is noted. */
class FakeUpstream implements OpenUpstream {
  readonly name: string
  readonly patterns: readonly string[]
  readonly opened: string[] = []
  #list: readonly ListedModel[] | null

  constructor(name: string, ids: readonly string[] | null, patterns: readonly string[] = []) {
    this.name = name
    this.patterns = patterns
    this.#list = ids?.map((id) => listedModel(id)) ?? null
  }

  listed(): readonly ListedModel[] | null {
    return this.#list
  }

  lists(...models: readonly ListedModel[]): void {
    this.#list = models
  }

  open(model: string): Backend {
    this.opened.push(model)
    return new IdleBackend()
  }
}

const models = [local('one', 1), local('org/two', 2)]

function routerOf(options: Partial<ModelRouterOptions> = {}): Router {
  return createModelRouter({
    served: models,
    models: [],
    openUpstreams: [],
    openTarget: () => new IdleBackend(),
    modelAlias: [],
    defaultModel: null,
    ...options,
  })
}

/** Ids of the targets; '404' when there is none. */
function leadsTo(router: Router, name: string): string {
  try {
    return router
      .resolve(name)
      .targets.map(({ id }) => id)
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
  for (const [name, modelAlias, defaultModel, id] of rows) {
    test(`${JSON.stringify(name)} with ${modelAlias.join(' ') || 'no alias'}, default ${defaultModel}: ${id}`, () => {
      assert.equal(leadsTo(routerOf({ modelAlias, defaultModel }), name), id)
    })
  }
})

describe('models of the config file', () => {
  const sonnet = configured('sonnet', [cloud('gpt-5', 2), here('one')], {
    aliases: ['claude-sonnet-*', 'clever'],
    system: 'Be brief.',
    outputTokensMax: 500,
    spillAfterMs: 2000,
    hedgeAfterMs: 100,
  })

  test('have their targets in order, and what they say of requests, under each of their names', () => {
    const router = routerOf({ models: [sonnet] })
    for (const name of ['sonnet', 'clever', 'claude-sonnet-4-5']) {
      assert.equal(leadsTo(router, name), 'cloud/gpt-5,one')
      const { targets, system, outputTokensMax, spillAfterMs, hedgeAfterMs } = router.resolve(name)
      assert.deepEqual(
        targets.map(({ model, weight }) => [model, weight]),
        [
          ['gpt-5', 2],
          ['one', null],
        ],
      )
      assert.deepEqual([system, outputTokensMax, spillAfterMs, hedgeAfterMs], ['Be brief.', 500, 2000, 100])
    }
    assert.equal(leadsTo(router, 'one'), 'one', 'local models stay')
  })

  test('leave no name of the hosted models to the first local one', () => {
    const router = routerOf({ models: [sonnet] })
    assert.equal(leadsTo(router, 'claude-local'), '404')
    assert.equal(leadsTo(router, 'claude-opus-4-5'), '404')
  })

  test('take the place of a local model with their id', () => {
    const router = routerOf({ models: [configured('one', [here('one'), cloud('gpt-5')])], modelAlias: ['fast=one'] })
    assert.equal(leadsTo(router, 'one'), 'one,cloud/gpt-5')
    assert.equal(leadsTo(router, 'fast'), 'one,cloud/gpt-5')
    assert.equal(router.entries().filter(({ id }) => id === 'one').length, 1)
  })

  test('show what the settings say, else what the first target says', () => {
    const served = [local('one', 3, 4096)]
    const upstream = new DatedBackend(dayOf(5), 8000)
    const shown = (more: Partial<ModelSettings>, targets: readonly TargetSettings[]): unknown => {
      const router = routerOf({ served, models: [configured('mine', targets, more)], openTarget: () => upstream })
      const { displayName, contextTokens, outputTokensMax, createdAt } = router.resolve('mine').entry
      return [displayName, contextTokens, outputTokensMax, createdAt.getUTCDate()]
    }
    assert.deepEqual(shown({}, [here('one'), cloud('x')]), ['The one', 4096, 4096, 3])
    assert.deepEqual(shown({}, [cloud('x'), here('one')]), ['mine', 8000, null, 5])
    assert.deepEqual(shown({ displayName: 'Mine', contextTokens: 100, outputTokensMax: 7 }, [cloud('x')]), [
      'Mine',
      100,
      7,
      5,
    ])
    const quirks = { ...defaultQuirks, outputTokensMax: 99 }
    const limited: TargetSettings = { kind: 'upstream', upstream: 'cloud', model: 'x', quirks, weight: null }
    assert.deepEqual(shown({}, [limited]), ['mine', 8000, 99, 5])
  })
})

describe('an open upstream', () => {
  test('serves what it lists, behind names of this configuration', () => {
    const upstream = new FakeUpstream('ollama', ['llama', 'one', 'fast', 'claude-opus-4'])
    const router = routerOf({ openUpstreams: [upstream], modelAlias: ['fast=org/two'] })
    assert.equal(leadsTo(router, 'llama'), 'ollama/llama')
    assert.equal(leadsTo(router, 'one'), 'one')
    assert.equal(leadsTo(router, 'fast'), 'org/two', 'whoever wrote an alias meant it')
    assert.equal(leadsTo(router, 'claude-opus-4'), 'ollama/claude-opus-4', 'and nobody wrote claude-*')
    assert.equal(leadsTo(router, 'claude-opus-5'), 'one')
    assert.equal(leadsTo(router, 'other'), '404')
  })

  test('has what it lists before patterns, and what its own patterns take behind them', () => {
    const upstream = new FakeUpstream('cloud', ['gpt-5'], ['gpt-*', 'claude-3*'])
    const router = routerOf({ openUpstreams: [upstream], modelAlias: ['gpt-*o=one'] })
    assert.equal(leadsTo(router, 'gpt-5'), 'cloud/gpt-5')
    assert.equal(leadsTo(router, 'gpt-4o'), 'one')
    assert.equal(leadsTo(router, 'gpt-4'), 'cloud/gpt-4')
    assert.equal(router.resolve('gpt-4').targets[0]?.model, 'gpt-4', 'passed on unchanged')
    assert.equal(leadsTo(router, 'claude-3-opus'), 'cloud/claude-3-opus')
    assert.equal(leadsTo(router, 'claude-4-opus'), 'one')
  })

  test('yields to the one before it', () => {
    const openUpstreams = [new FakeUpstream('first', ['a', 'both']), new FakeUpstream('second', ['both', 'b'], ['*'])]
    const router = routerOf({ openUpstreams })
    assert.deepEqual(
      ['a', 'b', 'both', 'c'].map((name) => leadsTo(router, name)),
      ['first/a', 'second/b', 'first/both', 'second/c'],
    )
    assert.equal(router.entries().filter(({ id }) => id === 'both').length, 1)
  })

  test('that was never reached is asked for names that nothing else answers', () => {
    const upstream = new FakeUpstream('down', null)
    const openUpstreams = [new FakeUpstream('up', ['a']), upstream]
    const router = routerOf({ openUpstreams })
    assert.equal(leadsTo(router, 'a'), 'up/a')
    assert.equal(leadsTo(router, 'b'), 'down/b')
    assert.equal(leadsTo(router, 'claude-opus-4'), 'one', 'an answer is better than none')
    assert.equal(leadsTo(routerOf({ openUpstreams, defaultModel: 'one' }), 'b'), 'one', 'so it is with a default')
    upstream.lists(listedModel('c'))
    assert.equal(leadsTo(router, 'b'), '404', 'now we know')
    assert.equal(leadsTo(router, 'c'), 'down/c')
  })

  test('may list the model of an alias or of the default later', () => {
    const upstream = new FakeUpstream('late', [])
    const options = { openUpstreams: [upstream], modelAlias: ['fast=llama', 'l-*=llama'], defaultModel: 'big' }
    const router = routerOf(options)
    assert.deepEqual([leadsTo(router, 'fast'), leadsTo(router, 'l-1'), leadsTo(router, 'x')], ['404', '404', '404'])
    assert.ok(!router.entries().some(({ id }) => id === 'fast'))
    upstream.lists(listedModel('llama'), listedModel('big'))
    assert.deepEqual(
      ['fast', 'l-1', 'x'].map((name) => leadsTo(router, name)),
      ['late/llama', 'late/llama', 'late/big'],
    )
    assert.equal(router.resolve('fast').targets[0]?.model, 'llama')
    assert.equal(router.entries().find(({ id }) => id === 'fast')?.displayName, 'LLAMA')
  })

  test('is opened once for a name that is asked for again and again, and forgets those that are not', () => {
    const upstream = new FakeUpstream('any', [], ['*'])
    const router = routerOf({ openUpstreams: [upstream] })
    assert.equal(router.resolve('kept').targets[0], router.resolve('kept').targets[0])
    for (let count = 0; count < 5000; count++) {
      router.resolve(`invented-${count}`)
      router.resolve('kept')
    }
    assert.equal(upstream.opened.filter((name) => name === 'kept').length, 1)
    router.resolve('invented-0')
    assert.equal(upstream.opened.filter((name) => name === 'invented-0').length, 2, 'nothing is kept for ever')
  })

  test('is not asked for names that are too long to be any', () => {
    const router = routerOf({ openUpstreams: [new FakeUpstream('any', null, ['*'])] })
    assert.equal(leadsTo(router, 'x'.repeat(256)), `any/${'x'.repeat(256)}`)
    assert.equal(leadsTo(router, 'x'.repeat(257)), '404')
  })
})

describe('the list of models', () => {
  test('has aliases without a star beside the models, newest first', () => {
    const router = routerOf({ modelAlias: ['fast=org/two', 'gpt-*=one'] })
    assert.deepEqual(
      router.entries().map(({ id, displayName }) => `${id}: ${displayName}`),
      ['org/two: The org/two', 'fast: The org/two', 'one: The one', 'claude-local: The one'],
    )
  })

  test('has what upstreams list, as they describe it, and nothing that was only asked for', () => {
    const upstream = new FakeUpstream('cloud', [], ['*'])
    const router = routerOf({ served: [local('one', 2)], openUpstreams: [upstream] })
    router.resolve('invented')
    upstream.lists(listedModel('old', 1), listedModel('new', 3), listedModel('older', 1), listedModel('one', 9))
    assert.deepEqual(
      router.entries().map(({ id }) => id),
      ['new', 'one', 'claude-local', 'old', 'older'],
    )
    const { displayName, contextTokens, outputTokensMax } = router.resolve('old').entry
    assert.deepEqual([displayName, contextTokens, outputTokensMax], ['OLD', 1000, 10])
    assert.equal(router.resolve('invented').entry.displayName, 'invented')
  })
})

describe('refused at start', () => {
  const there = 'there is one, org/two'
  const upstream = new FakeUpstream('cloud', ['llama'])
  const rows: readonly (readonly [options: Partial<ModelRouterOptions>, message: string])[] = [
    [{ modelAlias: ['fast=three'] }, `--model-alias fast=three: no such model; ${there}`],
    [{ modelAlias: ['fast=one', 'faster=fast'] }, `--model-alias faster=fast: no such model; ${there}`],
    [{ modelAlias: ['one=org/two'] }, '--model-alias one=org/two: this name is taken already'],
    [{ modelAlias: ['fast=one', 'fast=org/two'] }, '--model-alias fast=org/two: this name is taken already'],
    [{ defaultModel: 'three' }, `--default-model three: no such model; ${there}, claude-local`],
    [{ defaultModel: 'claude-*' }, `--default-model claude-*: no such model; ${there}, claude-local`],
    [{ served: [], modelAlias: ['a=b'] }, '--model-alias a=b: no such model; there is none'],
    [
      { openUpstreams: [upstream], modelAlias: ['faster=fast', 'fast=llama'] },
      `--model-alias faster=fast: no such model; ${there}`,
    ],
    [{ openUpstreams: [upstream], modelAlias: ['fast=llama*'] }, `--model-alias fast=llama*: no such model; ${there}`],
    [
      { openUpstreams: [upstream], defaultModel: 'llama-*' },
      `--default-model llama-*: no such model; ${there}, claude-local`,
    ],
    [
      { models: [configured('mine', [here('three')])] },
      'model mine: there is no local model three; there is one, org/two (see --model)',
    ],
    [
      { models: [configured('mine', [here('one')], { aliases: ['one'] })] },
      'alias one of the model mine: this name is taken already',
    ],
  ]
  for (const [options, message] of rows) {
    test(message, () => {
      assert.throws(
        () => routerOf(options),
        (error) => error instanceof StartError && error.message === message,
      )
    })
  }
})
