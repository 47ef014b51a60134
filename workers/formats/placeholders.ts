import { randomBytes } from 'node:crypto'
import type { CacheMark } from '../../src/contract/request.ts'

/** A piece of a rendered prompt. Only what the template itself wrote may become control tokens. */
export type Segment =
  | { readonly kind: 'template'; readonly text: string }
  | { readonly kind: 'client'; readonly text: string; readonly mark: CacheMark }

interface Held {
  readonly text: string
  readonly mark: CacheMark
}

/**
 * Stands in for the client's strings while a template renders, so that no template and no tokeniser can take them for anything
 * but text. The nonce is fresh for each prompt: a client cannot write a placeholder of its own.
 *
 * The quote inside a placeholder tells where it was written: a template that puts it into JSON escapes the quote, and the text
 * is then escaped just as often.
 */
export class Placeholders {
  readonly #prefix = `hd${randomBytes(12).toString('hex')}x`
  readonly #held: Held[] = []
  /** Of properties: templates look for them among the required ones. */
  readonly #names = new Map<string, string>()

  hold(text: string, mark: CacheMark = null): string {
    if (text === '' && mark === null) return ''
    this.#held.push({ text, mark })
    return `${this.#prefix}"${this.#held.length - 1};`
  }

  /** Holds every string of a JSON value, the keys too, and leaves its shape and order. */
  holdAll(value: unknown): unknown {
    if (typeof value === 'string') return this.hold(value)
    if (Array.isArray(value)) return value.map((item) => this.holdAll(item))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [this.hold(key), this.holdAll(item)]))
  }

  /** As `holdAll`, for a JSON schema: templates read its keywords, so those stay; names and texts of the client's do not. */
  holdSchema(schema: unknown): unknown {
    if (Array.isArray(schema)) return schema.map((item) => this.holdSchema(item))
    if (typeof schema !== 'object' || schema === null) return this.holdAll(schema)
    const entries = Object.entries(schema).map(([key, value]) => {
      if (namedSchemas.has(key)) return [key, this.#holdNamed(value)]
      if (key === 'required') return [key, this.#holdRequired(value)]
      if (key === 'type') return [key, holdsTypes(value) ? value : this.holdAll(value)]
      if (nestedSchemas.has(key)) return [key, this.holdSchema(value)]
      return [keywords.has(key) ? key : this.hold(key), this.holdAll(value)]
    })
    return Object.fromEntries(entries)
  }

  /** Schemas by names of the client's choice. */
  #holdNamed(schemas: unknown): unknown {
    if (typeof schemas !== 'object' || schemas === null || Array.isArray(schemas)) return this.holdAll(schemas)
    return Object.fromEntries(
      Object.entries(schemas).map(([name, schema]) => [this.#holdName(name), this.holdSchema(schema)]),
    )
  }

  /** One placeholder for all places where a property is named. */
  #holdName(name: string): string {
    const held = this.#names.get(name) ?? this.hold(name)
    this.#names.set(name, held)
    return held
  }

  #holdRequired(names: unknown): unknown {
    if (!Array.isArray(names)) return this.holdAll(names)
    return names.map((name) => (typeof name === 'string' ? this.#holdName(name) : this.holdAll(name)))
  }

  split(rendered: string): Segment[] {
    const pattern = new RegExp(`${this.#prefix}(\\\\*)"(\\d+);`, 'g')
    const segments: Segment[] = []
    let end = 0
    for (const match of rendered.matchAll(pattern)) {
      if (match.index > end) segments.push({ kind: 'template', text: rendered.slice(end, match.index) })
      const { text, mark } = this.#held[Number(match[2])] as Held
      segments.push({ kind: 'client', text: escapeTimes(text, jsonDepth(match[1] as string)), mark })
      end = match.index + match[0].length
    }
    if (end < rendered.length) segments.push({ kind: 'template', text: rendered.slice(end) })
    return segments
  }
}

/** https://json-schema.org/draft/2020-12: what chat templates look for. */
const namedSchemas = new Set(['properties', 'patternProperties', '$defs', 'definitions', 'dependentSchemas'])
const nestedSchemas = new Set(['items', 'prefixItems', 'anyOf', 'oneOf', 'allOf', 'not', 'additionalProperties'])
const keywords = new Set(['description', 'title', 'enum', 'const', 'default', 'format', 'nullable', 'examples'])
const types = new Set(['object', 'array', 'string', 'number', 'integer', 'boolean', 'null'])

function holdsTypes(value: unknown): boolean {
  const names = Array.isArray(value) ? value : [value]
  return names.every((name) => typeof name === 'string' && types.has(name))
}

/** JSON inside JSON inside ... : a quote gets 1, 3, 7 backslashes. */
function jsonDepth(backslashes: string): number {
  return Math.log2(backslashes.length + 1)
}

function escapeTimes(text: string, depth: number): string {
  let escaped = text
  for (let level = 0; level < depth; level++) escaped = JSON.stringify(escaped).slice(1, -1)
  return escaped
}
