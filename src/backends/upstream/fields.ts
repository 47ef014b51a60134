/** Members of a JSON object of whatever shape: answers of upstreams are read, never trusted. */
export type Fields = Readonly<Record<string, unknown>>

/** `null`: it is no object. */
export function fieldsOf(value: unknown): Fields | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : null
}

/** '': it is no text, or an empty one. */
export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
