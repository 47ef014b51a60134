import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Placeholders, type Segment } from '../../../workers/formats/placeholders.ts'

function join(segments: readonly Segment[]): string {
  return segments.map(({ text }) => text).join('')
}

/** Written into JSON `depth` times, as a template's `tojson` does; without the outer quotes. */
function quoted(text: string, depth: number): string {
  let written = text
  for (let level = 0; level < depth; level++) written = JSON.stringify(written).slice(1, -1)
  return written
}

test('what the template wrote and what the client wrote come apart, with the marks', () => {
  const held = new Placeholders()
  const rendered = `<user>${held.hold('one', 'short')}</user>${held.hold('two')}${held.hold('three', 'long')}`
  assert.deepEqual(held.split(rendered), [
    { kind: 'template', text: '<user>' },
    { kind: 'client', text: 'one', mark: 'short' },
    { kind: 'template', text: '</user>' },
    { kind: 'client', text: 'two', mark: null },
    { kind: 'client', text: 'three', mark: 'long' },
  ] satisfies Segment[])
})

test('a template may write a text twice, or leave it out', () => {
  const held = new Placeholders()
  const twice = held.hold('again')
  held.hold('left out')
  assert.equal(join(held.split(`${twice}, ${twice}`)), 'again, again')
})

test('an empty text stays empty, so that a template can test for it', () => {
  const held = new Placeholders()
  assert.equal(held.hold(''), '')
  assert.deepEqual(held.split(held.hold('', 'short')), [{ kind: 'client', text: '', mark: 'short' }])
})

test('a placeholder of another prompt is only text', () => {
  const earlier = new Placeholders().hold('secret of another client')
  const held = new Placeholders()
  const [segment] = held.split(held.hold(earlier))
  assert.deepEqual(segment, { kind: 'client', text: earlier, mark: null })
  assert.deepEqual(new Placeholders().split(earlier), [{ kind: 'template', text: earlier }])
})

test('a text that is written into JSON is escaped as often', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 2 }), (text, depth) => {
      const held = new Placeholders()
      assert.equal(join(held.split(quoted(held.hold(text), depth))), quoted(text, depth))
    }),
  )
})

test('texts at different depths of one prompt', () => {
  const held = new Placeholders()
  const [plain, once, twice] = ['a "b"\n', 'c "d"\n', 'e "f"\n'].map((text) => held.hold(text))
  const rendered = `${plain}${JSON.stringify({ once, inner: JSON.stringify({ twice }) })}`
  const expected = `a "b"\n${JSON.stringify({ once: 'c "d"\n', inner: JSON.stringify({ twice: 'e "f"\n' }) })}`
  assert.equal(join(held.split(rendered)), expected)
})

test('a JSON value keeps its shape, its order and what is no string', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const held = new Placeholders()
      assert.equal(join(held.split(JSON.stringify(held.holdAll(value)))), JSON.stringify(value))
    }),
  )
})

test('no string of a JSON value is left in it, neither key nor item', () => {
  const held = new Placeholders()
  const value = { 'a key': ['an item', { 'inner key': 'inner value' }], count: 3, yes: true, none: null }
  const written = JSON.stringify(held.holdAll(value))
  for (const text of ['a key', 'an item', 'inner key', 'inner value', 'count']) assert.ok(!written.includes(text), text)
  assert.match(written, /:3,/)
})

test('a property has one placeholder wherever a schema names it, and keywords stay', () => {
  const held = new Placeholders()
  const schema = {
    type: 'object',
    properties: { city: { type: ['string', 'null'], description: 'a city' }, type: { enum: ['city'] } },
    required: ['city'],
    'x-unknown': { city: 1 },
  }
  const kept = held.holdSchema(schema) as typeof schema
  const [city] = Object.keys(kept.properties)
  assert.deepEqual(kept.required, [city])
  assert.notEqual(city, 'city')
  assert.equal(kept.type, 'object')
  assert.deepEqual(Object.keys(kept).slice(0, 3), ['type', 'properties', 'required'])
  assert.equal(join(held.split(JSON.stringify(kept))), JSON.stringify(schema))
})

test('any schema comes back as it was', () => {
  const keyword = fc.constantFrom(
    'type',
    'properties',
    'required',
    'items',
    'anyOf',
    'enum',
    '$ref',
    'description',
    '$defs',
  )
  const name = fc.constantFrom('city', 'type', 'properties', 'required', '"', '__proto__', '')
  const leaf = fc.oneof(name, fc.array(name, { maxLength: 3 }), fc.jsonValue({ maxDepth: 1 }))
  const nest = (inner: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
    fc.dictionary(keyword, fc.oneof(leaf, inner, fc.dictionary(name, inner, { maxKeys: 3 })), { maxKeys: 4 })
  fc.assert(
    fc.property(nest(nest(nest(leaf))), (value) => {
      const held = new Placeholders()
      assert.equal(join(held.split(JSON.stringify(held.holdSchema(value)))), JSON.stringify(value))
    }),
  )
})
