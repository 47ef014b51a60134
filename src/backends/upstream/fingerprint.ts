/** Knows a text again that it has seen piece by piece, without keeping it: 32 bits of FNV-1a, and the length. */
export class Fingerprint {
  /** UTF-16 units. */
  length = 0
  #hash = seed

  add(text: string): void {
    this.#hash = hashOf(text, text.length, this.#hash)
    this.length += text.length
  }

  /** Whether `text` begins with all that was seen. */
  begins(text: string): boolean {
    return text.length >= this.length && hashOf(text, this.length, seed) === this.#hash
  }

  /** What is new of a text that may or may not repeat all that was seen. */
  newOf(text: string): string {
    return this.begins(text) ? text.slice(this.length) : text
  }
}

// http://www.isthe.com/chongo/tech/comp/fnv/
const seed = 0x811c9dc5
const prime = 0x01000193

function hashOf(text: string, length: number, start: number): number {
  let hash = start
  for (let index = 0; index < length; index++) hash = Math.imul(hash ^ text.charCodeAt(index), prime)
  return hash
}
