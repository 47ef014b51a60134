/** Longer names would only cost memory in the tables that are keyed by session. */
const lengthMax = 128

/** `null`: nothing that could name a session. */
export function sessionName(value: unknown): string | null {
  return typeof value === 'string' && value !== '' && value.length <= lengthMax ? value : null
}
