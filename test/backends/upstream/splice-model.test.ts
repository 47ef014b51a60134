import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { spliceMessageModel, spliceModel } from '../../../src/backends/upstream/splice-model.ts'

function splice(body: string, model = 'new'): string {
  return Buffer.from(spliceModel(Buffer.from(body), model)).toString()
}

/** What arrived, what goes up. */
const bodies: readonly (readonly [body: string, expected: string])[] = [
  ['{"model":"old","n":1.50}', '{"model":"new","n":1.50}'],
  ['{ "n" : 1e2 ,\r\n\t"model" :\t"old"\n}', '{ "n" : 1e2 ,\r\n\t"model" :\t"new"\n}'],
  ['\uFEFF {"model":"old"}', '\uFEFF {"model":"new"}'],
  ['{"\\u006dodel":"old"}', '{"\\u006dodel":"new"}'],
  ['{"m\\u006Fde\\u006c":"old"}', '{"m\\u006Fde\\u006c":"new"}'],
  ['{"model":"a","model":"b"}', '{"model":"new","model":"new"}'],
  ['{"model":"a","x":"006","\\u006dodel":"b"}', '{"model":"new","x":"006","\\u006dodel":"new"}'],
  ['{"tools":[{"model":"x"}],"model":"old"}', '{"tools":[{"model":"x"}],"model":"new"}'],
  ['{"model":"old","x":{"model":"x"}}', '{"model":"new","x":{"model":"x"}}'],
  ['{"a":"\\"model\\":\\"x\\"","model":"old"}', '{"a":"\\"model\\":\\"x\\"","model":"new"}'],
  ['{"a":"\\\\","model":"old"}', '{"a":"\\\\","model":"new"}'],
  ['{"a":"}]","b":["]",{"c":"{"}],"model":"old"}', '{"a":"}]","b":["]",{"c":"{"}],"model":"new"}'],
  ['{"a":-1.5e3,"b":null,"model":"ol\\"d","c":true}', '{"a":-1.5e3,"b":null,"model":"new","c":true}'],
  ['{"b":null ,"model":{"of":"any","kind":[1]}}', '{"b":null ,"model":"new"}'],
  ['{"b":[],"model":12}', '{"b":[],"model":"new"}'],
  ['{"é":"日本","model":"ö"}', '{"é":"日本","model":"new"}'],
  ['{"Model":"x","models":"x","mode":"x"}', '{"Model":"x","models":"x","mode":"x"}'],
  ['{"a":"model","b":1}', '{"a":"model","b":1}'],
  ['{}', '{}'],
]

describe('spliceModel', () => {
  for (const [body, expected] of bodies) {
    it(body, () => assert.equal(splice(body), expected))
  }

  it('writes any name as JSON', () => {
    const name = 'a "b"\\\n日本/👋'
    assert.equal(JSON.parse(splice('{"model":"old"}', name)).model, name)
  })

  it('copies nothing where the name is the same', () => {
    const body = Buffer.from('{"n":1,"model":"same"}')
    assert.equal(spliceModel(body, 'same'), body)
  })

  it('leaves alone what is no object', () => {
    for (const text of ['', ' ', '[{"model":"x"}]', '"model"', '<html>', 'null', '{model:"x"}', '{"model" "x"}']) {
      assert.equal(splice(text), text)
    }
  })

  it('finds the second name in a body too large for the search', () => {
    const body = (name: string): string => `{"model":"${name}","x":"${'m'.repeat(2 ** 20)}","model":"${name}"}`
    assert.equal(splice(body('old')), body('new'))
  })

  it('comes to an end on bytes of any kind', () => {
    const piece = fc.constantFrom('{', '}', '[', ']', '"', '\\', ':', ',', '"model"', ' ', '1', 'é')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        splice(pieces.join(''))
      }),
      { numRuns: 2000 },
    )
  })
})

const space = fc.constantFrom('', '', ' ', '\n  ', '\r\n\t')
const escaped = (key: string, at: number): string => {
  const place = at % key.length
  const code = key.charCodeAt(place).toString(16).padStart(4, '0')
  return `${key.slice(0, place)}\\u${code}${key.slice(place + 1)}`
}
const key = fc.oneof(
  fc.constantFrom('model', 'models', 'mode', '006', ''),
  fc.string({ maxLength: 8 }).map((text) => JSON.stringify(text).slice(1, -1)),
  fc.nat(4).map((at) => escaped('model', at)),
)
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }).map((any) => JSON.stringify(any)),
  fc.constantFrom('{"model":"inside"}', '[{"model":["deep"]}]', '"model"', '"\\"model\\":"', '1.0e+5', '" 006 "'),
)
const member = fc.record({ key, value, spaces: fc.tuple(space, space, space, space) })

describe('spliceModel, on any spelling of an object', () => {
  it('changes exactly the values of its own keys `model`', () => {
    fc.assert(
      fc.property(fc.array(member, { maxLength: 6 }), space, fc.boolean(), (members, lead, hasMark) => {
        const write = (replacement: string | null): string => {
          const written = members.map(({ key: name, value: json, spaces: [a, b, c, d] }) => {
            const isModel = JSON.parse(`"${name}"`) === 'model'
            return `${a}"${name}"${b}:${c}${isModel && replacement !== null ? replacement : json}${d}`
          })
          return `${hasMark ? '\uFEFF' : ''}${lead}{${written.join(',')}}${lead}`
        }
        assert.equal(splice(write(null)), write('"new"'))
      }),
      { numRuns: 3000 },
    )
  })
})

describe('spliceMessageModel', () => {
  it('changes the name inside the message, and no other', () => {
    const event = (name: string): string =>
      `event: message_start\ndata: {"model":"outer","type":"message_start","message":{"content":[{"model":"in"}],"model":"${name}"}}\n\n`
    const bytes = Buffer.from(event('old'))
    assert.equal(Buffer.from(spliceMessageModel(bytes, bytes.indexOf('{'), 'new')).toString(), event('new'))
  })
})
