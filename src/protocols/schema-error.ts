import type { ErrorObject } from 'ajv'
import { HeadendError } from '../contract/errors.ts'

/** A refusal in the wording of the hosted API: the dotted path of the field, then what it should be. */
export function refuseField(field: string, message: string): HeadendError {
  return new HeadendError('invalid-request', field === '' ? message : `${field}: ${message}`, { field })
}

const excerptLengthMax = 100

/** The client's own words inside a message: enough to find them again, however long they are. */
export function excerpt(text: string): string {
  return text.length <= excerptLengthMax ? text : `${text.slice(0, excerptLengthMax)}...`
}

/** Nothing that this server knows, while the hosted service, which gains such things with every release, may: its relays pass it on. */
export class UnknownType extends HeadendError {
  constructor(field: string, message: string) {
    super('invalid-request', `${field}: ${message}`, { field })
  }
}

/** No branch of a union has this value of `type`. */
export function refuseTag(path: string, tag: string, expected: readonly string[]): UnknownType {
  const tags = expected.map((name) => `'${name}'`).join(', ')
  const found = `Input tag '${excerpt(tag)}' found using 'type'`
  return new UnknownType(path, `${found} does not match any of the expected tags: ${tags}`)
}

/** Turns what Ajv found at `path` into one refusal. */
export function schemaError(path: string, errors: readonly ErrorObject[]): HeadendError {
  const error = mostPrecise(errors)
  const field = dotted(path, error)
  return refuseField(field, error.keyword === 'anyOf' ? expectedTypes(errors) : expectation(error))
}

/** Of a failed union Ajv reports every branch: the one whose type fits says what is wrong with the value. */
function mostPrecise(errors: readonly ErrorObject[]): ErrorObject {
  const last = errors.at(-1)
  if (last === undefined) throw new TypeError('a schema failed without an error')
  if (last.keyword !== 'anyOf') return last
  return errors.find((error) => error.instancePath !== last.instancePath || error.keyword === 'required') ?? last
}

function dotted(path: string, error: ErrorObject): string {
  const inner = error.instancePath.replaceAll('/', '.')
  const missing = error.keyword === 'required' ? `.${error.params.missingProperty}` : ''
  const field = `${path}${inner}${missing}`
  return field.startsWith('.') ? field.slice(1) : field
}

/** The words of the hosted API for JSON's types. */
const typeNames: Readonly<Record<string, string>> = {
  string: 'string',
  integer: 'integer',
  number: 'number',
  boolean: 'boolean',
  array: 'list',
  object: 'dictionary',
}

function expectedTypes(errors: readonly ErrorObject[]): string {
  return typeMessage(errors.flatMap((error) => (error.keyword === 'type' ? error.params.type : [])))
}

function typeMessage(types: string | readonly string[]): string {
  const names = [types].flat().flatMap((type) => typeNames[type] ?? [])
  return `Input should be a valid ${names.join(' or ')}`
}

/** Keywords that the schemas of `src/wire` use; each with the hosted API's sentence. */
function expectation({ keyword, params }: ErrorObject): string {
  switch (keyword) {
    case 'required':
      return 'Field required'
    case 'type':
      return typeMessage(params.type)
    case 'const':
      return `Input should be '${params.allowedValue}'`
    case 'enum':
      return `Input should be ${alternatives(params.allowedValues)}`
    case 'minimum':
      return `Input should be greater than or equal to ${params.limit}`
    case 'maximum':
      return `Input should be less than or equal to ${params.limit}`
    case 'minLength':
      return `String should have at least ${params.limit} character`
    case 'maxItems':
      return `List should have at most ${params.limit} items`
    case 'pattern':
      return `String should match pattern '${params.pattern}'`
    default:
      throw new TypeError(`no sentence for the schema keyword ${keyword}`)
  }
}

/** `'a', 'b' or 'c'` */
function alternatives(values: readonly (string | null)[]): string {
  const quoted = values.filter((value) => value !== null).map((value) => `'${value}'`)
  const last = quoted.pop()
  return quoted.length === 0 ? `${last}` : `${quoted.join(', ')} or ${last}`
}
