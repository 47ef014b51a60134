import { Ajv, type ValidateFunction } from 'ajv'

// The schemas are our own constants: checking them against the meta-schema would only cost start-up time. So would
// optimising the generated code: it takes a third of the compile time, and the validators run no faster.
const ajv = new Ajv({ strict: false, meta: false, validateSchema: false, code: { optimize: false } })

/** To be called at module load only. */
export function compileSchema(schema: object): ValidateFunction {
  return ajv.compile(schema)
}

/** One validator per value of the field that tells the shapes of a union apart. */
export type Branches = ReadonlyMap<string, ValidateFunction>

export function compileBranches(schemas: Readonly<Record<string, object>>): Branches {
  return new Map(Object.entries(schemas).map(([tag, schema]) => [tag, compileSchema(schema)]))
}
