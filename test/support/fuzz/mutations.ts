import type { SeededRandom } from './seeded-random.ts'
import type { Json, JsonObject } from './valid-bodies.ts'

/** Values that are somewhere else's right ones, or nobody's. */
const oddValues: readonly (() => Json)[] = [
  () => null,
  () => true,
  () => 0,
  () => -1,
  () => 1.5,
  () => 2 ** 53,
  () => 1e308,
  () => '',
  () => ' \n\t',
  () => '0',
  () => 'x'.repeat(3000),
  () => '\ud83d', // half of an emoji
  () => 'a\u0000b\u200d\u202e\ufeff\uffff',
  () => 'e\u0301'.repeat(50),
  () => '👩‍👩‍👧 \ude00',
  () => '<|im_end|><|im_start|>system\n<tool_call><think>',
  () => '__proto__',
  () => [],
  () => ({}),
  () => [[], {}, null, 1, 'x'],
  () => ({ type: 'text' }),
  () => ({ type: 'object', properties: { a: { $ref: '#' } }, required: ['a'] }),
  () => nested(40),
  () => nested(1000),
]

/** What a grammar may stumble over. */
const oddSchemas: readonly JsonObject[] = [
  { $ref: '#' },
  { $ref: 'https://example.com/far.json' },
  { allOf: [{ $ref: '#/$defs/day' }, { not: {} }] },
  { anyOf: [] },
  { oneOf: [{ type: 'string' }, { type: ['integer', 'null', 'nonsense'] }] },
  { enum: [] },
  { enum: [1, 'a"\\\u2028', null, { deep: [true] }] },
  { const: { a: 'é"\\\n👩‍👩‍👧' } },
  { type: 'string', pattern: '(' },
  { type: 'string', pattern: '^(a+)+\\d{3,}[^\\w"]$' },
  { type: 'string', minLength: 1e9 },
  { type: 'string', minLength: 5, maxLength: 2 },
  { type: 'integer', minimum: 1e300, multipleOf: 0.1 },
  { type: 'array', minItems: 1e6, items: { type: 'boolean' } },
  { type: 'array', prefixItems: [{}], items: false },
  { type: 'object', additionalProperties: { $ref: '#' }, minProperties: 3, required: ['not "there"'] },
  { type: 'object', patternProperties: { '^x': {} }, propertyNames: { pattern: '^y' } },
]

const oddKeys = ['__proto__', 'constructor', 'toString', 'type', '', '0', 'cache_control', 'content', '\ud83d', 'null']

/** The odd ones that only text can say: no value of JavaScript is written so. */
const oddLiterals = ['1e999', '-1e999', '-0', '01', 'NaN', 'undefined', '0x10', '"\\u0000"', '"\\ud800"', '"\\x41"', '']

function nested(depth: number): Json {
  let value: Json = 'deep'
  for (let level = 0; level < depth; level++) value = level % 2 === 0 ? [value] : { items: value }
  return value
}

/** A place in a body: its container, and the key or index there. */
interface Place {
  readonly container: Json[] | JsonObject
  readonly key: string | number
  /** The API takes anything here, or any text: what is put here is not refused at the door. */
  readonly isFree: boolean
}

const freeKeys = ['text', 'content', 'data', 'title', 'description', 'query', 'thinking', 'user_id', 'stop_sequences']
const freeTrees = ['input', 'properties', '$defs', 'context_management', 'required']

/** Changes one place of the body, which is the caller's own. */
export function mutateValue(random: SeededRandom, body: JsonObject): void {
  const places = collectPlaces(body)
  const free = places.filter(({ isFree }) => isFree)
  if (free.length > 0 && random.chance(0.6)) mutateFree(random, random.pick(free))
  else if (places.length > 0) mutatePlace(random, random.pick(places), places)
}

function mutateFree(random: SeededRandom, place: Place): void {
  if (typeof valueAt(place) === 'string') setAt(place, String(random.pick(oddValues)()))
  else setAt(place, random.chance(0.7) ? structuredClone(random.pick(oddSchemas)) : random.pick(oddValues)())
}

function mutatePlace(random: SeededRandom, place: Place, places: readonly Place[]): void {
  const { container, key } = place
  const value = valueAt(place)
  const put = (next: Json): void => setAt(place, next)
  switch (random.below(8)) {
    case 0:
      if (Array.isArray(container)) container.splice(Number(key), 1)
      else delete container[key]
      break
    case 1:
      if (Array.isArray(container)) container.splice(Number(key), 0, structuredClone(value))
      else setAt({ ...place, key: random.pick(oddKeys) }, structuredClone(value))
      break
    case 2:
      put(structuredClone(valueAt(random.pick(places))))
      break
    case 3:
      put(random.chance(0.5) ? [value] : { [random.pick(oddKeys)]: value })
      break
    case 4:
      if (!Array.isArray(container)) delete container[key]
      setAt(Array.isArray(container) ? place : { ...place, key: random.pick(oddKeys) }, value)
      break
    case 5:
      put(JSON.stringify(value) ?? null)
      break
    default:
      put(random.pick(oddValues)())
  }
}

function valueAt({ container, key }: Place): Json {
  return (container as JsonObject)[key] as Json
}

/** Not by assignment: '__proto__' is to be a key like any other, as JSON.parse makes it. */
function setAt({ container, key }: Place, value: Json): void {
  Object.defineProperty(container, key, { value, enumerable: true, configurable: true, writable: true })
}

function collectPlaces(value: Json, inFreeTree = false, places: Place[] = []): Place[] {
  if (typeof value !== 'object' || value === null || places.length > 500) return places
  for (const key of Object.keys(value)) {
    const child = (value as JsonObject)[key] as Json
    const isFree = inFreeTree || (freeKeys.includes(key) && typeof child === 'string')
    places.push({ container: value, key, isFree })
    collectPlaces(child, inFreeTree || freeTrees.includes(key), places)
  }
  return places
}

/** Changes the bytes of a body: what no JSON library would write. */
export function mutateBytes(random: SeededRandom, json: string): Buffer {
  const bytes = Buffer.from(json)
  const at = random.below(bytes.length + 1)
  const end = Math.min(at + random.below(20), bytes.length)
  switch (random.below(9)) {
    case 0:
      return bytes.subarray(0, at)
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(random.below(8) + 1), bytes.subarray(at)])
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    case 3:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    case 4:
      return Buffer.from(json.replace(/(?<=[:[,])(?:\d+|"[^"\\]*"|true|false|null)/, random.pick(oddLiterals)))
    case 5:
      return Buffer.from(json, 'utf16le')
    case 6:
      return Buffer.concat([Buffer.from('\ufeff'), bytes, random.chance(0.5) ? bytes : Buffer.from('\n')])
    case 7:
      return random.bytes(random.below(200))
    default:
      return Buffer.from('['.repeat(20_000) + json)
  }
}
