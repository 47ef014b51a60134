import fastJson, { type Schema } from 'fast-json-stringify'

/** To be called at module load only: it takes about a millisecond. */
export function compileSerializer<Value>(schema: object): (value: Value) => string {
  return fastJson(schema as Schema) // its type wants mutable arrays
}
