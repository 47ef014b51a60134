import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Ajv } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import fc from 'fast-check'
import {
  getLlama,
  type Llama,
  type LlamaContextSequence,
  type LlamaGrammar,
  LlamaGrammarEvaluationState,
  type LlamaModel,
  type Token,
  TokenBias,
} from 'node-llama-cpp'
import { createGrammarBuilder, schemaToGbnf } from '../../../workers/formats/grammar.ts'
import { createGrammarSampler } from './grammar-sampler.ts'

type Schema = boolean | { readonly [keyword: string]: unknown }

let llama: Llama
let model: LlamaModel
let sequence: LlamaContextSequence
let controlTokens: readonly Token[]
let controlBan: TokenBias

before(async () => {
  llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1 })
  const modelPath = join(import.meta.dirname, '../../../models/headend-tiny.gguf')
  model = await llama.loadModel({ modelPath })
  sequence = (await model.createContext({ contextSize: 1024 })).getSequence()
  controlTokens = [...model.iterateAllTokens()].filter(
    (token) => model.getTokenAttributes(token).control && !model.isEogToken(token),
  )
  controlBan = new TokenBias(model.tokenizer)
  for (const token of controlTokens) controlBan.set(token, 'never')
})

after(async () => {
  await llama.dispose()
})

/** Whether the engine takes this text, the whole of it, for one of the grammar. */
function accepts(grammar: LlamaGrammar, text: string): boolean {
  // Internal to the bindings, and the only way to ask the engine itself about a given text.
  return (grammar as unknown as { _testText(text: string): boolean })._testText(text)
}

function validatorOf(schema: Schema): (value: unknown) => boolean {
  // `items` as a list went out with draft 2019, `prefixItems` and `unevaluatedProperties` came in.
  const Validator = JSON.stringify(schema).includes('"items":[') ? Ajv : Ajv2020
  const validate = new Validator({ strict: false, logger: false }).compile(schema)
  return (value) => {
    try {
      return validate(value) === true
    } catch (cause) {
      // A schema that refers to itself at the same place says nothing, and Ajv never comes back from it.
      if (cause instanceof RangeError) return true
      throw cause
    }
  }
}

interface Keyword {
  readonly schema: Schema
  readonly accepted: readonly string[]
  readonly refused: readonly string[]
  readonly loosened?: readonly string[]
}

const tree = {
  type: 'object',
  properties: { value: { type: 'integer' }, children: { type: 'array', items: { $ref: '#' } } },
  required: ['value'],
}

const keywords: Readonly<Record<string, readonly Keyword[]>> = {
  'no type': [
    { schema: {}, accepted: ['null', '[1,{"a": "b"}]', '-0.5e+10', '"\\u00e9"'], refused: ['', '[1,]', '{a:1}', '01'] },
    { schema: true, accepted: ['{}'], refused: ['{ }'] },
    { schema: false, accepted: ['1'], refused: [], loosened: ['#: false'] },
    { schema: { description: 'only words' }, accepted: ['[]', '"a"'], refused: ["'a'"] },
    { schema: { properties: { a: { type: 'string' } } }, accepted: ['{}', '{"a":""}'], refused: ['"a"', '{"b":1}'] },
    { schema: { minLength: 2 }, accepted: ['"ab"'], refused: ['"a"', '{}'] },
  ],
  type: [
    {
      schema: { type: 'string' },
      accepted: ['""', '"\\"\\\\\\n"', '"日本 😀"'],
      refused: ['"\n"', '"\\x"', '"a', '1'],
    },
    {
      schema: { type: 'string' },
      accepted: ['"\\ud83d\\ude00"', '"\\uD7FF"'],
      refused: ['"\\ud83d"', '"\\udE00\\ud83d"'],
    },
    {
      schema: { type: 'integer' },
      accepted: ['0', '-12'],
      refused: ['1.0', '+1', '007', '-0', '1e3', '1234567890123456'],
    },
    { schema: { type: 'number' }, accepted: ['0', '-1.5', '2E-7'], refused: ['.5', '1.', '1e999', 'NaN'] },
    { schema: { type: 'boolean' }, accepted: ['true', 'false'], refused: ['True', '0'] },
    { schema: { type: 'null' }, accepted: ['null'], refused: ['undefined', '""'] },
    { schema: { type: ['string', 'null'] }, accepted: ['"a"', 'null'], refused: ['1'] },
    { schema: { type: ['integer', 'number'] }, accepted: ['1', '1.5'], refused: ['"1"'] },
    { schema: { type: 'string', nullable: true }, accepted: ['null', '"a"'], refused: ['1'] },
    { schema: { type: 'any' }, accepted: ['1'], refused: ['?'], loosened: ['#: type'] },
  ],
  'white space': [
    {
      schema: { type: 'object', properties: { a: { type: 'array', items: {} }, b: {} }, required: ['a', 'b'] },
      accepted: ['{"a": [1, 2], "b": 3}', '{"a":[1,2],"b":3}', '{"a": [{"x": 1, "y":2}],"b": {}}'],
      refused: ['{ "a": [],"b":3}', '{"a":  [],"b":3}', '{"a": [],\n"b":3}', '{"a" :[],"b":3}', '{"a":[],"b":3} '],
    },
  ],
  'enum and const': [
    {
      schema: { enum: ['a', 'ab', 'b"', 1, null, { x: [true] }] },
      accepted: ['"a"', '"ab"', '"b\\""', '1', 'null', '{"x":[true]}'],
      refused: ['"abc"', '"', '2'],
    },
    { schema: { const: 'é\n' }, accepted: ['"é\\n"'], refused: ['"é"'] },
    { schema: { type: 'string', enum: ['a', 1, null] }, accepted: ['"a"'], refused: ['1', 'null'] },
    { schema: { type: 'string', nullable: true, enum: ['a', null] }, accepted: ['"a"', 'null'], refused: ['"b"'] },
    { schema: { allOf: [{ enum: [1, 2, 3] }, { enum: [3, 2, 5] }] }, accepted: ['2', '3'], refused: ['1', '5'] },
    {
      schema: { enum: ['\u{1f600}a', '\u{1f601}b'] },
      accepted: ['"\u{1f600}a"', '"\u{1f601}b"'],
      refused: ['"\u{1f600}b"'],
    },
    { schema: { enum: ['ab', 'c'], minLength: 2 }, accepted: ['"ab"', '"c"'], refused: ['"d"'], loosened: ['#: enum'] },
    { schema: { const: '-]^[\\' }, accepted: ['"-]^[\\\\"'], refused: ['"-"'] },
  ],
  properties: [
    {
      schema: {
        type: 'object',
        properties: { a: { type: 'integer' }, b: { type: 'integer' }, c: { type: 'integer' } },
        required: ['b'],
      },
      accepted: ['{"b":1}', '{"a":1,"b":2}', '{"b":1,"c":2}', '{"a":1, "b":2, "c":3}'],
      refused: ['{}', '{"a":1}', '{"b":1,"a":2}', '{"b":1,"d":2}', '{"b":1,}', '{"b":1,"b":1}', '{,"b":1}'],
    },
    {
      schema: { type: 'object', properties: { a: {}, b: {} } },
      accepted: ['{}', '{"a":1}', '{"b":[]}', '{"a":1,"b":2}'],
      refused: ['{"c":1}'],
    },
    {
      schema: { type: 'object', properties: { 'a"\\\n': {}, '': {} } },
      accepted: ['{"a\\"\\\\\\n":1}', '{"":1}'],
      refused: ['{"a":1}'],
    },
    { schema: { type: 'object', required: ['x', 'y'] }, accepted: ['{"x":1,"y":[]}'], refused: ['{"x":1}', '{}'] },
    { schema: { type: 'object', properties: { a: false, b: {} } }, accepted: ['{"b":1}', '{}'], refused: ['{"a":1}'] },
    {
      schema: { type: 'object', properties: { a: false }, required: ['a'] },
      accepted: ['{"a":1}'],
      refused: ['{}'],
      loosened: ['#: required'],
    },
    { schema: { type: 'object' }, accepted: ['{}', '{"any":{"thing":[]}}'], refused: ['[]'] },
    { schema: { type: 'object', properties: {}, additionalProperties: false }, accepted: ['{}'], refused: ['{"a":1}'] },
    {
      schema: { type: 'object', additionalProperties: { type: 'integer' } },
      accepted: ['{}', '{"a":1,"b":2}'],
      refused: ['{"a":"b"}'],
    },
    {
      schema: { type: 'object', properties: { a: {} }, additionalProperties: true },
      accepted: ['{"a":1}'],
      refused: ['{"b":1}'],
    },
    {
      schema: { type: 'object', properties: { a: {}, b: {} }, minProperties: 1 },
      accepted: ['{"b":1}'],
      refused: ['{}'],
    },
    {
      schema: { type: 'object', minProperties: 1, maxProperties: 2 },
      accepted: ['{"b":1}', '{"a":1,"b":2}'],
      refused: ['{}', '{"a":1,"b":2,"c":3}'],
    },
    {
      schema: { type: 'object', minProperties: 2 },
      accepted: ['{"b":1}'],
      refused: ['{}'],
      loosened: ['#: minProperties'],
    },
    {
      schema: { type: 'object', properties: { a: {}, b: {} }, maxProperties: 1 },
      accepted: ['{"a":1,"b":1}'],
      refused: [],
      loosened: ['#: maxProperties'],
    },
    {
      schema: { type: 'object', propertyNames: { type: 'string' }, additionalProperties: {} },
      accepted: ['{"a":1}'],
      refused: ['{1:1}'],
    },
    {
      schema: { type: 'object', propertyNames: { enum: ['a', 'b'] }, additionalProperties: { type: 'null' } },
      accepted: ['{"b":null}'],
      refused: ['{"c":null}', '{"a":1}'],
    },
    {
      schema: { type: 'object', patternProperties: { '^x-': { type: 'integer' } }, additionalProperties: false },
      accepted: ['{}', '{"x-a":1}'],
      refused: ['{"y":1}', '{"x-a":""}'],
    },
    {
      schema: { type: 'object', patternProperties: { a: {}, b: {} } },
      accepted: ['{"c":1}'],
      refused: ['[]'],
      loosened: ['#: patternProperties'],
    },
    {
      schema: { type: 'object', properties: { a: {} }, patternProperties: { a: {} } },
      accepted: ['{"a":1}'],
      refused: ['{"b":1}'],
      loosened: ['#: patternProperties'],
    },
  ],
  arrays: [
    { schema: { type: 'array' }, accepted: ['[]', '[1,"a",[]]'], refused: ['[,]', '{}'] },
    {
      schema: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
      accepted: ['[1]', '[1, 2,3]'],
      refused: ['[]', '[1,2,3,4]', '[""]'],
    },
    { schema: { type: 'array', maxItems: 0 }, accepted: ['[]'], refused: ['[1]'] },
    { schema: { type: 'array', minItems: 2 }, accepted: ['[1,2]', '[1,2,3]'], refused: ['[1]'] },
    { schema: { type: 'array', items: false }, accepted: ['[]'], refused: ['[1]'] },
    { schema: { type: 'array', items: {}, maxItems: 1000 }, accepted: ['[1]'], refused: [], loosened: ['#: maxItems'] },
    {
      schema: { type: 'array', items: {}, uniqueItems: true },
      accepted: ['[1,1]'],
      refused: [],
      loosened: ['#: uniqueItems'],
    },
    { schema: { type: 'array', contains: { const: 1 } }, accepted: ['[2]'], refused: [], loosened: ['#: contains'] },
    {
      schema: { type: 'array', items: [{ type: 'integer' }, { type: 'string' }] },
      accepted: ['[]', '[1]', '[1,"a"]'],
      refused: ['["a"]', '[1,"a",2]'],
    },
    {
      schema: { type: 'array', items: [{ type: 'integer' }], additionalItems: { type: 'null' }, minItems: 2 },
      accepted: ['[1,null]', '[1,null,null]'],
      refused: ['[1]', '[1,1]'],
    },
    {
      schema: { type: 'array', items: [{ const: 1 }, { const: 2 }], minItems: 2, maxItems: 2 },
      accepted: ['[1,2]'],
      refused: ['[]', '[1]', '[1,2,3]'],
    },
  ],
  strings: [
    {
      schema: { type: 'string', minLength: 2, maxLength: 3 },
      accepted: ['"ab"', '"\\n\\u00e9😀"'],
      refused: ['"a"', '"abcd"', '"\\ud83d\\ude00"'],
    },
    { schema: { type: 'string', minLength: 1 }, accepted: ['"a"', `"${'a'.repeat(500)}"`], refused: ['""'] },
    {
      schema: { type: 'string', maxLength: 100 },
      accepted: ['""', `"${'a'.repeat(100)}"`, `"${'a'.repeat(16)}"`],
      refused: [`"${'a'.repeat(101)}"`],
    },
    {
      schema: { type: 'string', minLength: 40, maxLength: 75 },
      accepted: [`"${'a'.repeat(40)}"`, `"${'a'.repeat(75)}"`],
      refused: [`"${'a'.repeat(39)}"`, `"${'a'.repeat(76)}"`],
    },
    { schema: { type: 'string', maxLength: 100_000 }, accepted: ['"a"'], refused: [], loosened: ['#: maxLength'] },
    {
      schema: { type: 'string', format: 'date' },
      accepted: ['"2024-02-28"', '"1999-12-31"'],
      refused: ['"2024-02-30"', '"2024-13-01"', '"2024-1-1"', '"2024-04-31"'],
    },
    {
      schema: { type: 'string', format: 'time' },
      accepted: ['"23:59:59Z"', '"00:00:00.123+05:30"'],
      refused: ['"24:00:00Z"', '"12:00Z"', '"12:00:00"'],
    },
    {
      schema: { type: 'string', format: 'date-time' },
      accepted: ['"2024-02-28T12:00:00Z"'],
      refused: ['"2024-02-28 12:00:00Z"', '"2024-02-28"'],
    },
    {
      schema: { type: 'string', format: 'uuid' },
      accepted: ['"123e4567-e89b-12d3-a456-426614174000"'],
      refused: ['"123e4567"'],
    },
    { schema: { type: 'string', format: 'email' }, accepted: ['"nobody"'], refused: ['1'], loosened: ['#: format'] },
  ],
  pattern: [
    {
      schema: { type: 'string', pattern: '^[a-z]{2,3}$' },
      accepted: ['"ab"', '"abc"'],
      refused: ['"a"', '"abcd"', '"AB"'],
    },
    {
      schema: { type: 'string', pattern: '^(foo|ba[rz])(-\\d+)?$' },
      accepted: ['"foo"', '"baz-12"'],
      refused: ['"bat"', '"foo-"'],
    },
    {
      schema: { type: 'string', pattern: '^https?://' },
      accepted: ['"http://"', '"https://a\\"b"'],
      refused: ['"ftp://a"'],
    },
    { schema: { type: 'string', pattern: 'b' }, accepted: ['"abc"', '"b"'], refused: ['"ac"', '""'] },
    { schema: { type: 'string', pattern: '^a|b$' }, accepted: ['"ax"', '"xb"'], refused: ['"xa"', '"bx"'] },
    {
      schema: { type: 'string', pattern: '^[^/]+\\.ts$' },
      accepted: ['"a b.ts"', '"\\"\\\\.ts"'],
      refused: ['"a/b.ts"', '".ts"', '"ats"'],
    },
    { schema: { type: 'string', pattern: '^\\S+@[\\w.-]+$' }, accepted: ['"a@b-c.d"'], refused: ['"a b@c"', '"a@"'] },
    {
      schema: { type: 'string', pattern: '^\\u{1f600}\\x41\\u0042[\\]^-]$' },
      accepted: ['"😀AB]"', '"😀AB^"', '"😀AB-"'],
      refused: ['"😀AB\\\\"'],
    },
    { schema: { type: 'string', pattern: '^(?:a+?b*){2}$' }, accepted: ['"abaab"', '"aa"'], refused: ['"a"', '"b"'] },
    { schema: { type: 'string', pattern: '^(?<year>\\d{4})\\^\\$$' }, accepted: ['"2024^$"'], refused: ['"2024"'] },
    {
      schema: { type: 'string', pattern: '^[a-z0-9-]+$', minLength: 2, maxLength: 4 },
      accepted: ['"a-"', '"a-0z"'],
      refused: ['"a"', '"aaaaa"'],
    },
    {
      schema: { type: 'string', pattern: '^\\d{4}$', minLength: 4, maxLength: 8 },
      accepted: ['"1234"'],
      refused: ['"123"'],
    },
    {
      schema: { type: 'string', pattern: '^a.*b$', maxLength: 3 },
      accepted: ['"axyzb"'],
      refused: ['"a"'],
      loosened: ['#: maxLength'],
    },
    { schema: { type: 'string', pattern: '^(?=a)b$' }, accepted: ['"x"'], refused: ['1'], loosened: ['#: pattern'] },
    { schema: { type: 'string', pattern: '(a)\\1' }, accepted: ['"x"'], refused: ['1'], loosened: ['#: pattern'] },
    { schema: { type: 'string', pattern: '^(a?)*$' }, accepted: ['"x"'], refused: ['1'], loosened: ['#: pattern'] },
    {
      schema: { type: 'string', pattern: '^((a{99}){99}){99}$' },
      accepted: ['"x"'],
      refused: ['1'],
      loosened: ['#: pattern'],
    },
    {
      schema: { allOf: [{ pattern: '^a+$' }, { pattern: '^[a-c]+$' }] },
      accepted: ['"a"'],
      refused: ['"b"'],
      loosened: ['#/allOf/1: pattern'],
    },
  ],
  numbers: [
    { schema: { type: 'integer', minimum: 0 }, accepted: ['0', '17'], refused: ['-1', '01'] },
    {
      schema: { type: 'integer', minimum: 1, maximum: 600_000 },
      accepted: ['1', '9', '10', '599999', '600000'],
      refused: ['0', '600001', '700000', '1000000'],
    },
    {
      schema: { type: 'integer', minimum: -12, maximum: 7 },
      accepted: ['-12', '-9', '-1', '0', '7'],
      refused: ['-13', '8', '10', '-0'],
    },
    {
      schema: { type: 'integer', minimum: -20, maximum: -7 },
      accepted: ['-20', '-7', '-11'],
      refused: ['-6', '-21', '7'],
    },
    {
      schema: { type: 'integer', exclusiveMinimum: 3, exclusiveMaximum: 5.5 },
      accepted: ['4', '5'],
      refused: ['3', '6'],
    },
    {
      schema: { type: 'integer', minimum: 134, maximum: 2071 },
      accepted: ['134', '199', '999', '1000', '2071', '2069'],
      refused: ['133', '99', '2072', '2100', '3000'],
    },
    {
      schema: { type: 'number', minimum: 0, maximum: 1 },
      accepted: ['0', '0.5', '1', '1.0'],
      refused: ['1.1', '-0.1', '2'],
    },
    { schema: { type: 'number', exclusiveMinimum: 0 }, accepted: ['0.1', '1', '12.5'], refused: ['0', '0.0', '-1'] },
    {
      schema: { type: 'number', minimum: -2, exclusiveMaximum: 3 },
      accepted: ['-2', '-1.9', '2.99', '0'],
      refused: ['3', '3.0', '-2.1'],
    },
    { schema: { type: 'number', exclusiveMaximum: 0 }, accepted: ['-0.1', '-5'], refused: ['0', '-0', '-0.0', '1'] },
    { schema: { type: 'number', multipleOf: 1 }, accepted: ['5'], refused: ['5.5'] },
    { schema: { type: 'number', multipleOf: 0.5 }, accepted: ['0.7'], refused: ['a'], loosened: ['#: multipleOf'] },
    {
      schema: { type: 'number', minimum: 0.5, maximum: 2 },
      accepted: ['0.1', '2'],
      refused: ['3', '-1'],
      loosened: ['#: minimum', '#: maximum'],
    },
    {
      schema: { type: 'integer', minimum: 5, maximum: 4 },
      accepted: ['9'],
      refused: ['a'],
      loosened: ['#: minimum', '#: maximum'],
    },
  ],
  unions: [
    { schema: { anyOf: [{ type: 'string' }, { type: 'integer' }] }, accepted: ['"a"', '1'], refused: ['null'] },
    { schema: { anyOf: [{ type: 'integer' }, true] }, accepted: ['1', '[]'], refused: ['?'] },
    { schema: { oneOf: [{ type: 'string' }, { type: 'null' }] }, accepted: ['"a"', 'null'], refused: ['1'] },
    {
      schema: { oneOf: [{ type: 'number' }, { type: 'integer' }] },
      accepted: ['1'],
      refused: ['"a"'],
      loosened: ['#: oneOf'],
    },
    {
      schema: {
        oneOf: [
          { type: 'object', properties: { k: { const: 'a' }, v: { type: 'integer' } }, required: ['k', 'v'] },
          { type: 'object', properties: { k: { const: 'b' }, v: { type: 'string' } }, required: ['k', 'v'] },
        ],
      },
      accepted: ['{"k":"a","v":1}', '{"k":"b","v":"x"}'],
      refused: ['{"k":"a","v":"x"}', '{"k":"c","v":1}'],
    },
    {
      schema: { type: 'object', properties: { a: {}, b: {} }, anyOf: [{ required: ['a'] }, { required: ['b'] }] },
      accepted: ['{"a":1}', '{"b":1}', '{"a":1,"b":1}'],
      refused: ['{}'],
    },
    {
      schema: {
        anyOf: [
          {
            type: 'object',
            properties: { v: { type: 'array', items: { type: 'integer' } }, n: { const: 1 } },
            required: ['v', 'n'],
          },
          {
            type: 'object',
            properties: { v: { type: 'array', items: { type: 'string' } }, n: { const: 2 } },
            required: ['v', 'n'],
          },
        ],
      },
      accepted: ['{"v":[1],"n":1}', '{"v":["a"],"n":2}', '{"v":["a"],"n":1}'],
      refused: ['{"v":[1],"n":3}', '{"v":[null],"n":1}'],
      loosened: [
        '#/anyOf/0: alternatives',
        '#/anyOf/1: alternatives',
        '#/anyOf/0/properties/v: alternatives',
        '#/anyOf/1/properties/v: alternatives',
      ],
    },
    {
      schema: { anyOf: [{ type: 'object', properties: { a: {} } }, { type: 'object' }] },
      accepted: ['{"b":1}'],
      refused: ['[]'],
    },
    {
      schema: { anyOf: [{ $ref: '#/$defs/s' }, { type: 'null' }], $defs: { s: { type: 'string' } } },
      accepted: ['"a"', 'null'],
      refused: ['1'],
    },
    {
      schema: {
        allOf: [
          { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] },
          { properties: { b: { type: 'string' } }, required: ['b'] },
        ],
      },
      accepted: ['{"a":1,"b":""}'],
      refused: ['{"a":1}', '{"b":""}'],
    },
    {
      schema: {
        allOf: [
          { properties: { a: { minimum: 1 } } },
          { properties: { a: { maximum: 3, type: 'integer' } }, required: ['a'] },
        ],
      },
      accepted: ['{"a":2}'],
      refused: ['{"a":4}', '{"a":0}'],
    },
    {
      schema: { allOf: [{ properties: { a: {} }, additionalProperties: false }, { properties: { b: {} } }] },
      accepted: ['{"b":1}'],
      refused: ['{"c":1}'],
      loosened: ['#/allOf/0: additionalProperties'],
    },
    {
      schema: { allOf: [{ type: 'string' }, { type: 'integer' }] },
      accepted: ['[]'],
      refused: ['?'],
      loosened: ['#: false'],
    },
    { schema: { type: 'integer', not: { const: 1 } }, accepted: ['1'], refused: ['"a"'], loosened: ['#: not'] },
    {
      schema: JSON.parse('{"type":"object","if":{"required":["a"]},"then":{"required":["b"]}}'),
      accepted: ['{"a":1}'],
      refused: ['[]'],
      loosened: ['#: if'],
    },
  ],
  references: [
    {
      schema: tree,
      accepted: ['{"value":1}', '{"value":1, "children":[{"value":2,"children":[]}]}'],
      refused: ['{"children":[]}', '{"value":1,"children":[1]}'],
    },
    { schema: { $ref: '#/$defs/a~1b%20c', $defs: { 'a/b c': { type: 'null' } } }, accepted: ['null'], refused: ['1'] },
    {
      schema: { $ref: '#/$defs/a', minimum: 3, $defs: { a: { type: 'integer' } } },
      accepted: ['3'],
      refused: ['2', '"a"'],
    },
    { schema: { $ref: '#/$defs/none' }, accepted: ['1'], refused: ['?'], loosened: ['#: $ref'] },
    { schema: { $ref: 'https://example.com/schema' }, accepted: ['1'], refused: ['?'], loosened: ['#: $ref'] },
    {
      schema: { type: 'object', properties: { a: { $ref: '#/toString' } } },
      accepted: ['{"a":1}'],
      refused: ['{"b":1}'],
      loosened: ['#/properties/a: $ref'],
    },
  ],
}

/** Ajv takes references to nowhere and contradictory keywords for mistakes of the schema's author. */
function knownToAjv(schema: Schema): boolean {
  try {
    validatorOf(schema)
    return true
  } catch {
    return false
  }
}

for (const [name, cases] of Object.entries(keywords)) {
  describe(name, () => {
    for (const { schema, accepted, refused, loosened = [] } of cases) {
      it(JSON.stringify(schema), async () => {
        const grammar = schemaToGbnf(schema)
        const compiled = await llama.createGrammar({ grammar: grammar.gbnf })
        for (const text of accepted) assert.ok(accepts(compiled, text), `refuses ${text}\n${grammar.gbnf}`)
        for (const text of refused) assert.ok(!accepts(compiled, text), `accepts ${text}\n${grammar.gbnf}`)
        assert.deepEqual([...grammar.loosened].sort(), [...loosened].sort())
        if (loosened.length > 0 || !knownToAjv(schema)) return
        const isValid = validatorOf(schema)
        for (const text of accepted) assert.ok(isValid(JSON.parse(text)), `Ajv refuses ${text}`)
      })
    }
  })
}

describe('any schema', () => {
  /** A small generator of its own instead of fast-check's: the sampler draws thousands of numbers per text. */
  function randomFrom(seed: number): () => number {
    let state = seed | 1
    return () => {
      state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
      return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32
    }
  }

  const key = fc.constantFrom('a', 'b', 'c', 'kind', 'x"y')
  const literal = fc.constantFrom<unknown>('a', 'ab', 'é"', 0, 1, -3, 1.5, true, null, [], { a: 1 })
  const { schema: schemaArbitrary } = fc.letrec<{ schema: Schema; sub: Schema }>((tie) => ({
    sub: fc.oneof(
      { weight: 1, arbitrary: fc.boolean() },
      {
        weight: 2,
        arbitrary: fc.constantFrom<Schema>({ $ref: '#' }, { $ref: '#/$defs/one' }, { $ref: '#/$defs/two' }),
      },
      { weight: 9, arbitrary: tie('schema') },
    ),
    schema: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.record(
        {
          type: fc.constant('string'),
          minLength: fc.nat(40),
          maxLength: fc.nat(80),
          pattern: fc.constantFrom('^[a-f]+$', '^\\w{2,5}-\\d*$', 'x|^y', '[^a]$', '\\s', '^(?:ab|[cd]{3})?$'),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record(
        {
          type: fc.constantFrom('integer', 'number'),
          minimum: fc.integer({ min: -1200, max: 1200 }),
          maximum: fc.integer({ min: -100, max: 31_000 }),
          exclusiveMinimum: fc.integer({ min: -50, max: 50 }),
          exclusiveMaximum: fc.integer({ min: -50, max: 1000 }),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record({ type: fc.constantFrom('boolean', 'null', ['string', 'null'], ['object', 'array', 'integer']) }),
      fc.record({ enum: fc.uniqueArray(literal, { minLength: 1, maxLength: 5 }) }),
      fc.record({ const: literal }),
      fc.record(
        {
          type: fc.constant('array'),
          items: tie('sub'),
          prefixItems: fc.array(tie('sub'), { minLength: 1, maxLength: 3 }),
          minItems: fc.nat(3),
          maxItems: fc.nat(5),
        },
        { requiredKeys: ['type'] },
      ),
      fc.record(
        {
          type: fc.constant('object'),
          properties: fc.dictionary(key, tie('sub'), { maxKeys: 4 }),
          required: fc.uniqueArray(key, { maxLength: 3 }),
          additionalProperties: tie('sub'),
          patternProperties: fc.constantFrom({ '^x': { type: 'integer' } }, { '^[ab]$': {} }),
          propertyNames: fc.constantFrom<Schema>({ maxLength: 2 }, { enum: ['a', 'b'] }),
          minProperties: fc.nat(2),
          maxProperties: fc.nat(4),
          unevaluatedProperties: fc.boolean(),
        },
        { requiredKeys: ['type', 'properties'] },
      ),
      fc.record(
        {
          anyOf: fc.array(tie('sub'), { minLength: 1, maxLength: 3 }),
          oneOf: fc.array(tie('sub'), { minLength: 1, maxLength: 3 }),
          allOf: fc.array(tie('sub'), { minLength: 1, maxLength: 2 }),
          type: fc.constantFrom('object', ['string', 'number']),
        },
        { requiredKeys: [] },
      ),
    ),
  }))
  const rootArbitrary = fc
    .tuple(schemaArbitrary, schemaArbitrary, schemaArbitrary)
    .map(([root, one, two]): Schema => (typeof root === 'boolean' ? root : { ...root, $defs: { one, two } }))

  it('has a grammar whose texts are valid, unless it says what is loose', () => {
    let checked = 0
    const property = fc.property(rootArbitrary, fc.integer(), (schema, seed) => {
      const { gbnf, loosened } = schemaToGbnf(schema)
      const sampler = createGrammarSampler(gbnf)
      if (!sampler.hasTexts) return
      const random = randomFrom(seed)
      const isChecked = loosened.length === 0 && knownToAjv(schema)
      const isValid = isChecked ? validatorOf(schema) : () => true
      for (let count = 0; count < 8; count++) {
        const text = sampler.sample(random)
        assert.ok(isValid(JSON.parse(text)), `${text}\n${JSON.stringify(schema)}\n${gbnf}`)
        if (isChecked) checked++
      }
    })
    fc.assert(property, { numRuns: 500 })
    assert.ok(checked > 800, `only ${checked} texts were compared`)
  })

  it('has a grammar that the engine takes, and takes the texts of', () => {
    const property = fc.asyncProperty(rootArbitrary, fc.integer(), async (schema, seed) => {
      const { gbnf } = schemaToGbnf(schema)
      const grammar = await llama.createGrammar({ grammar: gbnf })
      const sampler = createGrammarSampler(gbnf)
      const text = sampler.hasTexts ? sampler.sample(randomFrom(seed)) : null
      if (text !== null && text.length < 500) assert.ok(accepts(grammar, text), `${text}\n${gbnf}`)
    })
    return fc.assert(property, { numRuns: 150 })
  })
})

describe('a grammar stays small', () => {
  const nested = (depth: number, wrap: (inner: unknown) => unknown): unknown => {
    let schema: unknown = { type: 'string' }
    for (let level = 0; level < depth; level++) schema = wrap(schema)
    return schema
  }
  const chain = (length: number, schemaOf: (next: unknown, level: number) => unknown): unknown => {
    const levels = Array.from({ length }, (_, level) => [
      `d${level}`,
      schemaOf({ $ref: `#/$defs/d${level + 1}` }, level),
    ])
    return { $ref: '#/$defs/d0', $defs: { ...Object.fromEntries(levels), [`d${length}`]: { type: 'null' } } }
  }
  const many = (length: number, schema: unknown): Record<string, unknown> =>
    Object.fromEntries(Array.from({ length }, (_, index) => [`key${index}`, structuredClone(schema)]))
  const hostile: Readonly<Record<string, unknown>> = {
    'nested arrays': nested(20_000, (items) => ({ type: 'array', items })),
    'nested allOf': nested(20_000, (inner) => ({ allOf: [inner] })),
    'nested anyOf': nested(20_000, (inner) => ({ anyOf: [inner, { type: 'null' }] })),
    'nested const': { const: nested(20_000, (inner) => [inner]) },
    'references in a row': chain(5000, (next) => ({ type: 'object', properties: { a: next }, required: ['a'] })),
    'unions that double': chain(40, (next) => ({ anyOf: [next, { allOf: [next] }] })),
    'unions that multiply': {
      allOf: Array.from({ length: 40 }, (_, i) => ({ anyOf: [{ minLength: i }, { maxLength: i }] })),
    },
    'many properties': { type: 'object', properties: many(50_000, { type: 'string' }) },
    'many optional properties': { type: 'object', properties: many(900, { type: ['string', 'null'] }) },
    'many alternatives': {
      anyOf: Array.from({ length: 5000 }, (_, i) => ({ type: 'object', properties: many(3, { const: i }) })),
    },
    'many values': { enum: Array.from({ length: 50_000 }, (_, i) => `value ${i}`) },
    'values within values': { enum: Array.from({ length: 1500 }, (_, i) => 'a'.repeat(i)) },
    'long repetitions': {
      type: 'object',
      properties: many(300, { type: 'array', items: {}, minItems: 200, maxItems: 256 }),
    },
    'big patterns': { type: 'object', properties: many(300, { pattern: '^((\\w{1,20}[.-]){0,20}\\w)+$' }) },
  }

  for (const [name, schema] of Object.entries(hostile)) {
    it(name, async () => {
      const { gbnf, loosened } = schemaToGbnf(schema)
      assert.ok(gbnf.length < 1_200_000, `${gbnf.length} characters`)
      assert.ok(loosened.length <= 101)
      await llama.createGrammar({ grammar: gbnf })
    })
  }

  it('within the limits that it is given', () => {
    const schema = { type: 'object', properties: many(50, { type: 'object', properties: { a: { enum: ['x', 'y'] } } }) }
    assert.deepEqual(schemaToGbnf(schema).loosened, [])
    const { gbnf, loosened } = schemaToGbnf(schema, { limits: { rulesMax: 60 } })
    assert.match(loosened[0] ?? '', /: size$/)
    assert.ok(gbnf.split('\n').length < 200)
    assert.deepEqual(
      schemaToGbnf(schema, { limits: { depthMax: 1 } }).loosened[0],
      '#/properties/key0/properties/a: depth',
    )
  })

  it('keeps the type of what it gives up', async () => {
    const { gbnf } = schemaToGbnf({ type: 'object', properties: many(50, {}) }, { limits: { stepsMax: 1 } })
    const grammar = await llama.createGrammar({ grammar: gbnf })
    assert.ok(accepts(grammar, '{"b":[]}'))
    assert.ok(!accepts(grammar, '[]'))
  })

  it('and reads recursion that could go two ways at every level in one', async () => {
    const side = (mark: string): Schema => ({
      type: 'object',
      properties: { left: { $ref: '#' }, mark: { const: mark } },
      required: ['mark'],
    })
    const { gbnf, loosened } = schemaToGbnf({ anyOf: [side('a'), side('b')] })
    assert.deepEqual(loosened, [])
    const depth = 300 // The engine would need 2 to the 300 readings.
    const text = `${'{"left":'.repeat(depth)}{"mark":"a"}${',"mark":"b"}'.repeat(depth)}`
    assert.ok(accepts(await llama.createGrammar({ grammar: gbnf }), text))
  })

  it('whatever JSON comes as a schema', () => {
    const keys = fc.constantFrom(
      ...'type properties items anyOf enum $ref pattern required minLength minimum const'.split(' '),
    )
    const { json } = fc.letrec((tie) => ({
      json: fc.oneof(
        { depthSize: 'medium' },
        fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom('object', 'string', '#', '#/properties', '^(')),
        fc.array(tie('json'), { maxLength: 3 }),
        fc.dictionary(keys, tie('json'), { maxKeys: 4 }),
      ),
    }))
    fc.assert(
      fc.property(json, (schema) => {
        createGrammarSampler(schemaToGbnf(schema).gbnf)
      }),
      { numRuns: 2000 },
    )
  })
})

describe('the builder', () => {
  it('joins literals, a choice of tools and the arguments of each', async () => {
    const builder = createGrammarBuilder()
    const read = builder.addSchema(
      { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] },
      'Read',
    )
    const wait = builder.addSchema(
      { type: 'object', properties: { s: { type: 'integer', not: {} } }, required: ['s'] },
      'Wait',
    )
    const call = builder.addRule(
      'call',
      `${builder.addLiteral('Read", "arguments": ')} ${read} | ${builder.addLiteral('Wait", "arguments": ')} ${wait}`,
    )
    const { gbnf, loosened } = builder.finish(
      `${builder.addLiteral('{"name": "')} ${call} ${builder.addLiteral('}\n</tool_call>')}`,
    )
    const grammar = await llama.createGrammar({ grammar: gbnf })
    assert.ok(accepts(grammar, '{"name": "Read", "arguments": {"path": "/a"}}\n</tool_call>'))
    assert.ok(accepts(grammar, '{"name": "Wait", "arguments": {"s": 5}}\n</tool_call>'))
    assert.ok(!accepts(grammar, '{"name": "Wait", "arguments": {"path": "/a"}}\n</tool_call>'))
    assert.deepEqual(loosened, ['Wait#/properties/s: not'])
  })

  it('gives two rules of one name two names', () => {
    const builder = createGrammarBuilder()
    assert.notEqual(builder.addRule('string', '"a"'), builder.addRule('string', '"b"'))
  })

  it('writes any text as a literal', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 12 }), async (text) => {
        const builder = createGrammarBuilder()
        const grammar = await llama.createGrammar({ grammar: builder.finish(builder.addLiteral(text)).gbnf })
        assert.ok(accepts(grammar, text))
        assert.ok(!accepts(grammar, `${text}.`))
      }),
      { numRuns: 200 },
    )
  })
})

/** Forty tools the size of a coding agent's: 70 KB of schema. */
function manyTools(): readonly Schema[] {
  const description = 'What this parameter is for, in a sentence that is about as long as such a sentence usually is.'
  const option = {
    type: 'object',
    properties: { label: { type: 'string', description }, detail: { type: 'string' } },
    required: ['label'],
    additionalProperties: false,
  }
  return Array.from({ length: 40 }, (_, tool) => ({
    type: 'object',
    properties: {
      [`path_${tool}`]: { type: 'string', description },
      [`timeout_${tool}`]: { type: 'integer', minimum: 1, maximum: 600_000, description },
      mode: { type: 'string', enum: ['content', 'files_with_matches', `mode-${tool}`], description },
      flag: { type: 'boolean', default: false, description },
      tags: { type: 'array', items: { type: 'string' }, description },
      either: {
        anyOf: [{ type: 'string' }, { type: 'null' }, { type: 'array', items: { type: 'string' } }],
        description,
      },
      environment: { type: 'object', additionalProperties: { type: 'string' }, description },
      questions: {
        type: 'array',
        minItems: 1,
        maxItems: 4,
        description,
        items: {
          type: 'object',
          properties: {
            header: { type: 'string', maxLength: 12, description },
            options: { type: 'array', minItems: 2, maxItems: 4, items: option, description },
          },
          required: ['header', 'options'],
        },
      },
    },
    required: [`path_${tool}`],
    additionalProperties: false,
  }))
}

/** Arguments, or tool and arguments, as the embedded model makes them up under a grammar. */
async function generate(grammar: LlamaGrammar, seed: number): Promise<string | null> {
  await sequence.clearHistory()
  const tokens: Token[] = []
  const generated = sequence.evaluate(model.tokenize('user: hello'), {
    temperature: 1.5,
    topK: 0,
    topP: 1,
    minP: 0,
    seed,
    tokenBias: controlBan,
    grammarEvaluationState: new LlamaGrammarEvaluationState({ model, grammar }),
    yieldEogToken: true,
  })
  for await (const token of generated) {
    if (model.isEogToken(token)) return model.detokenize(tokens)
    tokens.push(token)
    if (tokens.length === 250) return null
  }
  return null
}

describe('a model under a grammar', () => {
  const file: Schema = {
    type: 'object',
    properties: {
      file_path: { type: 'string', pattern: '^/[a-z/]{1,12}$' },
      offset: { type: 'integer', minimum: 0, maximum: 5000 },
      limit: { type: 'number', minimum: 0, maximum: 1 },
      mode: { enum: ['content', 'count', 'files'] },
      at: { type: 'string', format: 'date-time' },
    },
    required: ['file_path', 'mode'],
    additionalProperties: false,
  }
  const shape: Schema = {
    oneOf: [
      {
        type: 'object',
        properties: { kind: { const: 'circle' }, radius: { type: 'integer', minimum: 1 } },
        required: ['kind', 'radius'],
      },
      {
        type: 'object',
        properties: { kind: { const: 'group' }, items: { type: 'array', items: { $ref: '#' }, maxItems: 2 } },
        required: ['kind', 'items'],
      },
    ],
  }
  const mixed: Schema = {
    type: 'array',
    items: {
      anyOf: [{ type: 'string', minLength: 1, maxLength: 5 }, { type: 'boolean' }, { type: ['null', 'integer'] }],
    },
    minItems: 2,
    maxItems: 4,
  }

  for (const [name, schema] of Object.entries({ file, shape, mixed })) {
    it(`writes what Ajv accepts: ${name}`, async () => {
      const { gbnf, loosened } = schemaToGbnf(schema)
      assert.deepEqual(loosened, [])
      const grammar = await llama.createGrammar({ grammar: gbnf })
      const isValid = validatorOf(schema)
      let finished = 0
      for (let seed = 1; seed <= 30; seed++) {
        const text = await generate(grammar, seed)
        if (text === null) continue
        finished++
        assert.ok(isValid(JSON.parse(text)), text)
      }
      assert.ok(finished >= 15, `only ${finished} of 30 came to an end`)
    })
  }

  it('leaves out optional properties at some times and not at others', async () => {
    const grammar = await llama.createGrammar({ grammar: schemaToGbnf(file).gbnf })
    const seen = new Set<string>()
    for (let seed = 1; seed <= 30; seed++) {
      const text = await generate(grammar, seed)
      if (text !== null) seen.add(Object.keys(JSON.parse(text)).join())
    }
    assert.ok([...seen].some((keys) => keys.includes('offset')))
    assert.ok([...seen].some((keys) => !keys.includes('offset')))
  })

  it('calls one of forty tools', async () => {
    const tools = manyTools()
    const build = (): string => {
      const builder = createGrammarBuilder()
      const calls = tools.map((schema, tool) => `${builder.addLiteral(`tool${tool}(`)} ${builder.addSchema(schema)}`)
      const { gbnf, loosened } = builder.finish(`( ${calls.join(' | ')} ) ")"`)
      assert.deepEqual(loosened, [])
      return gbnf
    }
    const milliseconds = [1, 2, 3].map(() => {
      const start = process.cpuUsage()
      build()
      const { user, system } = process.cpuUsage(start)
      return (user + system) / 1000
    })
    assert.ok(Math.min(...milliseconds) < 200, `${milliseconds} ms of CPU`)
    const grammar = await llama.createGrammar({ grammar: build() })
    const validators = tools.map(validatorOf)
    let finished = 0
    for (let seed = 1; seed <= 10; seed++) {
      const text = await generate(grammar, seed)
      if (text === null) continue
      const [, tool = '', json = ''] = /^tool(\d+)\((.*)\)$/s.exec(text) ?? assert.fail(text)
      assert.ok(validators[Number(tool)]?.(JSON.parse(json)), text)
      finished++
    }
    assert.ok(finished > 0)
  })
})

describe('the engine', () => {
  it('allows nothing but the end of the turn where a grammar ends', async () => {
    const grammar = await llama.createGrammar({ grammar: 'root ::= "abc"\n' })
    for (let seed = 1; seed <= 5; seed++) assert.equal(await generate(grammar, seed), 'abc')
  })

  it('matches control tokens by their text, so they must be banned beside a grammar', async () => {
    const [control = assert.fail()] = controlTokens
    const favour = new TokenBias(model.tokenizer).set(control, { logit: 100 })
    const grammar = await llama.createGrammar({ grammar: schemaToGbnf({ type: 'string' }).gbnf })
    const state = new LlamaGrammarEvaluationState({ model, grammar })
    const options = { temperature: 1, seed: 1, grammarEvaluationState: state }
    await sequence.clearHistory()
    const tokens: Token[] = []
    for await (const token of sequence.evaluate(model.tokenize('a'), { ...options, tokenBias: favour })) {
      if (tokens.push(token) === 3) break
    }
    assert.ok(tokens.includes(control))
    assert.ok(model.detokenize(tokens, true).includes(model.detokenize([control], true)))
  })

  it('leaves a state untouched when its clone is used', async () => {
    const grammar = await llama.createGrammar({ grammar: schemaToGbnf({ const: 'abc' }).gbnf })
    const pristine = new LlamaGrammarEvaluationState({ model, grammar })
    for (let round = 0; round < 2; round++) {
      await sequence.clearHistory()
      const tokens: Token[] = []
      const options = { temperature: 0, grammarEvaluationState: pristine.clone() }
      for await (const token of sequence.evaluate(model.tokenize('a'), options)) tokens.push(token)
      assert.equal(model.detokenize(tokens), '"abc"')
    }
  })
})
